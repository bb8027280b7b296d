//! Gives an answer that was made for another request: from the cache, or from a call that is under way. Where
//! that one streamed and this one wants it whole, or the other way round, it goes through a [`Transcoder`] from
//! the caller's dialect to itself.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;

use super::{caching::Caching, context::Context, headers, prepare};
use crate::{
    cache::Entry,
    dialects::{Dialect, translate::Transcoder},
    error::{AnswerError, GatewayError},
    telemetry::metrics::cache::HitKind,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const X_CACHE_TTL: HeaderName = HeaderName::from_static("x-cache-ttl");

/// Turns an answer as one caller got it into the one that another wants.
pub enum Player {
    /// As it is.
    Same {
        caller: &'static dyn Dialect,
        /// Whether the event that tells a stream's usage is left out.
        hides_usage: bool,
    },
    /// In the other mode.
    Other(Box<Transcoder>, HeaderValue),
}

impl Player {
    /// For an answer that `is_stream` or whole; `None` where this request's own form of it cannot be made.
    pub fn new(context: &Context, is_stream: bool) -> Option<Self> {
        let caller = context.caller;
        let wants_stream = context.request.stream && context.generates();
        if is_stream == wants_stream || !context.generates() {
            return Some(Player::Same {
                caller,
                hides_usage: is_stream && caller.hides_usage(&context.request, &context.body),
            });
        }
        let asked = prepare::read(context).ok()?;
        let kind = match wants_stream {
            true => HeaderValue::from_static(caller.stream_type(&asked.call)),
            false => JSON,
        };
        let (emulation, modes) = (Default::default(), (is_stream, wants_stream));
        let transcoder = Transcoder::new(caller, caller, &asked.call, emulation, modes);
        Some(Player::Other(Box::new(transcoder), kind))
    }

    /// The `content-type`, where it is not that of the answer.
    pub fn kind(&self) -> Option<&HeaderValue> {
        match self {
            Player::Same { .. } => None,
            Player::Other(_, kind) => Some(kind),
        }
    }

    /// What pieces of the answer come to.
    ///
    /// # Errors
    /// Where the answer cannot be read.
    pub fn play(&mut self, pieces: &[Bytes]) -> Result<Bytes, AnswerError> {
        match self {
            Player::Same {
                caller,
                hides_usage,
            } => {
                let bytes = match pieces {
                    [one] => one.clone(),
                    more => more.concat().into(),
                };
                Ok(match hides_usage {
                    true => caller.without_usage(bytes),
                    false => bytes,
                })
            }
            Player::Other(transcoder, _) => {
                let mut out = Vec::new();
                for piece in pieces {
                    transcoder.push(piece.clone(), &mut out)?;
                }
                Ok(out.into())
            }
        }
    }

    /// What comes behind the last piece.
    ///
    /// # Errors
    /// Where the answer was not whole.
    pub fn end(&mut self) -> Result<Bytes, AnswerError> {
        let mut out = Vec::new();
        if let Player::Other(transcoder, _) = self {
            transcoder.finish(&mut out)?;
        }
        Ok(out.into())
    }

    /// What ends a stream that broke off.
    pub fn fail(&mut self, error: &GatewayError) -> Bytes {
        match self {
            Player::Same { caller, .. } => caller.write_stream_error(error),
            Player::Other(transcoder, _) => {
                let mut out = Vec::new();
                transcoder.fail(error, &mut out);
                out.into()
            }
        }
    }
}

/// A stored answer as this request wants it; `None` where it cannot be given so.
pub fn fit(context: &Context, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
    let mut player = Player::new(context, entry.is_stream)?;
    let mut body = player.play(std::slice::from_ref(&entry.body)).ok()?;
    let rest = player.end().ok()?;
    if !rest.is_empty() {
        body = [body, rest].concat().into();
    }
    let kind = player.kind();
    // The same bytes, or a shorter copy of them.
    if kind.is_none() && body.len() == entry.body.len() {
        return Some(entry.clone());
    }
    let mut fitting = Entry::clone(entry);
    if let Some(kind) = kind {
        fitting
            .headers
            .retain(|(name, _)| name != header::CONTENT_TYPE);
        fitting.headers.push((header::CONTENT_TYPE, kind.clone()));
        fitting.is_stream = !entry.is_stream;
    }
    fitting.body = body;
    Some(Arc::new(fitting))
}

/// The head of an answer from the cache.
pub fn head(context: &Context, entry: &Entry) -> ResponseHeader {
    let now = SystemTime::now();
    let mut all = repeated(context, &entry.headers);
    all.insert(header::AGE, HeaderValue::from(entry.age(now).as_secs()));
    all.insert(X_CACHE_TTL, HeaderValue::from(entry.left(now).as_secs()));
    match entry.is_stream {
        true => all.insert(header::TRANSFER_ENCODING, headers::CHUNKED),
        false => all.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.body.len())),
    };
    headers::response(StatusCode::OK, all)
}

/// What an answer made for another request says of itself, and what the gateway says of it.
pub fn repeated(context: &Context, own: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut all = HeaderMap::with_capacity(own.len() + 16);
    for (name, value) in own {
        all.insert(name.clone(), value.clone());
    }
    headers::write_repeated(&mut all, context);
    all
}

/// Counts an answer that was given again, and what it would have cost.
pub fn count(context: &Context, entry: &Entry, kind: HitKind) {
    let usage = entry.usage.as_ref();
    let labels = &entry.labels;
    let member = context.snapshot.router.members.get(&*labels.provider);
    let price = member.and_then(|member| member.provider.price(&labels.model));
    let cost = price.zip(usage).map(|(price, usage)| price.cost(usage));
    context.gateway().cache.metrics.hit(kind, usage, cost);
}

/// Who made the answer, where that was not the request's own candidate.
pub fn served(context: &Context) -> Option<(Arc<str>, Arc<str>)> {
    match &context.caching {
        Caching::Hit(entry) => Some((entry.labels.provider.clone(), entry.labels.model.clone())),
        Caching::Coalesced(provider, model) => Some((provider.clone(), model.clone())),
        _ => None,
    }
}
