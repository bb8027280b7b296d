//! The end of the process: no new requests, those in flight finish, then nothing is left to wait
//! for. Pingora would sleep its whole grace period; this ends the process when it is time.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use pingora::server::ShutdownWatch;

use super::usage::Closing;
use crate::{
    gateway::Gateway,
    telemetry::logging::{self, event},
};

/// How often it is looked whether requests are still open.
const LOOK: Duration = Duration::from_millis(20);
/// How long connections may take to close once their requests are over: HTTP/2 hands its last
/// frames to a task of its own.
const LAST_BYTES: Duration = Duration::from_millis(300);
/// How long requests have that are cut off, to write their rows.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the journal's end may wait for its disk.
const LAST_ROW: Duration = Duration::from_secs(1);

/// Waits for the order to shut down, then for requests in flight, then exits.
pub(super) async fn wait(
    gateway: &Gateway,
    mut shutdown: ShutdownWatch,
    closing: &Closing,
    at_exit: &(dyn Fn() + Send + Sync),
) {
    if shutdown.wait_for(|is_ordered| *is_ordered).await.is_err() {
        return;
    }
    gateway.draining.store(true, Ordering::Relaxed);
    let patience = gateway
        .snapshot()
        .config
        .listen
        .drain_timeout_seconds
        .duration();
    let open = || gateway.open_requests.load(Ordering::Relaxed);
    event("draining", &[("open_requests", &open().to_string())]);
    let latest = Instant::now() + patience;
    let mut over_since = None;
    loop {
        let now = Instant::now();
        let connections = gateway.open_connections.load(Ordering::Relaxed);
        if open() > 0 {
            over_since = None;
        } else if connections == 0 || now - *over_since.get_or_insert(now) > LAST_BYTES {
            break;
        }
        if now >= latest {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let cut_off = open();
    cut(gateway).await;
    closing.finish().await;
    gateway.cache.flush().await;
    event("stopped", &[("cut_off", &cut_off.to_string())]);
    at_exit();
    if let Some(journal) = gateway.journal().cloned() {
        let ending = tokio::task::spawn_blocking(move || journal.end());
        let _ = tokio::time::timeout(LAST_ROW, ending).await;
    }
    logging::flush();
    std::process::exit(0);
}

/// Cuts what is still open, and waits for what is said of it.
async fn cut(gateway: &Gateway) {
    gateway.departure.cut();
    let latest = Instant::now() + LAST_WORDS;
    while gateway.open_requests.load(Ordering::Relaxed) > 0 && Instant::now() < latest {
        tokio::time::sleep(LOOK).await;
    }
}
