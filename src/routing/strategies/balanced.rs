//! `weighted` and `round-robin`, by Pingora's load balancing. A provider's address is found later, so a
//! backend has a made-up one, and its place among the targets in its extensions.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use futures::FutureExt;
use http::Extensions;
use pingora::{
    lb::{
        Backend, Backends, LoadBalancer,
        discovery::Static,
        selection::{
            BackendIter, BackendSelection,
            algorithms::{Random, RoundRobin},
            weighted::Weighted,
        },
    },
    protocols::l4::socket,
};

use super::{Choice, Strategy, Target, usable};
use crate::routing::chance;

/// How often the weights are asked again where they named one that may not be asked: Pingora itself goes
/// on regardless of weights.
const DRAWS: usize = 16;

/// A target's place.
#[derive(Debug, Clone, Copy)]
struct Place(usize);

struct Balanced<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    balancer: LoadBalancer<S>,
    weight: fn(&Target) -> u16,
}

/// At random, by weight.
pub(super) fn weighted(targets: &[Target]) -> Box<dyn Strategy> {
    balanced::<Weighted<Random>>(targets, |target| target.weight)
}

/// One after the other.
pub(super) fn round_robin(targets: &[Target]) -> Box<dyn Strategy> {
    balanced::<Weighted<RoundRobin>>(targets, |target| target.weight.min(1))
}

impl<S> Strategy for Balanced<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let place = |backend: &Backend| backend.ext.get::<Place>().map(|place| place.0);
        let accept = |backend: &Backend, _| place(backend).is_some_and(|at| (choice.is_usable)(at));
        // A question takes nobody's turn.
        let draws = if choice.is_question { 0 } else { DRAWS };
        let drawn = (0..draws).find_map(|_| self.balancer.select_with(&[], 1, accept));
        match drawn {
            Some(backend) => place(&backend),
            None => self.by_weight(targets, choice),
        }
    }
}

impl<S> Balanced<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    /// One of those that may be asked, at random by weight: where those are out that have nearly all of it.
    /// Those of weight 0 are there for emergencies.
    fn by_weight(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let (mut all, mut picked) = (0, None);
        for at in usable(targets, choice) {
            let weight = targets.get(at).map_or(0, self.weight).into();
            all += weight;
            if picked.is_none() || chance::below(all) < weight {
                picked = Some(at);
            }
        }
        picked
    }
}

fn balanced<S>(targets: &[Target], weight: fn(&Target) -> u16) -> Box<dyn Strategy>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    Box::new(Balanced::<S> {
        balancer: balancer(targets, weight),
        weight,
    })
}

fn balancer<S>(targets: &[Target], weight: fn(&Target) -> u16) -> LoadBalancer<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    let backends: BTreeSet<Backend> = targets
        .iter()
        .enumerate()
        .filter(|(_, target)| weight(target) > 0)
        .map(|(at, target)| {
            let mut ext = Extensions::new();
            ext.insert(Place(at));
            Backend {
                addr: socket::SocketAddr::Inet(made_up(at)),
                weight: usize::from(weight(target)),
                ext,
            }
        })
        .collect();
    let balancer = LoadBalancer::from_backends(Backends::new(Static::new(backends)));
    // A static list is there at once.
    let _ = balancer.update().now_or_never();
    balancer
}

/// An address that is no one's, one for each place.
fn made_up(at: usize) -> SocketAddr {
    let low = u128::try_from(at).unwrap_or_default();
    let address = Ipv6Addr::from(0x0100_0000_0000_0000_0000_0000_0000_0000_u128 | low);
    SocketAddr::new(IpAddr::V6(address), 1)
}
