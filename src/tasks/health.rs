//! Asks providers now and then whether they are there. Pingora's health checks do the counting:
//! [`Providers`] says whom to ask, [`Checks`] asks by `upstream::probe`, and the verdict goes into
//! `health::ProviderHealth`, where routing reads it.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv6Addr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{
    Error, ErrorType, Result,
    lb::{Backend, Backends, Extensions, discovery::ServiceDiscovery, health_check::HealthCheck},
    protocols::l4::socket::SocketAddr as PeerAddress,
    server::ShutdownWatch,
};
use sha2::{Digest, Sha256};

use crate::{
    config,
    gateway::Gateway,
    upstream::{probe::probe, provider::Provider},
};

/// How often it is looked whether the configuration has changed.
const LOOK: Duration = Duration::from_millis(500);
/// How often models that nobody asks for are forgotten.
const FORGET: Duration = Duration::from_secs(300);

/// Forgets, now and then, the models that nobody asks for any more.
pub(super) async fn forget(gateway: &Gateway) {
    loop {
        tokio::time::sleep(FORGET).await;
        gateway.health.forget_unused(Instant::now());
    }
}

/// Checks as the configuration has it, until the process is told to end.
pub(super) async fn watch(gateway: &Arc<Gateway>, mut shutdown: ShutdownWatch) {
    tokio::select! {
        () = rounds(gateway) => {}
        _ = shutdown.wait_for(|is_ordered| *is_ordered) => {}
    }
}

async fn rounds(gateway: &Arc<Gateway>) {
    let mut backends = None;
    loop {
        if settings(gateway).active {
            round(gateway, backends.get_or_insert_with(|| checked(gateway))).await;
        } else if backends.take().is_some() {
            for member in gateway.snapshot().router.members.values() {
                member.provider.health.is_up.store(true, Relaxed);
            }
        }
        pause(gateway).await;
    }
}

/// Those who are checked.
fn checked(gateway: &Arc<Gateway>) -> Backends {
    let mut backends = Backends::new(Box::new(Providers(gateway.clone())));
    backends.set_health_check(Box::new(Checks(gateway.clone())));
    backends
}

/// Asks everyone once, side by side.
async fn round(gateway: &Gateway, backends: &Backends) {
    // The discovery of ours does not fail.
    let _ = backends.update(|_| {}).await;
    backends.run_health_check(true).await;
    // Changes are known by now; but a provider that a reload had left out for a while has a new state.
    for backend in backends.get_backend().iter() {
        if let Some((_, provider)) = find(gateway, backend) {
            provider
                .health
                .is_up
                .store(backends.ready(backend), Relaxed);
        }
    }
}

/// Waits for the next round; a reload may make that sooner or later.
async fn pause(gateway: &Gateway) {
    let began = Instant::now();
    let was_active = settings(gateway).active;
    loop {
        let settings = settings(gateway);
        let left = match settings.active {
            true => settings
                .interval_seconds
                .duration()
                .saturating_sub(began.elapsed()),
            false => LOOK,
        };
        if left.is_zero() || settings.active != was_active {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

fn settings(gateway: &Gateway) -> config::HealthCheck {
    gateway.snapshot().config.routing.health_check.clone()
}

/// The current snapshot's providers, as Pingora's backends.
struct Providers(Arc<Gateway>);

/// Whom a backend stands for. Pingora keeps a backend for as long as one of the same address is
/// discovered, so it cannot hold a provider, which every reload replaces.
struct Subject {
    name: Arc<str>,
    /// What the last check found wrong.
    reason: Mutex<String>,
}

/// Whom that backend stands for, and the provider of that name now.
fn find(gateway: &Gateway, backend: &Backend) -> Option<(Arc<Subject>, Arc<Provider>)> {
    let subject = backend.ext.get::<Arc<Subject>>()?.clone();
    let snapshot = gateway.snapshot();
    let member = snapshot.router.members.get(&subject.name)?;
    Some((subject, member.provider.clone()))
}

#[async_trait]
impl ServiceDiscovery for Providers {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let snapshot = self.0.snapshot();
        let (listing, others): (Vec<_>, Vec<_>) = snapshot
            .router
            .members
            .values()
            .map(|member| &member.provider)
            .partition(|provider| provider.models_path.is_some());
        for provider in others {
            provider.health.is_up.store(true, Relaxed);
        }
        let backends = listing.into_iter().map(|provider| backend(&provider.name));
        Ok((backends.collect(), HashMap::new()))
    }
}

/// A backend of an address that nobody else's name leads to. It is never connected to.
fn backend(name: &Arc<str>) -> Backend {
    let digest = Sha256::digest(name.as_bytes());
    let mut address = [0; 16];
    address
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    let mut ext = Extensions::new();
    ext.insert(Arc::new(Subject {
        name: name.clone(),
        reason: Mutex::default(),
    }));
    Backend {
        addr: PeerAddress::Inet((Ipv6Addr::from(address), 0).into()),
        weight: 1,
        ext,
    }
}

/// The check of one provider.
struct Checks(Arc<Gateway>);

#[async_trait]
impl HealthCheck for Checks {
    async fn check(&self, target: &Backend) -> Result<()> {
        let Some((subject, provider)) = find(&self.0, target) else {
            return Ok(());
        };
        let timeout = settings(&self.0).timeout_seconds.duration();
        let found = probe(&self.0.client, &provider, timeout).await;
        found.map_err(|reason| {
            reason.clone_into(&mut subject.reason.lock());
            Error::explain(ErrorType::ConnectError, reason)
        })
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let Some((subject, provider)) = find(&self.0, target) else {
            return;
        };
        provider.health.is_up.store(healthy, Relaxed);
        let name = &subject.name;
        match healthy {
            true => log::info!("provider={name} status=recovered"),
            false => log::warn!(
                "provider={name} status=unhealthy reason={}",
                subject.reason.lock()
            ),
        }
    }

    fn backend_summary(&self, target: &Backend) -> String {
        let subject = target.ext.get::<Arc<Subject>>();
        subject.map_or_else(String::new, |subject| subject.name.to_string())
    }

    fn health_threshold(&self, _: bool) -> usize {
        settings(&self.0).threshold.max(1)
    }
}

#[cfg(test)]
mod tests;
