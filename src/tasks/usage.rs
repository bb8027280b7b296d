//! Takes rows from the journal to the store, in batches. While the store is away they wait in the journal,
//! and nobody else notices.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::{
    gateway::Gateway,
    row::Row,
    store::StoreError,
    telemetry::metrics::usage::UsageMetrics,
    usage::{
        journal::{Journal, Reader, sync::blocking},
        ledger::Ledger,
    },
};

/// How long rows are gathered: long enough to make one transaction of many.
const GATHER: Duration = Duration::from_millis(250);
/// Rows of one transaction, at most: short enough that no other writer of SQLite waits long.
const MAX_ROWS: usize = 1000;
/// Rows by which it is found out whether the store refuses all.
const PROBES: usize = 8;
/// How long the store is left alone after a failure, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked for journals of processes that are gone.
const ADOPT: Duration = Duration::from_secs(30);
/// How long the end of the process waits for the last rows. What is left is found by the next one.
const LAST_ROWS: Duration = Duration::from_secs(5);
/// How long of that it waits for a store that has not been open yet.
const OPENING: Duration = Duration::from_secs(2);

/// The end of the process, agreed upon.
#[derive(Debug, Default)]
pub(super) struct Closing {
    begun: Notify,
    done: Notify,
}

impl Closing {
    /// All requests are over: waits for their rows, for a while.
    pub(super) async fn finish(&self) {
        self.begun.notify_one();
        let _ = timeout(LAST_ROWS, self.done.notified()).await;
    }
}

/// Settles rows until the end of the process.
pub(super) async fn run(
    journal: Option<&Arc<Journal>>,
    ledger: &dyn Ledger,
    metrics: &UsageMetrics,
    closing: &Closing,
) {
    if let Some(journal) = journal {
        let mut settling = Settling {
            reader: Reader::new(journal.clone()),
            ledger,
            metrics,
            pause: None,
        };
        settling.until(closing.begun.notified()).await;
        settling.finish(journal).await;
    }
    closing.done.notify_one();
    std::future::pending().await
}

struct Settling<'a> {
    reader: Reader,
    ledger: &'a dyn Ledger,
    metrics: &'a UsageMetrics,
    /// How long the store is left alone; `None` while it is well.
    pause: Option<Duration>,
}

impl Settling<'_> {
    /// Settles what comes until `end`.
    async fn until(&mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        let mut adopt_at = Instant::now();
        loop {
            if Instant::now() >= adopt_at {
                adopt_at = Instant::now() + ADOPT;
                self.adopt();
            }
            let wait = match self.step().await {
                true => continue,
                false => self.pause.unwrap_or(GATHER),
            };
            tokio::select! {
                () = &mut end => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Settles what is there, and leaves nothing behind where that succeeds.
    async fn finish(&mut self, journal: &Journal) {
        if let Err(error) = blocking(|| journal.close()) {
            log::error!("the journal of usage: {error}");
        }
        // A process that is stopped as soon as it has begun.
        let latest = Instant::now() + OPENING;
        while !self.ledger.is_open() && Instant::now() < latest {
            sleep(GATHER / 10).await;
        }
        while self.step().await {}
        match self.pause {
            None if self.ledger.is_open() => blocking(|| self.reader.finish()),
            _ => log::warn!("the store is away; the next process finds the last rows of usage"),
        }
    }

    /// Settles the next batch. Whether there may be more right now.
    async fn step(&mut self) -> bool {
        if !self.ledger.is_open() {
            return false;
        }
        let batch = match blocking(|| self.reader.next(MAX_ROWS)) {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                self.pause = None;
                return false;
            }
            Err(error) => {
                self.fail(&format!("the journal of usage cannot be read: {error}"));
                return false;
            }
        };
        let rows = batch.rows();
        match settle(self.ledger, &rows, self.metrics).await {
            Ok(()) => {
                self.metrics.settled.inc_by(rows.len() as u64);
                if self.pause.take().is_some() {
                    log::info!("the store takes rows of usage again");
                }
                blocking(|| self.reader.settled(&batch));
                true
            }
            Err(error) => {
                self.metrics.failures.inc();
                self.fail(&format!("rows of usage wait in the journal: {error}"));
                false
            }
        }
    }

    /// Says what is wrong, once, and waits longer each time.
    fn fail(&mut self, what: &str) {
        match self.pause {
            None => log::error!("{what}"),
            Some(_) => log::debug!("{what}"),
        }
        let longer = self.pause.map_or(FIRST_PAUSE, |pause| pause * 2);
        self.pause = Some(longer.min(LAST_PAUSE));
    }

    fn adopt(&mut self) {
        match blocking(|| self.reader.adopt()) {
            Ok(0) => {}
            Ok(count) => log::info!("found {count} journals of processes that are gone"),
            Err(error) => log::error!("cannot look for journals of usage: {error}"),
        }
    }
}

#[async_trait]
impl Ledger for Gateway {
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError> {
        match self.store.load_full() {
            Some(store) => store.settle(rows).await,
            None => Err(StoreError::Away("it is not open yet".to_owned())),
        }
    }

    fn is_open(&self) -> bool {
        self.store.load().is_some()
    }
}

/// Settles rows. A row that the store refuses while it takes others is said in the log and left out, so that
/// it does not hold up all behind it. Where none of a few is taken it is not the rows, and they wait.
async fn settle(
    ledger: &dyn Ledger,
    rows: &[Row<'_>],
    metrics: &UsageMetrics,
) -> Result<(), StoreError> {
    let refused = match ledger.settle(rows).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_away() => return Err(error),
        Err(error) => error,
    };
    let some = rows.iter().step_by(rows.len().div_ceil(PROBES).max(1));
    if !takes_any(ledger, some).await {
        return Err(refused);
    }
    for row in rows {
        match ledger.settle(std::slice::from_ref(row)).await {
            Ok(_) => {}
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                metrics.refused.inc();
                let json = serde_json::to_string(row).unwrap_or_default();
                log::error!(
                    "the store refuses a row of usage ({error}), which is left out: {json}"
                );
            }
        }
    }
    Ok(())
}

async fn takes_any<'a>(ledger: &dyn Ledger, rows: impl Iterator<Item = &'a Row<'a>>) -> bool {
    for row in rows {
        if ledger.settle(std::slice::from_ref(row)).await.is_ok() {
            return true;
        }
    }
    false
}
