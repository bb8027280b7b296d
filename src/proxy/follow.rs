//! Gives a request the answer that another one is being given: from its first byte, as it grows. The client is
//! watched meanwhile, so that nobody who has left keeps a provider busy.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora_proxy::Session;

use super::{
    caching::{self, Caching, Entered},
    context::Context,
    failure::blank_failure,
    headers, receipt,
    replay::{self, Player},
};
use crate::{
    cache::flights::{End, Follower, Head},
    error::{GatewayError, Outcome, ProviderFailure},
    telemetry::metrics::cache::HitKind,
};

/// How often somebody else may be followed after one who came to nothing.
const MAX_LEADERS: usize = 2;

/// Serves the request by following. `false` where it has to go on by itself: the cache has its answer now, or it
/// is its turn to ask.
///
/// # Errors
/// `ClientGone`, `IdempotencyMismatch`, and what the one who was followed met with.
pub async fn serve(
    session: &mut Session,
    context: &mut Context,
    mut follower: Follower,
) -> Result<bool, GatewayError> {
    for _ in 0..MAX_LEADERS {
        let head = until(session, context, None, follower.head()).await?;
        match head {
            Some(Ok(head)) => {
                let Some(player) = Player::new(context, head.is_stream) else {
                    return Ok(false);
                };
                context.caching =
                    Caching::Coalesced(head.text("x-provider").into(), head.text("x-model").into());
                let metrics = &context.gateway().cache.metrics;
                metrics.hit(HitKind::Coalesced, None, None);
                return deliver(session, context, follower, &head, player)
                    .await
                    .map(|()| true);
            }
            Some(Err(End::Nothing)) => match caching::enter(context)? {
                Entered::Follows(other) => follower = other,
                Entered::Makes | Entered::Hit => return Ok(false),
            },
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// Sends the answer on as it grows.
async fn deliver(
    session: &mut Session,
    context: &mut Context,
    mut follower: Follower,
    head: &Head,
    mut player: Player,
) -> Result<(), GatewayError> {
    let is_stream = match &player {
        Player::Same { .. } => head.is_stream,
        Player::Other(..) => !head.is_stream,
    };
    let mut all = replay::repeated(context, &head.headers);
    if let Some(kind) = player.kind() {
        all.insert(header::CONTENT_TYPE, kind.clone());
    }
    let mut whole = Vec::new();
    if is_stream {
        all.insert(header::TRANSFER_ENCODING, headers::CHUNKED);
        let head = headers::response(StatusCode::OK, all.clone());
        send_head(session, context, head).await?;
    }
    let ended = loop {
        match until(session, context, Some(is_stream), follower.next()).await? {
            Some(Ok(pieces)) => match player.play(&pieces) {
                Ok(bytes) if is_stream => send(session, context, bytes, false).await?,
                Ok(bytes) => whole.push(bytes),
                Err(error) => break Err(unreadable(error.message)),
            },
            Some(Err(End::Whole)) => break player.end().map_err(|error| unreadable(error.message)),
            Some(Err(End::Broken(error))) => break Err(*error),
            _ => break Err(unreadable("the answer broke off".into())),
        }
    };
    match ended {
        Ok(rest) if is_stream => send(session, context, rest, true).await,
        Ok(rest) => {
            whole.push(rest);
            let body = Bytes::from(whole.concat());
            all.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            send_head(session, context, headers::response(StatusCode::OK, all)).await?;
            send(session, context, body, true).await
        }
        Err(error) if is_stream => {
            context.gateway().metrics.broken_answers.inc();
            let last = player.fail(&error);
            context.error = Some(error);
            send(session, context, last, true).await
        }
        Err(error) => Err(error),
    }
}

/// What `next` comes to, while the client is there and its deadline has not passed. A silent stream shows signs
/// of life.
async fn until<T>(
    session: &mut Session,
    context: &mut Context,
    is_stream: Option<bool>,
    next: impl Future<Output = T>,
) -> Result<Option<T>, GatewayError> {
    tokio::pin!(next);
    let every = context.snapshot.config.listen.keep_alive_seconds.duration();
    let sign = context.caller.keep_alive();
    let sign = sign.filter(|_| is_stream == Some(true) && !every.is_zero());
    let deadline = context.deadline;
    loop {
        let beat = Instant::now() + every;
        tokio::select! {
            biased;
            next = &mut next => return Ok(Some(next)),
            left = session.downstream_session.read_body_or_idle(true) => {
                if left.is_err() {
                    return Err(GatewayError::ClientGone);
                }
            }
            () = at(deadline) => return Err(late(context)),
            () = at(sign.map(|_| beat)) => {
                let sign = Bytes::from_static(sign.unwrap_or_default());
                send(session, context, sign, false).await?;
            }
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

async fn send_head(
    session: &mut Session,
    context: &mut Context,
    head: pingora::http::ResponseHeader,
) -> Result<(), GatewayError> {
    context.first_byte = Some(Instant::now());
    let sent = session.write_response_header(Box::new(head), false).await;
    sent.map_err(|_| GatewayError::ClientGone)
}

async fn send(
    session: &mut Session,
    context: &mut Context,
    bytes: Bytes,
    is_end: bool,
) -> Result<(), GatewayError> {
    context.bytes_out += bytes.len();
    if bytes.is_empty() && !is_end {
        return Ok(());
    }
    match is_end {
        true => receipt::write_end(session, context),
        false => receipt::write_closing(session, context, &bytes),
    }
    let sent = session.write_response_body(Some(bytes), is_end).await;
    sent.map_err(|_| GatewayError::ClientGone)?;
    if is_end {
        let finished = session.as_mut().finish_body().await;
        finished.map_err(|_| GatewayError::ClientGone)?;
    }
    Ok(())
}

fn unreadable(message: String) -> GatewayError {
    GatewayError::Internal(message)
}

/// The client's own deadline has passed.
fn late(context: &Context) -> GatewayError {
    let waited = context.started.elapsed().as_secs_f64();
    GatewayError::Provider(Box::new(ProviderFailure {
        message: format!(
            "There was no answer within {waited:.1} s, the time that `X-Gateway-Timeout` allows."
        ),
        ..blank_failure(context, Outcome::Timeout, None)
    }))
}
