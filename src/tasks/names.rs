//! Keeps providers' addresses fresh.

use std::time::Duration;

use crate::{
    gateway::Gateway,
    upstream::discovery::{REFRESH, RETRY, Which},
};

/// Looks all names up now and then; sooner those that have no address at all, as after a reload
/// that brought them.
pub(super) async fn refresh(gateway: &Gateway) {
    let look_up = async |which| {
        let failures = gateway.hosts.refresh(which).await;
        gateway.metrics.dns_failures.inc_by(failures as u64);
    };
    loop {
        let mut waited = Duration::ZERO;
        while waited < REFRESH {
            tokio::time::sleep(RETRY).await;
            waited += RETRY;
            look_up(Which::Unknown).await;
        }
        look_up(Which::All).await;
    }
}
