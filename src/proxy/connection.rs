//! What happens to a connection before its first request, and around all of them: a cap on
//! connections per address, a deadline for request heads, and the [`Watchdog`] on reading
//! ([`super::guarded`]).

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use pingora::{
    apps::ServerApp,
    protocols::{Digest, Stream},
    server::ShutdownWatch,
};
use pingora_limits::inflight::Inflight;
use pingora_proxy::HttpProxy;

use super::{Proxy, guarded::Guarded, watchdog::Watchdog};
use crate::gateway::Gateway;

/// The application behind the client port: guards connections, then hands them to Pingora's proxy.
pub struct Connections {
    gateway: Arc<Gateway>,
    proxy: Arc<HttpProxy<Proxy>>,
    per_address: Inflight,
}

/// Counts a connection for as long as it lives.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// Guards what reaches `proxy`.
    pub fn new(gateway: Arc<Gateway>, proxy: HttpProxy<Proxy>) -> Self {
        Connections {
            gateway,
            proxy: Arc::new(proxy),
            per_address: Inflight::new(),
        }
    }
}

#[async_trait]
impl ServerApp for Connections {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let snapshot = self.gateway.snapshot();
        let listen = &snapshot.config.listen;
        let address: Option<IpAddr> = stream.get_socket_digest().and_then(|digest| {
            digest
                .peer_addr()
                .and_then(|peer| peer.as_inet().map(|inet| inet.ip()))
        });
        let (_held, count) = self.per_address.incr(address, 1);
        let cap = listen.connections_per_address;
        if cap > 0 && usize::try_from(count).is_ok_and(|count| count > cap) {
            self.gateway.metrics.connections_rejected.inc();
            log::debug!("closed a connection from {address:?}: it holds {cap} already");
            return None;
        }
        self.gateway
            .open_connections
            .fetch_add(1, Ordering::Relaxed);
        let _open = Open(&self.gateway.open_connections);
        let watchdog = Arc::new(Watchdog::new());
        watchdog.arm(Instant::now() + listen.head_timeout_seconds.duration());
        drop(snapshot);
        let guarded = Guarded::new(stream, watchdog.clone(), self.gateway.departure.join());
        let left = self.proxy.process_new(Box::new(guarded), shutdown).await;
        // Nobody takes the mark once requests are over: it was a head that did not come.
        if watchdog.take_fired() {
            self.gateway.metrics.slow_heads.inc();
        }
        left
    }

    async fn cleanup(&self) {
        self.proxy.cleanup().await;
    }
}

/// The watchdog of the connection that a session's digest belongs to.
pub fn watchdog_of(digest: Option<&Digest>) -> Option<Arc<Watchdog>> {
    let proxy_digest = digest?.proxy_digest.as_ref()?;
    proxy_digest
        .user_data
        .as_ref()?
        .downcast_ref::<Arc<Watchdog>>()
        .cloned()
}
