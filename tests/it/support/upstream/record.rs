//! What a scripted upstream remembers.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use crate::support::http::Headers;

/// Everything that an upstream saw.
#[derive(Clone, Default)]
pub struct State {
    pub connections: Vec<Connection>,
    pub exchanges: Vec<Exchange>,
}

impl State {
    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.connections
            .iter()
            .filter(|connection| connection.closed.is_none())
            .count()
    }
}

/// One accepted connection.
#[derive(Clone)]
pub struct Connection {
    /// When it was closed, by whichever side.
    pub closed: Option<Instant>,
}

/// One request and what became of it.
#[derive(Clone)]
pub struct Exchange {
    /// The index of its connection in [`State::connections`].
    pub connection: usize,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    pub method: String,
    pub target: String,
    pub headers: Headers,
    /// The head as it came; empty over HTTP/2.
    pub raw_head: Bytes,
    /// The body without its framing, as far as it came.
    pub body: Bytes,
    /// Whether the body came to its end.
    pub read: bool,
    /// When each write of a stream began.
    pub writes: Vec<Instant>,
    /// When the gateway left, if it did before the script's end.
    pub left: Option<Instant>,
    /// When the script had been carried out.
    pub finished: Option<Instant>,
}

impl Exchange {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Everything that was sent, for a search.
    pub fn everything(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {} {:?} {body}", self.method, self.target, self.headers)
    }
}

/// Where connections write down what they see.
pub(super) struct Recorder(watch::Sender<State>);

impl Recorder {
    pub(super) fn new() -> Self {
        Recorder(watch::Sender::new(State::default()))
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    pub(super) fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// A new connection; returns its index.
    pub(super) fn accepted(&self) -> usize {
        let connection = Connection { closed: None };
        self.0
            .send_modify(|state| state.connections.push(connection));
        self.0.borrow().connections.len() - 1
    }

    pub(super) fn closed(&self, connection: usize) {
        let now = Instant::now();
        self.0
            .send_modify(|state| state.connections[connection].closed = Some(now));
    }

    /// A new request; returns its index.
    pub(super) fn begin(&self, exchange: Exchange) -> usize {
        self.0.send_modify(|state| state.exchanges.push(exchange));
        self.0.borrow().exchanges.len() - 1
    }

    pub(super) fn update(&self, exchange: usize, change: impl FnOnce(&mut Exchange)) {
        self.0
            .send_modify(|state| change(&mut state.exchanges[exchange]));
    }
}
