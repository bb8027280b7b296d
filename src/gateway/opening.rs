//! The moment between a start and the store being open again. What is served was read before the first request,
//! so only whoever manages records has to wait, and a successor's first callers find what they would have found
//! at the process before.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// How long anybody waits. Past it the store counts as away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the store is being opened.
#[derive(Debug, Default)]
pub struct Opening(watch::Sender<bool>);

impl Opening {
    /// It answered, and will be opened in a moment.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// It was opened, or could not be.
    pub fn end(&self) {
        self.0.send_replace(false);
    }

    /// Waits for the end, where there is one to wait for.
    pub async fn over(&self) {
        if *self.0.borrow() {
            let mut opening = self.0.subscribe();
            let _ = timeout(PATIENCE, opening.wait_for(|opening| !opening)).await;
        }
    }
}
