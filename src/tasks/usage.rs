//! Takes rows from the journal to the store, in batches. While the store is away they wait in the journal,
//! and nobody else notices.

mod offer;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use offer::Offer;

use crate::{
    blocking::blocking,
    gateway::Gateway,
    row::Row,
    store::StoreError,
    telemetry::metrics::usage::UsageMetrics,
    usage::{
        journal::{Journal, Reader},
        ledger::Ledger,
    },
};

/// How long rows are gathered: long enough to make one transaction of many.
const GATHER: Duration = Duration::from_millis(250);
/// Rows of one transaction, at most: short enough that no other writer of SQLite waits long.
const MAX_ROWS: usize = 1000;
/// And where that failed: half as many each time, down to this.
const FEW_ROWS: usize = 16;
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
pub struct Closing {
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
            journal,
            ledger,
            offer: Offer::to(ledger),
            metrics,
            size: MAX_ROWS,
            pause: None,
        };
        // Apart: settlement may wait for the store, and what waits for the disk is in memory alone.
        let mut late = JoinSet::new();
        late.spawn(write_late(journal.clone()));
        settling.until(closing.begun.notified()).await;
        late.abort_all();
        settling.finish().await;
    }
    closing.done.notify_one();
    std::future::pending().await
}

/// Writes rows that the disk held up, as soon as it does so no longer; never ends.
async fn write_late(journal: Arc<Journal>) {
    loop {
        sleep(GATHER).await;
        journal.write_late();
    }
}

/// How a step of settlement went.
enum Step {
    /// A batch was settled, and there is more.
    More,
    /// What there was is settled.
    Rest,
    /// There was nothing, or it could not be settled.
    Nothing,
}

struct Settling<'a> {
    reader: Reader,
    journal: &'a Journal,
    ledger: &'a dyn Ledger,
    offer: Offer<'a>,
    metrics: &'a UsageMetrics,
    /// Rows of the next batch, at most: fewer where the store could not take so many in time.
    size: usize,
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
                Step::More => continue,
                // A transaction for the few rows that came meanwhile would cost as much as one for all of the next.
                Step::Rest => GATHER,
                Step::Nothing => self.pause.unwrap_or(GATHER),
            };
            tokio::select! {
                () = &mut end => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Settles what is there, and leaves nothing behind where that succeeds.
    async fn finish(&mut self) {
        if let Err(error) = blocking(|| self.journal.close()) {
            log::error!("the journal of usage: {error}");
        }
        // A process that is stopped as soon as it has begun.
        let latest = Instant::now() + OPENING;
        while !self.ledger.is_open() && Instant::now() < latest {
            sleep(GATHER / 10).await;
        }
        while !matches!(self.step().await, Step::Nothing) {}
        match self.pause {
            None if self.ledger.is_open() => {}
            _ => log::warn!("the store is away; the next process finds the last rows of usage"),
        }
    }

    /// Settles the next batch.
    async fn step(&mut self) -> Step {
        if !self.ledger.is_open() {
            return Step::Nothing;
        }
        let next = match self.reader.has_news() {
            true => blocking(|| self.reader.next(self.size)),
            // A process that rests looks into no folder.
            false => Ok(None),
        };
        let batch = match next {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                self.pause = None;
                return Step::Nothing;
            }
            Err(error) => {
                self.fail(&format!("the journal of usage cannot be read: {error}"));
                return Step::Nothing;
            }
        };
        let rows = batch.rows();
        match self.offer.rows(&rows).await {
            Ok(given_up) => {
                let settled = rows.len() - given_up.len();
                self.metrics.settled.inc_by(settled as u64);
                for (row, why) in given_up {
                    self.give_up(row, &why);
                }
                if self.pause.take().is_some() {
                    log::info!("the store takes rows of usage again");
                }
                self.size = (self.size * 2).min(MAX_ROWS);
                blocking(|| self.reader.settled(&batch));
                match batch.has_more() {
                    true => Step::More,
                    false => Step::Rest,
                }
            }
            Err(error) => {
                self.metrics.failures.inc();
                self.size = (self.size / 2).max(FEW_ROWS);
                self.fail(&format!("rows of usage wait in the journal: {error}"));
                Step::Nothing
            }
        }
    }

    /// Leaves a row out that the store will never take.
    fn give_up(&self, row: &Row<'_>, why: &StoreError) {
        self.metrics.refused.inc();
        let json = serde_json::to_string(row).unwrap_or_default();
        log::error!("the store refuses a row of usage ({why}), which is left out: {json}");
        if let Err(error) = blocking(|| self.journal.keep_refused(row, &why.to_string())) {
            log::error!("that row is in the log only: {error}");
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
            Some(store) => {
                let count = store.settle(rows).await?;
                // The journal forgets them now.
                if self.snapshot().config.usage.fsync {
                    store.sync().await?;
                }
                Ok(count)
            }
            None => Err(StoreError::Away("it is not open yet".to_owned())),
        }
    }

    fn is_open(&self) -> bool {
        self.store.load().is_some()
    }
}
