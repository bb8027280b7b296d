//! What the copies of requests share: leave to make one, the way to the thread that makes them, and the
//! way of what came back to its file. Nothing here waits.

use std::{future::Future, pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Copies under way at once, at most.
const MAX_COPIES: usize = 32;
/// Records that wait for the file, at most: some 20 MiB.
const MAX_RECORDS: usize = 256;

/// What the copies of requests share.
pub struct Shadows {
    leave: Arc<Semaphore>,
    copies: mpsc::Sender<Making>,
    records: mpsc::Sender<Vec<u8>>,
    queues: Mutex<Option<Queues>>,
}

/// The other ends, for who makes copies and writes records.
pub struct Queues {
    /// Copies to be made.
    pub copies: mpsc::Receiver<Making>,
    /// Lines to be written.
    pub records: mpsc::Receiver<Vec<u8>>,
}

/// A copy being made.
pub type Making = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Leave to make one copy.
pub struct Leave<'a> {
    permit: OwnedSemaphorePermit,
    copies: &'a mpsc::Sender<Making>,
}

impl Default for Shadows {
    fn default() -> Self {
        let (copies, copies_end) = mpsc::channel(MAX_COPIES);
        let (records, records_end) = mpsc::channel(MAX_RECORDS);
        Shadows {
            leave: Arc::new(Semaphore::new(MAX_COPIES)),
            copies,
            records,
            queues: Mutex::new(Some(Queues {
                copies: copies_end,
                records: records_end,
            })),
        }
    }
}

impl Shadows {
    /// The other ends, once.
    pub fn queues(&self) -> Option<Queues> {
        self.queues.lock().take()
    }

    /// Leave to make a copy; `None` while there are too many.
    pub fn leave(&self) -> Option<Leave<'_>> {
        let permit = self.leave.clone().try_acquire_owned().ok()?;
        Some(Leave {
            permit,
            copies: &self.copies,
        })
    }

    /// Hands a line on to the file; `false` where too many wait.
    pub fn record(&self, line: Vec<u8>) -> bool {
        self.records.try_send(line).is_ok()
    }
}

impl Leave<'_> {
    /// Has the copy made, elsewhere.
    pub fn use_for(self, copy: impl Future<Output = ()> + Send + 'static) {
        let permit = self.permit;
        // There is room for as many as there is leave for.
        let _ = self.copies.try_send(Box::pin(async move {
            copy.await;
            drop(permit);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_leave_for_so_many_copies_and_no_more() {
        let shadows = Shadows::default();
        for _ in 0..MAX_COPIES {
            shadows.leave().unwrap().use_for(async {});
        }
        assert!(shadows.leave().is_none());
        let mut queues = shadows.queues().unwrap();
        queues.copies.recv().await.unwrap().await;
        assert!(shadows.leave().is_some());
        assert!(shadows.queues().is_none());
    }

    #[tokio::test]
    async fn records_beyond_the_bound_are_refused() {
        let shadows = Shadows::default();
        let mut queues = shadows.queues().unwrap();
        let kept = (0..MAX_RECORDS + 10).filter(|_| shadows.record(Vec::new()));
        assert_eq!(kept.count(), MAX_RECORDS);
        queues.records.recv().await.unwrap();
        assert!(shadows.record(Vec::new()));
    }
}
