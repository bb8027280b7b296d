//! Requests that take longer than the end of the process waits: their connections are cut, so that each ends
//! as one does whose client has left, and has its row.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// The end of connections.
#[derive(Debug, Default)]
pub struct Departure {
    is_near: AtomicBool,
    is_here: AtomicBool,
    waiting: Mutex<HashMap<usize, Waker>>,
}

impl Departure {
    /// It comes: from now on connections wait for it.
    pub fn announce(&self) {
        self.is_near.store(true, Ordering::Relaxed);
    }

    /// Connections are over.
    pub fn cut(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock();
            self.is_here.store(true, Ordering::Relaxed);
            std::mem::take(&mut *waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Ready once connections are over. `connection` tells them apart.
    pub fn poll(&self, connection: usize, context: &Context<'_>) -> Poll<()> {
        if !self.is_near.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut waiting = self.waiting.lock();
        if self.is_here.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        waiting.insert(connection, context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn who_waits_when_connections_are_cut_is_woken() {
        let departure = Departure::default();
        let idle = poll_fn(|context| Poll::Ready(departure.poll(0, context)));
        assert!(idle.await.is_pending() && departure.waiting.lock().is_empty());
        departure.announce();
        let wait = poll_fn(|context| departure.poll(1, context));
        let cut = async {
            tokio::task::yield_now().await;
            departure.cut();
        };
        tokio::join!(wait, cut);
        poll_fn(|context| departure.poll(2, context)).await;
    }
}
