//! How far the store's changes are in force on this process. Whoever has made one waits here for it, so that
//! it holds once it has been answered.

use std::time::Duration;

use tokio::sync::{Notify, watch};

/// How long anybody waits. Past it the change is made all the same, and in force a little later.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the store's changes are in force.
#[derive(Debug)]
pub struct Progress {
    reached: watch::Sender<i64>,
    asked: Notify,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            reached: watch::Sender::new(i64::MIN),
            asked: Notify::new(),
        }
    }
}

impl Progress {
    /// All changes up to this one are in force.
    pub fn set(&self, revision: i64) {
        self.reached.send_replace(revision);
    }

    /// Waits until somebody waits for a change.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Waits until a change is in force; `false` where that takes too long.
    pub async fn reaches(&self, revision: i64) -> bool {
        let mut reached = self.reached.subscribe();
        if *reached.borrow_and_update() >= revision {
            return true;
        }
        self.asked.notify_one();
        let waiting = reached.wait_for(|reached| *reached >= revision);
        matches!(tokio::time::timeout(PATIENCE, waiting).await, Ok(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_change_wakes_who_reads_them() {
        let progress = Progress::default();
        progress.set(3);
        assert!(progress.reaches(3).await);
        let reader = async {
            progress.asked().await;
            progress.set(4);
        };
        assert!(tokio::join!(progress.reaches(4), reader).0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        assert!(!Progress::default().reaches(1).await);
    }
}
