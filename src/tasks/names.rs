//! Keeps providers' addresses fresh.

use std::time::Duration;

use crate::{
    gateway::Gateway,
    upstream::discovery::{REFRESH, RETRY},
};

/// Looks all names up now and then; sooner while one of them has no address at all, as after a
/// reload that brought it.
pub(super) async fn refresh(gateway: &Gateway) {
    loop {
        let failures = gateway.hosts.refresh().await;
        gateway.metrics.dns_failures.inc_by(failures as u64);
        let mut waited = Duration::ZERO;
        while waited < REFRESH {
            tokio::time::sleep(RETRY).await;
            waited += RETRY;
            if gateway.hosts.any_unknown() {
                break;
            }
        }
    }
}
