//! How far the store's changes are in force on this process. Whoever has made one waits here for it, so that
//! it holds once it has been answered.

use std::time::Duration;

use tokio::sync::{Notify, watch};

/// How long anybody waits. Past it the change is made all the same, and in force a little later.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the store's changes are in force.
#[derive(Debug)]
pub struct Progress {
    reached: watch::Sender<Reached>,
    asked: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    /// The last change that was read.
    read: i64,
    /// The last change that wants a new snapshot.
    wanted: i64,
    /// The last change that one was built for.
    built: i64,
    /// All changes up to this one are in force.
    in_force: i64,
}

impl Reached {
    /// Where no snapshot is wanted, all that was read is in force.
    fn look(&mut self) {
        let reached = if self.built >= self.wanted {
            self.read
        } else {
            self.built
        };
        self.in_force = self.in_force.max(reached);
    }
}

impl Default for Progress {
    fn default() -> Self {
        let never = Reached {
            read: i64::MIN,
            wanted: i64::MIN,
            built: i64::MIN,
            in_force: i64::MIN,
        };
        Progress {
            reached: watch::Sender::new(never),
            asked: Notify::new(),
        }
    }
}

impl Progress {
    /// All changes up to this one were read. They are in force, unless a snapshot is wanted.
    pub fn read(&self, revision: i64) {
        self.reached.send_modify(|reached| {
            reached.read = revision;
            reached.look();
        });
    }

    /// This change is in force once a snapshot has been built for it.
    pub fn wants(&self, revision: i64) {
        self.reached
            .send_modify(|reached| reached.wanted = revision);
    }

    /// The last change that wants a snapshot.
    pub fn wanted(&self) -> i64 {
        self.reached.borrow().wanted
    }

    /// A snapshot was built for this change, or cannot be.
    pub fn built(&self, revision: i64) {
        self.reached.send_modify(|reached| {
            reached.built = revision;
            reached.look();
        });
    }

    /// Waits until somebody waits for a change.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Waits until a change is in force; `false` where that takes too long.
    pub async fn reaches(&self, revision: i64) -> bool {
        let mut reached = self.reached.subscribe();
        if reached.borrow_and_update().in_force >= revision {
            return true;
        }
        self.asked.notify_one();
        let waiting = reached.wait_for(|reached| reached.in_force >= revision);
        matches!(tokio::time::timeout(PATIENCE, waiting).await, Ok(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_change_wakes_who_reads_them() {
        let progress = Progress::default();
        progress.read(3);
        assert!(progress.reaches(3).await);
        let reader = async {
            progress.asked().await;
            progress.read(4);
        };
        assert!(tokio::join!(progress.reaches(4), reader).0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_wants_a_snapshot_is_in_force_once_that_is_built() {
        let progress = Progress::default();
        progress.wants(3);
        progress.read(3);
        assert!(!progress.reaches(3).await);
        progress.wants(4);
        progress.built(3);
        progress.read(5);
        assert!(progress.reaches(3).await && !progress.reaches(5).await);
        progress.built(4);
        assert!(progress.reaches(5).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        assert!(!Progress::default().reaches(1).await);
    }
}
