//! Addresses of providers, refreshed in the background. A request takes what is known and never
//! waits for a name server; when a look-up fails, the last known addresses stay in use.
//!
//! Built on Pingora's load balancing: a host is a `LoadBalancer` whose `ServiceDiscovery` is DNS,
//! so that several addresses of one name are used in turn.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use parking_lot::RwLock;
use pingora::{
    Error, ErrorType, OrErr, Result,
    lb::{
        Backend, Backends, Extensions, LoadBalancer, discovery::ServiceDiscovery,
        selection::RoundRobin,
    },
    protocols::l4::socket::SocketAddr as PeerAddress,
};

/// How often names are looked up again.
pub const REFRESH: Duration = Duration::from_secs(30);
/// How soon a name without any address is looked up again.
pub const RETRY: Duration = Duration::from_secs(2);
/// How long one look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A provider's host: a name or an address, and a port.
pub struct Host {
    name: Box<str>,
    addresses: LoadBalancer<RoundRobin>,
}

/// Every host that is or was in use, so that a reload does not forget addresses.
#[derive(Default)]
pub struct Hosts {
    hosts: RwLock<ByName>,
}

/// Which names to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are known.
    All,
    /// Those without an address.
    Unknown,
}

/// By name and port.
type ByName = HashMap<(Box<str>, u16), Arc<Host>>;

impl Hosts {
    /// The host of that name and port; made on first use.
    pub fn get(&self, name: &str, port: u16) -> Arc<Host> {
        self.hosts
            .write()
            .entry((name.into(), port))
            .or_insert_with(|| Arc::new(Host::new(name, port)))
            .clone()
    }

    /// Forgets the hosts that only this table still holds. Call it after a reload.
    pub fn forget_unused(&self) {
        self.hosts
            .write()
            .retain(|_, host| Arc::strong_count(host) > 1);
    }

    /// Looks them up, side by side: all, or those alone that have no address. Gives back how many
    /// failed.
    pub async fn refresh(&self, which: Which) -> usize {
        let is_due = |host: &&Arc<Host>| which == Which::All || !host.is_known();
        let hosts: Vec<_> = self.hosts.read().values().filter(is_due).cloned().collect();
        let results = futures::future::join_all(hosts.iter().map(|host| host.refresh())).await;
        results.into_iter().filter(|known| !known).count()
    }

    /// Whether any of them has no address at all.
    pub fn any_unknown(&self) -> bool {
        self.hosts.read().values().any(|host| !host.is_known())
    }
}

impl Host {
    fn new(name: &str, port: u16) -> Self {
        let dns = Dns {
            name: name.into(),
            port,
        };
        let addresses = LoadBalancer::from_backends(Backends::new(Box::new(dns)));
        if name.parse::<IpAddr>().is_ok() {
            // An address needs no look-up: this is ready at once.
            let _ = addresses.update().now_or_never();
        }
        Host {
            name: name.into(),
            addresses,
        }
    }

    /// The next address to try; `None` while the name has none.
    pub fn next_address(&self) -> Option<SocketAddr> {
        let known = self.addresses.backends().get_backend();
        // Most have one; there is nothing to choose then.
        if known.len() == 1 {
            return known.first()?.addr.as_inet().copied();
        }
        let backend = self.addresses.select(b"", 16)?;
        backend.addr.as_inet().copied()
    }

    /// The name or address, without the port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has an address.
    pub fn is_known(&self) -> bool {
        !self.addresses.backends().get_backend().is_empty()
    }

    /// Looks the name up. `false` where that failed; what was known stays in use then.
    async fn refresh(&self) -> bool {
        match tokio::time::timeout(LOOKUP_TIMEOUT, self.addresses.update()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                log::warn!("cannot resolve {}: {error}", self.name);
                false
            }
            Err(_) => {
                log::warn!(
                    "cannot resolve {}: no answer in {LOOKUP_TIMEOUT:?}",
                    self.name
                );
                false
            }
        }
    }
}

/// Looks a name up with the system's resolver, on a thread for blocking work.
struct Dns {
    name: Box<str>,
    port: u16,
}

#[async_trait]
impl ServiceDiscovery for Dns {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let addresses: Vec<SocketAddr> = match self.name.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, self.port)],
            Err(_) => tokio::net::lookup_host((self.name.as_ref(), self.port))
                .await
                .or_err(ErrorType::ConnectNoRoute, "name look-up")?
                .collect(),
        };
        if addresses.is_empty() {
            return Error::e_explain(ErrorType::ConnectNoRoute, "the name has no address");
        }
        let backends = addresses.into_iter().map(|address| Backend {
            addr: PeerAddress::Inet(address),
            weight: 1,
            ext: Extensions::new(),
        });
        Ok((backends.collect(), HashMap::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_look_up_and_a_name_keeps_its_last_answer() {
        let hosts = Hosts::default();
        let host = hosts.get("127.0.0.1", 81);
        let unknown = hosts.get("no-such-name.invalid", 80);
        assert_eq!(host.next_address(), Some("127.0.0.1:81".parse().unwrap()));
        assert_eq!(hosts.refresh(Which::All).await, 1);
        assert_eq!(unknown.next_address(), None);
        assert!(hosts.any_unknown());
    }

    #[test]
    fn hosts_that_nobody_uses_are_forgotten() {
        let hosts = Hosts::default();
        let kept = hosts.get("a", 1);
        hosts.get("b", 1);
        hosts.forget_unused();
        assert_eq!(hosts.hosts.read().len(), 1);
        assert_eq!(kept.name(), "a");
    }
}
