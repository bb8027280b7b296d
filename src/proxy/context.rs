//! What is known of a request while it is served. Pingora hands it to every phase.

use std::{
    sync::{Arc, OnceLock, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Uri, header};
use pingora::http::ResponseHeader;

use super::{
    admission::{Place, Ticket},
    answer::Answer,
    caching::{Caching, Wish},
    endpoints::{Endpoint, Kind},
    heartbeat,
    receipt::Spent,
    recording::Recording,
    relay::{Leaving, Relay},
    rewritten::Streamed,
    watchdog::Watchdog,
    written::UpstreamCall,
};
use crate::{
    chat::{estimate::Counter, usage::Usage},
    dialects::{Call, Dialect, Inspection, openai_chat},
    error::{GatewayError, ProviderFailure},
    gateway::{Gateway, RequestId, Snapshot},
    health::leave::Leave,
    identity::Identity,
    limits::{Admission, edge::Entrance},
    routing::{Plan, prompt::Prompt},
    upstream::cork::Cork,
    usage::record::Attempt,
};

/// A request, from its head to its log line.
pub struct Context {
    /// The state of the process; counts the request as open while it lives.
    pub open: Arc<OpenRequest>,
    /// What its answer and its log line are found by.
    pub id: RequestId,
    /// The rules that it is served by.
    pub snapshot: Arc<Snapshot>,
    /// When its head had arrived.
    pub started: Instant,
    /// The same by the calendar.
    pub arrived: SystemTime,
    /// Who serves it: this session, or a child to which it was delegated.
    pub role: Role,
    /// Whether the client knows no chunks.
    pub is_http10: bool,
    /// The route; `None` where there is none.
    pub endpoint: Option<&'static Endpoint>,
    /// The dialect that errors take.
    pub caller: &'static dyn Dialect,
    /// Who sent it.
    pub identity: Arc<Identity>,
    /// The tags of all that its key sends.
    pub own_tags: Vec<String>,
    /// Whether that is known: it may use the gateway.
    pub is_admitted: bool,
    /// Whether some of its headers may be meant for the gateway; most requests have none.
    pub has_wishes: bool,
    /// Its body, as it came.
    pub body: Bytes,
    /// When the body had arrived.
    pub body_read: Option<Instant>,
    /// What routing had to know.
    pub request: Inspection,
    /// How the caller is to be answered, once an answer has to be written for it.
    pub call: Option<Box<Call>>,
    /// What routing has found in the body.
    pub prompt: OnceLock<Prompt>,
    /// When it must be over, where the client said so.
    pub deadline: Option<Instant>,
    /// When the next attempt may begin.
    pub backoff: Option<Instant>,
    /// What it wants of the cache; `None` where that is nothing.
    pub wish: Option<Box<Wish>>,
    /// What the cache did for it.
    pub caching: Caching,
    /// Its answer, as it is kept; with the parent of a child.
    pub recording: Option<Box<Recording>>,
    /// Whether a stream is to come with its usage, though the caller did not ask for that.
    pub asks_usage: bool,
    /// Whether the caller is spared it.
    pub hides_usage: bool,
    /// Keys of the current candidate's provider that were of no use.
    pub keys_refused: usize,
    /// Those who serve it one after the other, where several may have to.
    pub relay: Option<Arc<Relay>>,
    /// A stream that broke and is to be gone on with.
    pub resuming: Option<Box<Streamed>>,
    /// What is left behind where the answer cannot be ended here.
    pub leaving: Leaving,
    /// Whether nobody is left to be asked, and only that has to be said.
    pub is_lost: bool,
    /// When the first byte of an answer went out that another provider goes on with.
    pub began: Option<Instant>,
    /// Path and query, where the dialect says something in them.
    pub uri: Uri,
    /// Where the edge counts it.
    pub entrance: Option<Entrance>,
    /// Its place in all limits but its provider's.
    pub(super) ticket: Option<Arc<Ticket>>,
    /// The place in the limits of the provider that is asked next.
    pub(super) place: Place,
    /// Whom to ask.
    pub plan: Plan,
    /// The clock on the provider.
    pub watchdog: Option<Arc<Watchdog>>,
    /// The attempt under way.
    pub attempt: Option<OpenAttempt>,
    /// Attempts that are over.
    pub attempts: Vec<Attempt>,
    /// What becomes of the provider's answer.
    pub answer: Answer,
    /// When the answer's first byte went out.
    pub first_byte: Option<Instant>,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// What the provider says in a stream that passes as it is, counted.
    pub meter: Counter,
    /// Why the last attempt failed.
    pub failure: Option<ProviderFailure>,
    /// What the client was told, or would have been.
    pub error: Option<GatewayError>,
    /// Bytes of the answer's body that went out.
    pub bytes_out: usize,
    /// Bytes of the provider's body that are still to come; `None` where its head does not say.
    pub bytes_left: Option<usize>,
    /// Whether the end of the provider's answer has been seen.
    pub has_ended: bool,
    /// What it has used and cost, once its row has been made.
    pub spent: Option<Spent>,
    /// Whether its row has been written.
    pub is_recorded: bool,
}

/// Who serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client's own session.
    Direct,
    /// The client's session, of a request that a child serves.
    Parent,
    /// The child.
    Child,
}

/// An attempt under way.
pub struct OpenAttempt {
    /// When it began.
    pub started: Instant,
    /// When it must be over.
    pub deadline: Instant,
    /// When the answer's head had arrived.
    pub head: Option<Instant>,
    /// The provider's status.
    pub status: Option<u16>,
    /// What this provider is sent.
    pub call: UpstreamCall,
    /// What the provider calls its error in a header (AWS).
    pub error_kind: Option<String>,
    /// Whether a pooled connection turned out to be dead: that is no failure, once.
    pub was_stale: bool,
    /// Which of the provider's keys is used.
    pub key: usize,
    /// The leave to ask.
    pub leave: Leave,
    /// Its place in the provider's limits, where it has some.
    pub place: Option<Box<Admission>>,
    /// Holds its head back until its body can go with it.
    pub cork: Option<Cork>,
    /// Whether its body has been handed to Pingora.
    pub is_sent: bool,
}

/// Counts a request as open for as long as it lives.
pub struct OpenRequest(pub Arc<Gateway>);

impl OpenRequest {
    fn new(gateway: Arc<Gateway>) -> Self {
        gateway.open_requests.fetch_add(1, Ordering::Relaxed);
        gateway.metrics.in_flight.inc();
        OpenRequest(gateway)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.open_requests.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

impl Context {
    /// A request that has just arrived.
    pub fn new(gateway: &Arc<Gateway>) -> Self {
        Context {
            id: gateway.new_id(),
            snapshot: gateway.hold_snapshot(),
            open: Arc::new(OpenRequest::new(gateway.clone())),
            started: Instant::now(),
            arrived: SystemTime::now(),
            role: Role::Direct,
            is_http10: false,
            endpoint: None,
            caller: &openai_chat::OpenAiChat,
            identity: Arc::default(),
            own_tags: Vec::new(),
            is_admitted: false,
            has_wishes: false,
            body: Bytes::new(),
            body_read: None,
            request: Inspection::default(),
            call: None,
            prompt: OnceLock::new(),
            deadline: None,
            backoff: None,
            wish: None,
            caching: Caching::default(),
            recording: None,
            asks_usage: false,
            hides_usage: false,
            keys_refused: 0,
            relay: None,
            resuming: None,
            leaving: Leaving::Nothing,
            is_lost: false,
            began: None,
            uri: Uri::default(),
            entrance: None,
            ticket: None,
            place: Place::Unknown,
            plan: Plan::default(),
            watchdog: None,
            attempt: None,
            attempts: Vec::new(),
            answer: Answer::Undecided,
            first_byte: None,
            usage: None,
            meter: Counter::default(),
            failure: None,
            error: None,
            bytes_out: 0,
            bytes_left: None,
            has_ended: false,
            spent: None,
            is_recorded: false,
        }
    }

    /// The same request again, of which nothing has been done. Each knows whom the other asks.
    pub fn twin(&mut self) -> Self {
        Context {
            plan: self.plan.twin(),
            id: self.id,
            snapshot: self.snapshot.clone(),
            open: self.open.clone(),
            started: self.started,
            arrived: self.arrived,
            endpoint: self.endpoint,
            caller: self.caller,
            identity: self.identity.clone(),
            own_tags: self.own_tags.clone(),
            is_admitted: self.is_admitted,
            has_wishes: self.has_wishes,
            body: self.body.clone(),
            body_read: self.body_read,
            request: self.request.clone(),
            prompt: self.prompt.clone(),
            deadline: self.deadline,
            uri: self.uri.clone(),
            caching: self.caching.clone(),
            asks_usage: self.asks_usage,
            ticket: self.ticket.clone(),
            ..Context::new(self.gateway())
        }
    }

    /// Everything, for somebody else to go on with; nothing is left to be told of it here.
    pub fn hand_over(&mut self) -> Self {
        let mut empty = Context::new(self.gateway());
        empty.role = Role::Parent;
        empty.open = self.open.clone();
        std::mem::replace(self, empty)
    }

    /// Whether another one is asked the same, and has the right to go on where both fail.
    pub fn is_second(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.is_second())
    }

    /// The state of the process.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.open.0
    }

    /// The dialect of the provider that is being asked.
    pub fn spoken(&self) -> &'static dyn Dialect {
        self.attempt
            .as_ref()
            .map_or(self.caller, |attempt| attempt.call.dialect)
    }

    /// Whether a model is to answer.
    pub fn generates(&self) -> bool {
        let kind = self.endpoint.map(|endpoint| endpoint.kind);
        matches!(kind, Some(Kind::Generate))
    }

    /// Whether a WebSocket is asked for.
    pub fn is_websocket(&self) -> bool {
        let kind = self.endpoint.map(|endpoint| endpoint.kind);
        matches!(kind, Some(Kind::WebSocket(_)))
    }

    /// Whether the time is over that the client itself allows.
    pub fn is_out_of_time(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Counts a piece of the provider's body. Whether the body is whole with it: the end of an exchange may
    /// come later, in a frame of its own (HTTP/2), and then Pingora does not wait for it.
    pub fn is_whole_with(&mut self, piece: Option<&Bytes>) -> bool {
        let Some(left) = &mut self.bytes_left else {
            return false;
        };
        *left = left.saturating_sub(piece.map_or(0, Bytes::len));
        *left == 0
    }

    /// Sets the clock on the provider, never past the attempt's own deadline.
    pub fn wait_until(&self, at: Instant) {
        if let Some(watchdog) = &self.watchdog {
            let deadline = self.attempt.as_ref().map(|attempt| attempt.deadline);
            watchdog.arm(deadline.map_or(at, |deadline| deadline.min(at)));
        }
    }

    /// Stops the clock on the provider.
    pub fn stop_waiting(&self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.disarm();
        }
    }

    /// A stream begins with this head: from now on the client gets signs of life while the provider is
    /// silent. None where the head announces a length, which they would exceed.
    pub fn beat(&self, head: &ResponseHeader) {
        let is_sized = head.headers.contains_key(header::CONTENT_LENGTH);
        let every = self.snapshot.config.listen.keep_alive_seconds.duration();
        let is_stream = match &self.answer {
            Answer::Events(_) => true,
            answer => answer.stream_type().is_some(),
        };
        if !every.is_zero()
            && is_stream
            && !is_sized
            && let Some(watchdog) = &self.watchdog
            && let Some(sign) = self.caller.keep_alive()
        {
            let sign = match self.role {
                // Here the sign goes to the socket itself, below Pingora's chunks.
                Role::Direct if !self.is_http10 => heartbeat::chunk(sign),
                _ => sign.to_vec(),
            };
            watchdog.heartbeat.start(every, sign);
        }
    }

    /// The stream is over.
    pub fn stop_beating(&self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.heartbeat.stop();
        }
    }

    /// Time spent in the gateway so far: since the body had arrived, less what attempts took.
    pub fn overhead(&self) -> Duration {
        let from = self.body_read.unwrap_or(self.started);
        let now = Instant::now();
        let earlier: u64 = self.attempts.iter().map(|attempt| attempt.ms).sum();
        let current = self.attempt.as_ref().map(|attempt| {
            attempt
                .head
                .unwrap_or(now)
                .saturating_duration_since(attempt.started)
        });
        let total = now.saturating_duration_since(from);
        total
            .saturating_sub(Duration::from_millis(earlier))
            .saturating_sub(current.unwrap_or_default())
    }
}
