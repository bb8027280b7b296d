//! A deadline that can be moved at no cost and that wakes a request which is waiting for a
//! provider. Pingora knows one read timeout for a whole answer; the gateway needs to tell the
//! first byte from the next ones and to bound the total.
//!
//! While Pingora waits for a provider it also listens to the client. So the deadline sits on the
//! client's side: when it has passed, reading from the client fails once ([`super::connection`],
//! [`super::delegate`]), Pingora reports the failure to `error_while_proxy`, and the code there
//! sees by [`Watchdog::take_fired`] that it was the clock and not the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::heartbeat::Heartbeat;
use crate::cache::flights::Flight;

const OFF: u64 = u64::MAX;

/// A movable deadline. One belongs to each HTTP/1.1 connection and to each delegated request.
#[derive(Debug)]
pub struct Watchdog {
    origin: Instant,
    due_micros: AtomicU64,
    fired: AtomicBool,
    moved: Notify,
    /// Signs of life on the same side.
    pub heartbeat: Heartbeat,
    /// Others who wait for the same answer.
    patrons: Mutex<Option<Arc<Flight>>>,
    has_patrons: AtomicBool,
    has_left: AtomicBool,
}

impl Watchdog {
    /// One that is off.
    pub fn new() -> Self {
        Watchdog {
            origin: Instant::now(),
            due_micros: AtomicU64::new(OFF),
            fired: AtomicBool::new(false),
            moved: Notify::new(),
            heartbeat: Heartbeat::default(),
            patrons: Mutex::default(),
            has_patrons: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        }
    }

    /// The answer is made for others as well: while there are any, a client that leaves is not noticed.
    pub fn hold_for(&self, flight: &Arc<Flight>) {
        *self.patrons.lock() = Some(flight.clone());
        self.has_patrons.store(true, Ordering::Release);
    }

    /// It is over: a client that has left may be noticed.
    pub fn let_go(&self) {
        if self.has_patrons.swap(false, Ordering::AcqRel) {
            *self.patrons.lock() = None;
        }
    }

    /// The client has left. Gives back those who wait for the same answer, where there are any.
    pub fn patrons(&self) -> Option<Arc<Flight>> {
        if !self.has_patrons.load(Ordering::Acquire) {
            return None;
        }
        let flight = self.patrons.lock().clone();
        let flight = flight.filter(|flight| flight.is_followed());
        self.has_left.fetch_or(flight.is_some(), Ordering::Relaxed);
        flight
    }

    /// Whether the client has left and nobody was told.
    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// The same, since the last call.
    pub fn take_left(&self) -> bool {
        self.has_left.swap(false, Ordering::Relaxed)
    }

    /// Sets the deadline.
    pub fn arm(&self, at: Instant) {
        let micros = at.saturating_duration_since(self.origin).as_micros();
        let micros = u64::try_from(micros).unwrap_or(OFF);
        let before = self.due_micros.swap(micros, Ordering::Relaxed);
        // Who waits for a later time must look again; who waits for an earlier one will anyway.
        if micros < before {
            self.moved.notify_one();
        }
    }

    /// Moves the deadline on by the time in which nobody could look at it: while the client took no
    /// more, the provider was not waited for.
    pub fn postpone(&self, by: Duration) {
        if let Some(due) = self.due() {
            self.arm(due + by);
        }
    }

    /// Takes the deadline away.
    pub fn disarm(&self) {
        self.due_micros.store(OFF, Ordering::Relaxed);
    }

    /// The deadline.
    pub fn due(&self) -> Option<Instant> {
        match self.due_micros.load(Ordering::Relaxed) {
            OFF => None,
            micros => self.origin.checked_add(Duration::from_micros(micros)),
        }
    }

    /// Marks the deadline as passed, once.
    pub fn fire(&self) {
        self.disarm();
        self.fired.store(true, Ordering::Relaxed);
    }

    /// Whether it has fired since the last call.
    pub fn take_fired(&self) -> bool {
        self.fired.swap(false, Ordering::Relaxed)
    }

    /// Waits until the deadline has passed and marks it so. Does not return while it is off.
    pub async fn expire(&self) {
        loop {
            let moved = self.moved.notified();
            match self.due() {
                None => moved.await,
                Some(due) if due <= Instant::now() => return self.fire(),
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due.into()) => {}
                        () = moved => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_nearer_wakes_who_waits() {
        let watchdog = std::sync::Arc::new(Watchdog::new());
        let waiting = tokio::spawn({
            let watchdog = watchdog.clone();
            async move { watchdog.expire().await }
        });
        tokio::task::yield_now().await;
        watchdog.arm(Instant::now() + Duration::from_secs(3600));
        tokio::task::yield_now().await;
        watchdog.arm(Instant::now());
        waiting.await.unwrap();
        assert!(watchdog.take_fired());
        assert!(!watchdog.take_fired());
        assert_eq!(watchdog.due(), None);
    }
}
