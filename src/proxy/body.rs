//! Reads a request's body before a provider is chosen by it, and leaves Pingora in a state in
//! which it will send one.
//!
//! Pingora sends a body upstream only if its retry buffer (64 KiB, fixed) holds one. For a body
//! of known length the buffer is switched on for the last 64 KiB: Pingora then offers that tail to
//! `request_body_filter` on every attempt, which puts the whole prepared body in its place. A
//! longer body of unknown length cannot be handled so, nor one over HTTP/2, whose requests need
//! their own clock: [`super::delegate`] takes those.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::{Error, ErrorType, prelude::timeout};
use pingora_proxy::Session;

use crate::{config::Listen, error::GatewayError};

/// What Pingora's retry buffer holds.
const RETRY_BUFFER_BYTES: usize = 64 * 1024;
/// Memory set aside at once for a body whose length the client has only claimed.
const MAX_RESERVED_BYTES: usize = 4 << 20;

/// A body that has been read.
pub struct Body {
    /// All of it.
    pub bytes: Bytes,
    /// Whether Pingora's retry buffer holds its tail, so that Pingora will send one.
    pub is_buffered: bool,
}

/// Reads the whole body.
///
/// # Errors
/// `BodyTooLarge`, `BodyTimeout`, `BodyIncomplete` and `InvalidBody`.
pub async fn read(session: &mut Session, listen: &Listen) -> Result<Body, GatewayError> {
    let limit = listen.max_body_bytes.0;
    let length = content_length(session)?;
    if length.is_some_and(|length| length > limit) {
        return Err(GatewayError::BodyTooLarge { limit });
    }
    if expects_continue(session) {
        // The client waits for leave to send; a provider's leave would come too late.
        let sent = session.as_mut().write_continue_response().await;
        sent.map_err(|_| GatewayError::ClientGone)?;
    }
    let latest = Instant::now() + listen.body_timeout_seconds.duration();
    let idle = listen.body_idle_timeout_seconds.duration();
    let mut pieces = Pieces::default();
    let (mut is_buffering, mut is_held) = (false, false);
    loop {
        let left = length.map(|length| length.saturating_sub(pieces.length()));
        if !is_buffering && left.is_none_or(|left| left <= RETRY_BUFFER_BYTES) {
            session.as_mut().enable_retry_buffering();
            is_buffering = true;
        }
        let patience = idle.min(latest.saturating_duration_since(Instant::now()));
        let piece = match next_piece(session, patience).await {
            None => return Err(GatewayError::BodyTimeout),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(None)) => break,
            Some(Ok(Some(piece))) => piece,
        };
        if pieces.length() + piece.len() > limit {
            return Err(GatewayError::BodyTooLarge { limit });
        }
        is_held |= is_buffering && !piece.is_empty();
        pieces.push(piece, length);
        if length == Some(pieces.length()) && session.as_mut().is_body_done() {
            break;
        }
    }
    if length.is_some_and(|length| length != pieces.length()) {
        return Err(GatewayError::BodyIncomplete);
    }
    Ok(Body {
        bytes: pieces.whole(),
        // To ask for the buffer itself would copy it.
        is_buffered: is_held && !session.as_mut().retry_buffer_truncated(),
    })
}

/// The next piece; `None` where it does not come in time. What came with the head is there
/// already, and needs no timer.
async fn next_piece(
    session: &mut Session,
    patience: Duration,
) -> Option<pingora::Result<Option<Bytes>>> {
    let mut reading = pin!(session.as_mut().read_request_body());
    match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        Poll::Ready(read) => Some(read),
        Poll::Pending => timeout(patience, reading).await.ok(),
    }
}

/// A chunk that is none is the client's mistake; a connection that ends is its absence.
fn broken(error: &Error) -> GatewayError {
    match error.root_etype() {
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::H2Error => {
            GatewayError::ClientGone
        }
        _ => GatewayError::BodyIncomplete,
    }
}

/// Whether the client sends its body only after `100 Continue`.
pub fn expects_continue(session: &Session) -> bool {
    let expect = session.req_header().headers.get(header::EXPECT);
    expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn content_length(session: &Session) -> Result<Option<usize>, GatewayError> {
    let headers = &session.req_header().headers;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(None);
    }
    match headers.get(header::CONTENT_LENGTH) {
        None if session.is_http2() => Ok(None),
        None => Ok(Some(0)),
        Some(value) => match value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
        {
            Some(length) => Ok(Some(length)),
            None => Err(GatewayError::invalid(
                "The header `content-length` is not a number.",
                None,
            )),
        },
    }
}

/// A body as it arrives: one piece stays what it is, more are put together.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    rest: BytesMut,
}

impl Pieces {
    fn length(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, piece: Bytes, expected: Option<usize>) {
        if self.rest.is_empty() && self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            let capacity = expected
                .unwrap_or(4 * RETRY_BUFFER_BYTES)
                .min(MAX_RESERVED_BYTES);
            self.rest
                .reserve(capacity.max(self.first.len() + piece.len()));
            self.rest.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.rest.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}
