//! Forgets what every process has read of the store's changes, and what keys were long ago: a few at a time, so
//! that nobody who writes waits long. Whoever comes first does it, and the others find nothing.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    gateway::Gateway,
    store::{self, Store, StoreError},
};

/// How often it is looked for what is too old.
const LOOK: Duration = Duration::from_secs(3600);
/// When it is looked first: the start has other things to do.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// How long others get between two batches.
const BREATH: Duration = Duration::from_millis(100);
/// Rows of one batch.
const BATCH: u32 = 500;
/// How long changes are remembered for processes that could not read them, in milliseconds.
const CHANGES: i64 = 86_400_000;
/// How long it is known that a text was a key until it was rotated away, in milliseconds.
const RETIRED: i64 = 30 * 86_400_000;

/// Tidies up for as long as the process lives.
pub(super) async fn run(gateway: &Gateway) {
    sleep(FIRST_LOOK).await;
    loop {
        if let Some(store) = gateway.store.load_full()
            && let Err(error) = tidy(&store).await
        {
            log::debug!("the store was not tidied up: {error}");
        }
        sleep(LOOK).await;
    }
}

async fn tidy(store: &Store) -> Result<(), StoreError> {
    let now = store::now();
    while store.forget_changes(now - CHANGES, BATCH).await? > 0 {
        sleep(BREATH).await;
    }
    while store.forget_retired(now - RETIRED, BATCH).await? > 0 {
        sleep(BREATH).await;
    }
    Ok(())
}
