//! Forgets rows of requests, and sums of them, that are older than they are to be kept: a few at a time, so
//! that nobody who writes waits long.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    gateway::Gateway,
    store::{self, Store, StoreError, usage::Age},
};

/// How often it is looked for what is too old.
const LOOK: Duration = Duration::from_millis(LOOK_MS.unsigned_abs());
/// When it is looked first: the start has other things to do.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long others get between two batches.
const BREATH: Duration = Duration::from_millis(100);
/// Rows of one batch.
const BATCH: u32 = 500;
const DAY_MS: i64 = 86_400_000;
const LOOK_MS: i64 = 600_000;

/// Forgets for as long as the process lives.
pub(super) async fn run(gateway: &Gateway) {
    sleep(FIRST_LOOK).await;
    let mut now = store::now();
    loop {
        // A clock that jumps must not forget everything: it is followed at twice its usual pace.
        now = store::now().min(now + 2 * LOOK_MS);
        if let Err(error) = look(gateway, now).await {
            log::warn!("old rows of usage are kept for now: {error}");
        }
        sleep(LOOK).await;
    }
}

async fn look(gateway: &Gateway, now: i64) -> Result<(), StoreError> {
    match gateway.store.load_full() {
        Some(store) => forget(gateway, &store, now).await,
        None => Ok(()),
    }
}

async fn forget(gateway: &Gateway, store: &Store, now: i64) -> Result<(), StoreError> {
    let (rows, sums, tags) = {
        let usage = &gateway.snapshot().config.usage;
        let (sums, tags) = (usage.sums_retention_days, usage.tags_retention_days);
        (usage.retention_days, sums, tags)
    };
    for (what, days) in [
        (Age::Requests, rows),
        (Age::Sums, sums),
        (Age::TagSums, tags),
        (Age::Unused, tags),
    ] {
        if days == 0 {
            continue;
        }
        let before = now - i64::from(days).saturating_mul(DAY_MS);
        while store.forget(what, before, BATCH).await? == u64::from(BATCH) {
            sleep(BREATH).await;
        }
    }
    Ok(())
}
