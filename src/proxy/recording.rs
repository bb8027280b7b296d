//! Keeps an answer as its client gets it: those who asked the same read it as it grows, and when it is whole it
//! is stored. Lives in the [`super::context::Context`] of a request that serves itself, and with the parent of
//! one that was delegated ([`super::delegate`]), so that it sees what the client sees.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;

use super::{caching::Wish, context::Context, endpoints::Kind};
use crate::{
    cache::{
        Cache, Entry, Labels,
        flights::{End, Flight, Head, Lead},
    },
    chat::usage::Usage,
    dialects::{Dialect, ending},
    error::GatewayError,
};

/// An answer that is too large to be stored is held for those who follow it up to this.
const MAX_HELD_BYTES: usize = 64 << 20;

/// Headers of an answer that are worth repeating.
static REPEATED: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("x-provider"),
    HeaderName::from_static("x-model"),
    HeaderName::from_static("x-gateway-dropped"),
];

/// The head of an answer goes out.
pub fn begin(context: &mut Context, head: &ResponseHeader) {
    let is_planned = context.plan.is_planned();
    if let Some(relay) = &context.relay {
        relay.note_server(is_planned);
    }
    if head.status != StatusCode::OK {
        context.recording = None;
    } else if let Some(recording) = &mut context.recording {
        recording.begin(head, is_planned);
        if let Some(watchdog) = &context.watchdog {
            watchdog.hold_for(recording.flight());
        }
    }
}

/// A piece of its body goes out: what is kept of it, and what the client gets.
pub fn pass(context: &mut Context, body: &mut Option<Bytes>, is_end: bool) {
    let has_begun = context
        .recording
        .as_ref()
        .is_some_and(|recording| recording.has_begun());
    if let (true, Some(piece), Some(recording)) = (has_begun, &*body, &mut context.recording)
        && !recording.push(piece)
    {
        context.recording = None;
    }
    if context.hides_usage
        && let Some(piece) = body.take()
    {
        let shown = context.caller.without_usage(piece);
        *body = (!shown.is_empty()).then_some(shown);
    }
    if is_end && has_begun {
        finish(context);
    }
}

/// The answer went out to its last byte.
pub fn finish(context: &mut Context) {
    if let Some(watchdog) = &context.watchdog {
        watchdog.let_go();
    }
    if let Some(recording) = context.recording.take() {
        recording.end(context.usage);
    }
}

/// The answer is an error, or none that could be given again.
pub fn refuse(context: &mut Context, status: StatusCode) {
    if let Some(recording) = context.recording.take() {
        recording.refuse(status);
    }
}

/// There will be no answer, or no more of it.
pub fn fail(context: &mut Context, error: &GatewayError) {
    if let Some(recording) = context.recording.take() {
        recording.fail(error);
    }
}

/// An answer that is being kept.
pub struct Recording {
    lead: Lead,
    cache: &'static Cache,
    caller: &'static dyn Dialect,
    labels: Labels,
    ttl: Duration,
    max_bytes: usize,
    length: usize,
    head: Option<Arc<Head>>,
    /// Whether it must say why it ended to be whole.
    is_generated: bool,
    /// Whether its client marked the request, so that whatever it was told is told again.
    is_marked: bool,
    /// Whether it may be stored.
    is_kept: bool,
}

impl Recording {
    /// Of an answer that has not begun.
    pub fn new(context: &Context, lead: Lead, wish: &Wish) -> Self {
        let identity = &context.identity;
        Recording {
            lead,
            cache: context.gateway().cache,
            caller: context.caller,
            labels: Labels {
                team: identity.team.clone(),
                key: identity.key.clone(),
                account: identity.profile.as_ref().map(|profile| profile.id.clone()),
                asked: context.request.model.as_deref().unwrap_or_default().into(),
                ..Labels::default()
            },
            ttl: wish.ttl,
            max_bytes: context.snapshot.config.cache.max_entry_bytes.0,
            length: 0,
            head: None,
            is_generated: !matches!(
                context.endpoint.map(|endpoint| endpoint.kind),
                Some(Kind::Provider("embeddings"))
            ),
            is_marked: wish.is_marked,
            is_kept: !wish.ttl.is_zero(),
        }
    }

    /// The answer, for whoever needs to know who follows it.
    pub fn flight(&self) -> &Arc<Flight> {
        self.lead.flight()
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.head.is_some()
    }

    /// The answer's head. `is_planned` tells whether one of those serves it that were asked for, rather than a
    /// fallback, whose answer is not that of the same request another time.
    pub fn begin(&mut self, head: &ResponseHeader, is_planned: bool) {
        self.is_kept &= is_planned || self.is_marked;
        if self.head.is_some() {
            return;
        }
        let kept = |name: &HeaderName| {
            let value = head.headers.get(name)?;
            Some((name.clone(), value.clone()))
        };
        let text = |name: &HeaderName| {
            let value = head.headers.get(name).map(HeaderValue::to_str);
            value.and_then(Result::ok).unwrap_or_default()
        };
        let [kind, provider, model, _] = REPEATED.each_ref();
        self.labels.provider = text(provider).into();
        self.labels.model = text(model).into();
        let kind = text(kind);
        let head = Head {
            is_stream: ["text/event-stream", "application/x-ndjson"]
                .iter()
                .any(|stream| kind.starts_with(stream)),
            headers: REPEATED.iter().filter_map(kept).collect(),
        };
        let head = Arc::new(head);
        self.lead.begin(head.clone());
        self.head = Some(head);
    }

    /// The next piece of its body. `false` where it has become too large to be kept, and nobody follows.
    pub fn push(&mut self, piece: &Bytes) -> bool {
        if piece.is_empty() {
            return true;
        }
        self.length += piece.len();
        if self.length > self.max_bytes {
            self.is_kept = false;
            self.lead.close();
            if !self.flight().is_followed() || self.length > MAX_HELD_BYTES {
                return false;
            }
        }
        self.lead.push(piece.clone());
        true
    }

    /// The answer is over, and went out to its last byte.
    pub fn end(self, usage: Option<Usage>) {
        let Some(head) = self.head else {
            return;
        };
        if self.is_kept && self.length > 0 {
            let body = self.lead.body();
            let is_whole = match self.caller.ending() {
                Some(_) if self.is_marked => !ending::has_error(&body),
                Some(ending) if self.is_generated => ending.is_whole(&body, head.is_stream),
                Some(_) => body.starts_with(b"{"),
                None => false,
            };
            if is_whole {
                let usage = usage.or_else(|| self.caller.read_usage(&body, head.is_stream));
                let entry = Entry {
                    labels: self.labels,
                    fingerprint: self.lead.fingerprint(),
                    is_stream: head.is_stream,
                    headers: head.headers.clone(),
                    body,
                    usage,
                    created: SystemTime::now(),
                    ttl: self.ttl,
                };
                self.cache.put(self.lead.key(), Arc::new(entry));
            }
        }
        self.lead.end(End::Whole);
    }

    /// There will be no answer, or no more of it.
    pub fn fail(self, error: &GatewayError) {
        match (&self.head, error) {
            (Some(_), _) => self.lead.end(End::Broken(Box::new(error.clone()))),
            (None, GatewayError::ClientGone) => self.lead.end(End::Nothing),
            (None, _) => self.refuse(error.status()),
        }
    }

    /// An answer of that status: whoever asks the same is refused as well, or may fare better.
    fn refuse(self, status: StatusCode) {
        let is_final = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
        self.lead.end(match is_final {
            true => End::Refused,
            false => End::Nothing,
        });
    }

    /// The cache has the answer after all.
    pub fn share(self, entry: &Entry) {
        self.lead.begin(Arc::new(Head {
            is_stream: entry.is_stream,
            headers: entry.headers.clone(),
        }));
        self.lead.push(entry.body.clone());
        self.lead.end(End::Whole);
    }
}
