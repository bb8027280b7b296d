//! Writes a copy for its target and sends it; [`super::answer`] reads what comes back.

use std::{borrow::Cow, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, header};

use super::Shadow;
use crate::{
    chat::usage::Usage,
    dialects::{Call, Inspection, Route, gemini, splice::unstreamed},
    error::{GatewayError, Outcome},
    proxy::{
        headers,
        written::{self, Original, UpstreamCall},
    },
    routing::Candidate,
    upstream::client::{Answer, Message},
};

/// A larger answer is not read.
const MAX_ANSWER_BYTES: usize = 8 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What became of a copy.
#[derive(Default)]
pub(super) struct Told {
    /// How it ended; `None` where it could not even be sent.
    pub(super) outcome: Option<Outcome>,
    /// The target's status, where it answered.
    pub(super) status: Option<u16>,
    /// What it counted.
    pub(super) usage: Option<Usage>,
    /// The answer's text.
    pub(super) text: Option<String>,
    /// What went wrong, for people.
    pub(super) error: Option<String>,
}

impl Told {
    pub(super) fn failed(outcome: Option<Outcome>, error: impl ToString) -> Self {
        Told {
            outcome,
            error: Some(error.to_string()),
            ..Told::default()
        }
    }
}

impl Shadow {
    /// Asks `target` for a whole answer.
    pub(super) async fn send(&self, target: &Candidate) -> Told {
        let (call, asked) = match self.write(target) {
            Ok(written) => written,
            Err(error) => return Told::failed(None, error),
        };
        let answer = match self.ask(target, &call).await {
            Ok(answer) => answer,
            Err(failed) => return failed,
        };
        let status = answer.status;
        let told = match status.is_client_error() || status.is_server_error() {
            false => self.read(target, &call, asked.as_deref(), &answer.body),
            true => {
                // Some providers repeat the key that they refuse.
                let body = target.provider.without_secrets(&answer.body);
                let said = call.dialect.read_error(status, &body);
                Told::failed(Some(Outcome::HttpError), said.message)
            }
        };
        Told {
            status: Some(status.as_u16()),
            ..told
        }
    }

    async fn ask(&self, target: &Candidate, call: &UpstreamCall) -> Result<Answer, Told> {
        let provider = &target.provider;
        let Some(peer) = provider.peer(false) else {
            return Err(Told::failed(Some(Outcome::Dns), "the name has no address"));
        };
        let now = Instant::now();
        let key = provider.credential.pick(now);
        let mut head = headers::copy_request(&self.headers, self.query(), call, provider, key)
            .map_err(|error| Told::failed(None, error))?;
        let _ = head.insert_header(header::ACCEPT, JSON);
        let message = Message {
            head,
            body: call.body.clone(),
            // All of it comes at once; a stalled copy must not keep the place of others.
            timeout: provider.timeouts.first_byte.min(provider.timeouts.total),
            max_bytes: MAX_ANSWER_BYTES,
        };
        // It takes its share of what the target may be asked in a minute, like any request.
        target.health.minute.add(1.0, 0.0, now);
        let answer = self.gateway.client.send(&peer, message).await;
        answer.map_err(|error| Told::failed(Some(error.outcome()), error))
    }

    /// Writes the copy, which asks for a whole answer whatever its original asked for.
    fn write(&self, target: &Candidate) -> Result<(UpstreamCall, Option<Box<Call>>), GatewayError> {
        let (body, request) = match self.request.stream {
            true => self.whole()?,
            false => (self.body.clone(), self.request.clone()),
        };
        let path = match self.says_stream_in_path() {
            true => Cow::Owned(
                self.uri
                    .path()
                    .replace("streamGenerateContent", "generateContent"),
            ),
            false => Cow::Borrowed(self.uri.path()),
        };
        let original = Original {
            caller: self.caller,
            kind: Some(self.kind),
            route: Route {
                path: &path,
                query: self.query().unwrap_or_default(),
            },
            body: &body,
            request: &request,
            unsupported: self.snapshot.config.unsupported_params,
            asks_usage: false,
            is_relayed: false,
            said: None,
        };
        written::write(&original, target)
    }

    /// The body and what is known of it, for a whole answer.
    fn whole(&self) -> Result<(Bytes, Inspection), GatewayError> {
        if self.says_stream_in_path() {
            let request = Inspection {
                stream: false,
                ..self.request.clone()
            };
            return Ok((self.body.clone(), request));
        }
        let body = unstreamed(&self.body);
        let request = self.caller.inspect(&body)?;
        Ok((body, request))
    }

    /// Whether path and query, and not the body, ask for a stream: Gemini's do.
    fn says_stream_in_path(&self) -> bool {
        self.request.stream && gemini::method(self.uri.path()).is_some()
    }

    /// The client's query, but for one that says how to stream.
    fn query(&self) -> Option<&str> {
        self.uri.query().filter(|_| !self.says_stream_in_path())
    }
}
