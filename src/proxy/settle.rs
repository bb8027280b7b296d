//! The two ends of a request: who may serve it, and what is said and counted when it is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::{Error, http::RequestHeader};
use pingora_proxy::Session;

use super::{
    admission, attempt,
    context::{Context, Role},
    endpoints::Kind,
    next, receipt, relay, replay, respond, shadow,
};
use crate::{
    config::RequestLog,
    error::GatewayError,
    routing::facts::Facts,
    telemetry::{logging, metrics::Observation},
    usage::labels::Labels,
};

/// Names become labels, header values and parts of log lines: a longer one is no name.
const MAX_NAME_BYTES: usize = 256;
/// The status in the log where the client had left.
const GONE: u16 = 499;

/// Finds the candidates for a request whose body has been read.
///
/// # Errors
/// Those of [`crate::gateway::Snapshot::plan`].
pub(super) fn plan(
    head: &RequestHeader,
    context: &mut Context,
    hint: Option<&str>,
) -> Result<(), GatewayError> {
    let request = &context.request;
    let provider = request.provider.as_deref().or(hint);
    let model = request.model.as_deref();
    for (name, field) in [(model, "model"), (provider, "provider")] {
        if name.is_some_and(|name| name.len() > MAX_NAME_BYTES) {
            let message = format!("The field `{field}` is longer than {MAX_NAME_BYTES} bytes.");
            return Err(GatewayError::invalid(message, Some(field)));
        }
    }
    let facts = Facts {
        headers: Some(&head.headers),
        ..next::facts(context)
    };
    context.plan = context
        .snapshot
        .plan(&context.identity, model, provider, &facts)?;
    if context.has_wishes {
        context.deadline = deadline(head, context.started)?;
    }
    Ok(())
}

/// Picks the first candidate of a request whose answer has to be made, looks whether limits let it in, and has
/// the request copied where its route wants that.
///
/// # Errors
/// `Unavailable`, `TooExpensive`, `Limited`.
pub(super) async fn start(head: &RequestHeader, context: &mut Context) -> Result<(), GatewayError> {
    let kind = context.endpoint.map(|endpoint| endpoint.kind);
    // What a stream has cost is told where it is asked for, whether its caller wants to know or not.
    if context.request.stream
        && matches!(kind, Some(Kind::Generate | Kind::Provider("completions")))
    {
        context.asks_usage = context.caller.hides_usage(&context.request, &context.body);
        context.hides_usage = context.asks_usage;
    }
    next::start(context)?;
    admission::admit(head, context, admission::Answer::Made).await?;
    shadow::copy(context, head);
    Ok(())
}

/// When the request must be over: `X-Gateway-Timeout`, or LiteLLM's name for it, in seconds.
fn deadline(head: &RequestHeader, started: Instant) -> Result<Option<Instant>, GatewayError> {
    let named = ["x-gateway-timeout", "x-litellm-timeout"];
    let value = named.iter().find_map(|name| header_text(head, name));
    let Some(value) = value else {
        return Ok(None);
    };
    let seconds = value.trim().trim_end_matches('s').parse().ok();
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match wait.filter(|wait| !wait.is_zero()) {
        Some(wait) => Ok(started.checked_add(wait)),
        None => {
            let message = "The header `X-Gateway-Timeout` must be a number of seconds above 0.";
            Err(GatewayError::invalid(message, None))
        }
    }
}

/// Says to the client that nobody could serve it, or that the answer is over. Gives back the
/// status for Pingora's log; 0 where the client is gone.
pub(super) async fn give_up(session: &mut Session, context: &mut Context) -> u16 {
    context.stop_waiting();
    context.stop_beating();
    if context.role == Role::Parent {
        return 0;
    }
    if matches!(context.error, Some(GatewayError::ClientGone)) {
        return 0;
    }
    if relay::leave(session, context).await {
        return 0;
    }
    let error = attempt::final_error(context);
    let status = error.status().as_u16();
    if context.resuming.is_some() {
        relay::end(session, context, error).await;
    } else if session.response_written().is_some() || respond::begin_late(session, context).await {
        respond::break_off(session, context, error).await;
    } else {
        session.set_keepalive(None);
        // Where even that fails the client has left; the log line will say so.
        if respond::error(session, context, error).await.is_err() {
            context.error = Some(GatewayError::ClientGone);
        }
    }
    status
}

/// Counts and logs a request that is over.
pub(super) async fn finish(session: &mut Session, context: &mut Context, error: Option<&Error>) {
    context.stop_beating();
    if context.role == Role::Parent {
        arm_for_next_head(session, context);
        return;
    }
    let reply = match error {
        None => attempt::end(context),
        Some(_) => None,
    };
    match error {
        _ if reply.is_some() => Box::pin(respond::reply(session, context, reply)).await,
        None if context.attempt.is_some() && session.response_written().is_some() => {
            attempt::succeed(context);
        }
        // An error answer without a body ends without any filter having seen its end.
        None if session.response_written().is_none() => {
            if context.attempt.is_some() {
                attempt::judge_error_body(context, &[]);
            }
            Box::pin(give_up(session, context)).await;
        }
        _ => {}
    }
    let is_gone = matches!(context.error, Some(GatewayError::ClientGone));
    let has_left = context
        .watchdog
        .as_ref()
        .is_some_and(|watchdog| watchdog.take_left());
    let relay = context.relay.clone();
    let is_orphaned = relay.as_ref().is_some_and(|relay| relay.has_left());
    let is_gone = is_gone || has_left || is_orphaned;
    let written = session.response_written().map(|head| head.status.as_u16());
    let status = match written {
        Some(status) if !is_gone => status,
        _ => GONE,
    };
    if relay.is_none_or(|relay| relay.conclude(context, status, is_gone)) {
        tell(session, context, status, is_gone);
    }
    arm_for_next_head(session, context);
}

/// Counts and logs a request whose client left before somebody else could go on with it.
pub(super) fn abandon(session: &Session, mut context: Context) {
    context.error = Some(GatewayError::ClientGone);
    tell(session, &mut context, GONE, true);
}

/// Counts and logs a request that is over.
pub(super) fn tell(session: &Session, context: &mut Context, status: u16, is_gone: bool) {
    if is_gone {
        context.gateway().metrics.client_disconnects.inc();
    }
    receipt::write(session, context, status);
    receipt::price(context);
    observe(context, status);
    log_line(session, context, status);
}

/// Who was asked last, or whose answer is given again; nobody where it never came to that.
fn served(context: &Context) -> Option<(Arc<str>, Arc<str>)> {
    let last = || {
        let attempt = context.attempts.last()?;
        Some((attempt.provider.clone(), attempt.model.clone()))
    };
    replay::served(context).or_else(last)
}

fn observe(context: &Context, status: u16) {
    let spent = context.spent.unwrap_or_default();
    let metrics = &context.gateway().metrics;
    let seen = Observation {
        status,
        latency: context.started.elapsed().as_secs_f64(),
        first_byte: first_byte(context).map(|took| took.as_secs_f64()),
        usage: spent.used.map(|used| used.usage),
        cost: spent.cost,
        stream: context.request.stream,
    };
    let series = match served(context) {
        Some((provider, model)) => metrics.series(&provider, &model),
        None => metrics.series(&"none".into(), "none"),
    };
    metrics.observe(&series, &seen);
}

/// How long the client waited for the first byte, whoever else went on with the answer.
fn first_byte(context: &Context) -> Option<Duration> {
    let at = context.began.or(context.first_byte)?;
    Some(at.saturating_duration_since(context.started))
}

fn log_line(session: &Session, context: &Context, status: u16) {
    let is_wanted = match context.snapshot.config.telemetry.log.requests {
        RequestLog::All => true,
        RequestLog::Errors => context.error.is_some() || status >= 400,
        RequestLog::Off => false,
    };
    if !is_wanted {
        return;
    }
    // The line says nothing of them.
    let labels = Labels::default();
    let record = receipt::record(session, context, &labels, status);
    logging::write_line(&record.line(logging::is_json()));
}

/// The connection waits for its next request now; that may not take forever.
fn arm_for_next_head(session: &Session, context: &Context) {
    if session.as_downstream().is_subrequest() || session.is_http2() {
        return;
    }
    if let Some(watchdog) = super::connection::watchdog_of(session.digest()) {
        watchdog.take_fired();
        watchdog.arm(
            Instant::now()
                + context
                    .snapshot
                    .config
                    .listen
                    .head_timeout_seconds
                    .duration(),
        );
    }
}

pub(super) fn wrong_method(head: &RequestHeader, allow: &'static str) -> GatewayError {
    GatewayError::WrongMethod {
        method: shown(head.method.as_str()),
        path: shown(head.uri.path()),
        allow,
    }
}

pub(super) fn not_a_websocket(head: &RequestHeader) -> GatewayError {
    GatewayError::NoWebSocket {
        path: shown(head.uri.path()),
    }
}

pub(super) fn no_websocket() -> GatewayError {
    let message = "This route is a WebSocket: send GET over HTTP/1.1 with `Upgrade: websocket`.";
    GatewayError::invalid(message, None)
}

pub(super) fn unknown_route(head: &RequestHeader) -> GatewayError {
    GatewayError::UnknownRoute {
        method: shown(head.method.as_str()),
        path: shown(head.uri.path()),
    }
}

/// A header's text; `None` where it is absent or not text.
pub(super) fn header_text(head: &RequestHeader, name: &str) -> Option<String> {
    head.headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// What a client sent, cut to a length that fits an error message.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
