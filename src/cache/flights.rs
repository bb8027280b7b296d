//! Answers in the making, so that identical requests share one call to a provider. Whoever comes first leads:
//! its answer is kept here as it grows, and the others read it from its start. Pingora's own cache lock and
//! partial writes are not used for this: while it fills its cache Pingora ignores a client that has left, so
//! that an answer which was stopped would still be paid for.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Key;
use crate::error::GatewayError;

const SHARDS: usize = 32;

/// Answers in the making, by key.
#[derive(Debug)]
pub struct Flights {
    shards: [Mutex<HashMap<Key, Arc<Flight>, RandomState>>; SHARDS],
}

/// What a request with a key does.
#[derive(Debug)]
pub enum Part {
    /// It makes the answer.
    Leads(Lead),
    /// It gets the answer that another one makes.
    Follows(Follower),
}

/// An answer in the making.
#[derive(Debug)]
pub struct Flight {
    fingerprint: [u8; 32],
    state: Mutex<State>,
    changed: Notify,
    followers: AtomicUsize,
    /// Told when the last follower leaves.
    deserted: Notify,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Arc<Head>>,
    pieces: Vec<Bytes>,
    end: Option<End>,
}

/// What is known of an answer before its body.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Whether the body is a stream of events.
    pub is_stream: bool,
    /// Headers worth repeating.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Head {
    /// The value of one of the headers; empty where it is absent or no text.
    pub fn text(&self, name: &str) -> &str {
        let mut all = self.headers.iter();
        let value = all.find_map(|(known, value)| (known == name).then_some(value));
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It is whole.
    Whole,
    /// Nothing was said: somebody else may lead.
    Nothing,
    /// Nothing was said, and nobody who asks the same will fare better.
    Refused,
    /// It broke off.
    Broken(Box<GatewayError>),
}

impl Default for Flights {
    fn default() -> Self {
        Flights {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Flights {
    /// Leads the answer of that key, or follows whoever does. `fingerprint` is that of the request where two
    /// different ones may have the same key.
    pub fn enter(self: &Arc<Self>, key: Key, fingerprint: [u8; 32]) -> Part {
        let mut shard = self.shard(&key).lock();
        if let Some(flight) = shard.get(&key) {
            return Part::Follows(Follower::new(flight.clone()));
        }
        let flight = Arc::new(Flight {
            fingerprint,
            state: Mutex::default(),
            changed: Notify::new(),
            followers: AtomicUsize::new(0),
            deserted: Notify::new(),
        });
        shard.insert(key, flight.clone());
        Part::Leads(Lead {
            flights: self.clone(),
            key,
            flight,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Arc<Flight>, RandomState>> {
        let at = usize::from(key.0[0]) % SHARDS;
        &self.shards[at]
    }

    fn remove(&self, key: &Key, flight: &Arc<Flight>) {
        let mut shard = self.shard(key).lock();
        if shard
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            shard.remove(key);
        }
    }
}

impl Flight {
    /// Whether anybody but its leader waits for it.
    pub fn is_followed(&self) -> bool {
        self.followers.load(Ordering::Acquire) > 0
    }

    /// Waits until nobody follows.
    pub async fn deserted(&self) {
        loop {
            let told = self.deserted.notified();
            if !self.is_followed() {
                return;
            }
            told.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_waiters();
    }
}

/// The right to make an answer, and the duty: dropped before its end it counts as broken off, and where
/// nothing was said somebody else leads.
#[derive(Debug)]
pub struct Lead {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
}

impl Lead {
    /// The key of the answer.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The fingerprint of its request.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.flight.fingerprint
    }

    /// The answer in the making.
    pub fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// The answer begins.
    pub fn begin(&self, head: Arc<Head>) {
        self.flight.change(|state| {
            state.head.get_or_insert(head);
        });
    }

    /// All of its body so far, in one piece of its own.
    pub fn body(&self) -> Bytes {
        let state = self.flight.state.lock();
        state.pieces.concat().into()
    }

    /// The next piece of its body.
    pub fn push(&self, piece: Bytes) {
        self.flight.change(|state| state.pieces.push(piece));
    }

    /// Nobody else may come: it is getting too large to be kept for those who come late.
    pub fn close(&self) {
        self.flights.remove(&self.key, &self.flight);
    }

    /// The answer is over. Whoever comes from now on finds it in the cache, or leads anew.
    pub fn end(self, end: End) {
        self.finish(end);
    }

    fn finish(&self, end: End) {
        self.flights.remove(&self.key, &self.flight);
        self.flight.change(|state| {
            state.end.get_or_insert(end);
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let has_begun = self.flight.state.lock().head.is_some();
        let error = || Box::new(GatewayError::Internal("the answer broke off".into()));
        self.finish(match has_begun {
            true => End::Broken(error()),
            false => End::Nothing,
        });
    }
}

/// Reads an answer in the making from its start.
#[derive(Debug)]
pub struct Follower {
    flight: Arc<Flight>,
    at: usize,
}

impl Follower {
    fn new(flight: Arc<Flight>) -> Self {
        flight.followers.fetch_add(1, Ordering::AcqRel);
        Follower { flight, at: 0 }
    }

    /// The fingerprint of its leader's request.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.flight.fingerprint
    }

    /// Waits for the head.
    ///
    /// # Errors
    /// How it ended without one.
    pub async fn head(&self) -> Result<Arc<Head>, End> {
        self.wait(|state| match (&state.head, &state.end) {
            (Some(head), _) => Some(Ok(head.clone())),
            (None, Some(end)) => Some(Err(end.clone())),
            (None, None) => None,
        })
        .await
    }

    /// Waits for pieces that have not been read yet.
    ///
    /// # Errors
    /// How it ended, once all have been read.
    pub async fn next(&mut self) -> Result<Vec<Bytes>, End> {
        let at = self.at;
        let next = self
            .wait(|state| {
                let new = state.pieces.get(at..).unwrap_or_default();
                match (new.is_empty(), &state.end) {
                    (false, _) => Some(Ok(new.to_vec())),
                    (true, Some(end)) => Some(Err(end.clone())),
                    (true, None) => None,
                }
            })
            .await?;
        self.at += next.len();
        Ok(next)
    }

    async fn wait<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let changed = self.flight.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&self.flight.state.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.flight.followers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flight.deserted.notify_waiters();
            self.flight.deserted.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key([7; 32])
    }

    fn enter(flights: &Arc<Flights>) -> Part {
        flights.enter(key(), [0; 32])
    }

    fn lead(flights: &Arc<Flights>) -> Lead {
        match enter(flights) {
            Part::Leads(lead) => lead,
            Part::Follows(_) => panic!("somebody leads already"),
        }
    }

    fn follow(flights: &Arc<Flights>) -> Follower {
        match enter(flights) {
            Part::Follows(follower) => follower,
            Part::Leads(_) => panic!("nobody leads"),
        }
    }

    async fn text(mut follower: Follower) -> (String, End) {
        let mut all = Vec::new();
        loop {
            match follower.next().await {
                Ok(pieces) => all.extend(pieces.concat()),
                Err(end) => return (String::from_utf8(all).unwrap(), end),
            }
        }
    }

    #[tokio::test]
    async fn followers_get_all_of_it_whenever_they_come() {
        let flights = Arc::new(Flights::default());
        let lead = lead(&flights);
        let early = tokio::spawn(text(follow(&flights)));
        lead.begin(Arc::default());
        lead.push("one ".into());
        tokio::task::yield_now().await;
        let late = tokio::spawn(text(follow(&flights)));
        lead.push("two".into());
        lead.end(End::Whole);
        for follower in [early, late] {
            let (text, end) = follower.await.unwrap();
            assert_eq!(text, "one two");
            assert!(matches!(end, End::Whole));
        }
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn another_one_leads_where_the_first_said_nothing() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights);
        let follower = follow(&flights);
        drop(first);
        assert!(matches!(follower.head().await, Err(End::Nothing)));
        let second = lead(&flights);
        let follower = follow(&flights);
        second.begin(Arc::default());
        drop(second);
        assert!(follower.head().await.is_ok());
        assert!(matches!(text(follower).await.1, End::Broken(_)));
    }

    #[tokio::test]
    async fn the_leader_learns_when_nobody_follows() {
        let flights = Arc::new(Flights::default());
        let lead = lead(&flights);
        let flight = lead.flight().clone();
        flight.deserted().await;
        let (one, other) = (follow(&flights), follow(&flights));
        drop(one);
        assert!(flight.is_followed());
        let waiting = tokio::spawn(async move { flight.deserted().await });
        tokio::task::yield_now().await;
        drop(other);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_one_is_finished_for_those_who_are_there() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights);
        let follower = follow(&flights);
        first.close();
        let second = lead(&flights);
        first.begin(Arc::default());
        first.push("a".into());
        first.end(End::Whole);
        assert_eq!(text(follower).await.0, "a");
        assert_eq!(flights.count(), 1);
        drop(second);
    }
}
