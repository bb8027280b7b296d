//! How far something is that takes long: a line on a terminal's standard error, which is gone afterwards.

use std::{
    cell::Cell,
    future::Future,
    io::{self, IsTerminal, Write},
    pin::pin,
    time::{Duration, Instant},
};

/// What does not take so long is not told of.
const QUIET: Duration = Duration::from_millis(500);
/// How often it is told how long something takes.
const EACH: Duration = Duration::from_millis(500);

/// A line that is written over again and again.
pub(super) struct Progress {
    is_shown: bool,
    began: Instant,
    is_dirty: Cell<bool>,
}

impl Progress {
    /// Nothing is shown yet.
    pub(super) fn new() -> Self {
        Progress {
            is_shown: io::stderr().is_terminal(),
            began: Instant::now(),
            is_dirty: Cell::new(false),
        }
    }

    /// Whether anybody sees it.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Says how far it is.
    pub(super) fn say(&self, text: &str) {
        if self.is_shown && self.began.elapsed() >= QUIET {
            self.is_dirty.set(true);
            let mut out = io::stderr();
            let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
        }
    }

    /// Says how long it takes, until it is done.
    pub(super) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let done = tokio::time::timeout(EACH, &mut work);
            match done.await {
                Ok(done) => return done,
                Err(_) => self.say(&format!("{what}: {} s", self.began.elapsed().as_secs())),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_dirty.get() {
            let mut out = io::stderr();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}
