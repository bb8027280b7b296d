//! Answers that the gateway writes itself: errors in the caller's shape, models, health.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::time::timeout_at;

use super::{attempt, body, context::Context, headers, receipt, recording};
use crate::{error::GatewayError, upstream::provider::header_value};

/// How long the rest of a refused body is read and thrown away, so that the client gets to see
/// the refusal instead of a reset connection.
const LINGER: Duration = Duration::from_secs(2);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers with a JSON body.
pub async fn json(
    session: &mut Session,
    context: &mut Context,
    status: StatusCode,
    body: Bytes,
) -> Result<()> {
    let head = headers::response(status, head(context, body.len()));
    send(session, context, head, body).await
}

/// Answers with what somebody else has written.
pub async fn whole(
    session: &mut Session,
    context: &mut Context,
    answer: http::Response<Bytes>,
) -> Result<()> {
    let (parts, body) = answer.into_parts();
    let mut headers = parts.headers;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers::write_own(&mut headers, context);
    let head = headers::response(parts.status, headers);
    send(session, context, head, body).await
}

/// Answers with an error, in the shape of the caller's dialect.
pub async fn error(
    session: &mut Session,
    context: &mut Context,
    error: GatewayError,
) -> Result<()> {
    let body = context.caller.write_error(&error);
    let mut headers = head(context, body.len());
    if let Some(after) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, header_value(after));
    }
    match &error {
        GatewayError::Limited(full) => headers.extend(full.headers.clone()),
        GatewayError::WrongMethod { allow, .. } => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        GatewayError::MissingKey | GatewayError::InvalidKey(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    let head = headers::response(error.status(), headers);
    recording::fail(context, &error);
    context.error = Some(error);
    send(session, context, head, body).await
}

/// Sends a whole answer that was translated: its head was kept back until its body could be read.
pub async fn reply(
    session: &mut Session,
    context: &mut Context,
    reply: Option<(ResponseHeader, Bytes)>,
) {
    let Some((head, body)) = reply else {
        return;
    };
    let head = with_cost(context, head);
    attempt::succeed(context);
    context.first_byte = Some(Instant::now());
    recording::begin(context, &head);
    recording::pass(context, &mut Some(body.clone()), true);
    // Where that fails the client has left; the log line will say so.
    if send(session, context, head, body).await.is_err() {
        context.error = Some(GatewayError::ClientGone);
    }
}

/// The head with what its answer has cost, where that is known by now.
fn with_cost(context: &mut Context, head: ResponseHeader) -> ResponseHeader {
    receipt::price(context);
    let Some(cost) = context.spent.and_then(|spent| spent.cost) else {
        return head;
    };
    let (status, version) = (head.status, head.version);
    let mut all = head.headers.clone();
    headers::write_cost(&mut all, cost);
    let mut head = headers::response(status, all);
    head.set_version(version);
    head
}

/// Begins a stream that said something and failed before Pingora had written any of it. Gives back
/// whether there is such a one, and the client has its head.
pub async fn begin_late(session: &mut Session, context: &mut Context) -> bool {
    let Some(head) = context.answer.take_unsaid() else {
        return false;
    };
    session.set_keepalive(None);
    let written = session.write_response_header(Box::new(head), false).await;
    written.is_ok()
}

/// Ends an answer that has begun and cannot be completed. A stream gets its dialect's error
/// event; anything else must break off visibly, which leaving it unfinished does.
pub async fn break_off(session: &mut Session, context: &mut Context, error: GatewayError) {
    context.gateway().metrics.broken_answers.inc();
    recording::fail(context, &error);
    context.stop_beating();
    if let Some(event) = context.answer.last_words(context.caller, &error) {
        context.bytes_out = session.body_bytes_sent() + event.len();
        let status = session.response_written().map(|head| head.status.as_u16());
        context.error = Some(error.clone());
        receipt::write(session, context, status.unwrap_or(200));
        // Where the client has left as well, there is nobody to tell.
        if session.write_response_body(Some(event), true).await.is_ok() {
            // A child's session does not end with its last piece.
            let _ = session.as_mut().finish_body().await;
        }
    }
    context.error = Some(error);
}

fn head(context: &Context, length: usize) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers::write_own(&mut headers, context);
    headers
}

async fn send(
    session: &mut Session,
    context: &mut Context,
    head: ResponseHeader,
    body: Bytes,
) -> Result<()> {
    let is_head = session.req_header().method == Method::HEAD;
    let has_unread_body = !session.as_mut().is_body_done();
    if has_unread_body {
        session.set_keepalive(None);
    }
    context.bytes_out = if is_head { 0 } else { body.len() };
    receipt::write(session, context, head.status.as_u16());
    session
        .write_response_header(Box::new(head), is_head)
        .await?;
    if !is_head {
        session.write_response_body(Some(body), true).await?;
        session.as_mut().finish_body().await?;
    }
    // Who waits for `100 Continue` sends no body once it has seen an answer.
    if has_unread_body && !body::expects_continue(session) {
        linger(session).await;
    }
    Ok(())
}

async fn linger(session: &mut Session) {
    let deadline = Instant::now() + LINGER;
    while let Ok(Ok(Some(_))) =
        timeout_at(deadline.into(), session.as_mut().read_request_body()).await
    {}
}
