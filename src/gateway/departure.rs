//! Requests that take longer than the end of the process waits: their connections are cut, so that each ends
//! as one does whose client has left, and has its row.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

/// The end of connections.
#[derive(Debug, Default)]
pub struct Departure {
    is_here: AtomicBool,
    count: AtomicUsize,
    waiting: Mutex<HashMap<usize, Arc<AtomicWaker>>>,
}

impl Departure {
    /// A connection that is to end with the others.
    pub fn join(self: &Arc<Self>) -> Passenger {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let waker = Arc::new(AtomicWaker::new());
        self.waiting.lock().insert(number, waker.clone());
        Passenger {
            departure: self.clone(),
            number,
            waker,
        }
    }

    /// Connections are over.
    pub fn cut(&self) {
        self.is_here.store(true, Ordering::SeqCst);
        let waiting: Vec<_> = self.waiting.lock().values().cloned().collect();
        waiting.iter().for_each(|waker| waker.wake());
    }
}

/// A connection, as far as its end is concerned.
#[derive(Debug)]
pub struct Passenger {
    departure: Arc<Departure>,
    number: usize,
    waker: Arc<AtomicWaker>,
}

impl Passenger {
    /// Ready once connections are over; else whoever asked last is woken then. To be asked wherever the
    /// connection waits, for nobody knows for how long it will.
    pub fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        match self.departure.is_here.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        self.departure.waiting.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn who_waits_when_connections_are_cut_is_woken() {
        let departure = Arc::new(Departure::default());
        let (one, other) = (departure.join(), departure.join());
        let idle = poll_fn(|context| Poll::Ready(one.poll(context)));
        assert!(idle.await.is_pending());
        let cut = async {
            tokio::task::yield_now().await;
            departure.cut();
        };
        let one_waits = poll_fn(|context| one.poll(context));
        let other_waits = poll_fn(|context| other.poll(context));
        tokio::join!(one_waits, other_waits, cut);
        let late = departure.join();
        poll_fn(|context| late.poll(context)).await;
    }

    #[test]
    fn connections_that_have_ended_are_forgotten() {
        let departure = Arc::new(Departure::default());
        let stays = departure.join();
        drop(departure.join());
        assert_eq!(departure.waiting.lock().len(), 1);
        drop(stays);
        assert_eq!(departure.waiting.lock().len(), 0);
    }
}
