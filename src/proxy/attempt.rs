//! Judges how an attempt at a provider went, and whether the next candidate is asked.
//! Called from `proxy` at `upstream_peer`, `upstream_response_filter`, `fail_to_connect` and
//! `error_while_proxy`. The policy is here alone: Pingora repeats whatever is marked to be.

use std::{os::fd::RawFd, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use pingora::{Error, ErrorSource, ErrorType, http::ResponseHeader, upstreams::peer::HttpPeer};

use super::{
    admission::{self, Place},
    answer::{Answer, Watched},
    close::{self, Verdict, close},
    context::{Context, OpenAttempt},
    failure::{blank_failure, explain, no_answer, no_way, retry_delay},
    next, prepare,
    refused::{no_room, sooner},
    relay,
};
use crate::{
    chat::sse::Frames,
    config::FailureClass,
    dialects::ProviderMessage,
    error::{AnswerError, ErrorClass, GatewayError, Outcome, ProviderFailure},
    health::leave::Leave,
    providers::errors::classify as class_of,
    routing::{
        Candidate,
        policy::{self, Failure},
    },
    upstream::{cork::Cork, failure::classify},
};

/// Bodies up to this length go out with their heads, in one packet or few.
const MAX_CORKED: usize = 16 << 10;

/// Begins an attempt at the current candidate, or at the first behind it that can be asked. `None` where
/// somebody is to be asked after a while, or Redis whether a provider has room.
///
/// # Errors
/// Where nobody is left.
pub fn begin(context: &mut Context) -> pingora::Result<Option<Box<HttpPeer>>> {
    if std::mem::take(&mut context.is_lost) {
        return Err(stop("nobody is left"));
    }
    loop {
        let Some(candidate) = context.plan.current().cloned() else {
            return Err(stop("no candidate"));
        };
        let now = Instant::now();
        if context.is_out_of_time() {
            give_up(context, now);
            return Err(stop("the client's deadline has passed"));
        }
        if context.attempt.is_none() && !admission::find_place(context, &candidate) {
            return Ok(None);
        }
        if context.attempt.is_none() && !open(context, &candidate, now) {
            if skip(context, now) {
                continue;
            }
            // Where somebody was asked, that failure says more.
            if context.failure.is_none() && context.error.is_none() {
                context.error = Some(next::nobody(context));
            }
            return Err(stop("nobody can be asked for this"));
        }
        if candidate.provider.credential.has_token()
            && let Some(mut peer) = candidate.provider.peer(context.is_websocket())
        {
            if let Some(deadline) = context.deadline {
                let rest = deadline.saturating_duration_since(now);
                let connect = &mut peer.options.total_connection_timeout;
                *connect = Some(connect.map_or(rest, |usual| usual.min(rest)));
            }
            return Ok(Some(peer));
        }
        let said = ProviderMessage {
            message: no_way(&candidate.provider),
            ..ProviderMessage::default()
        };
        // What comes next is picked now: there is nobody yet whom Pingora could ask again.
        if !fail(context, Outcome::Dns, None, said) {
            return Err(stop("no address"));
        }
        if context.backoff.is_some() {
            return Ok(None);
        }
    }
}

/// The client's deadline has passed before anybody could be asked, or asked again.
fn give_up(context: &mut Context, now: Instant) {
    if context.attempt.is_none() {
        context.plan.pass_over(now);
    }
    if context.failure.is_none() {
        let error = Error::new_up(ErrorType::ReadTimedout);
        let said = match context.attempt {
            Some(_) => explain(context, Outcome::Timeout, &error).message,
            None => {
                "The time that `X-Gateway-Timeout` allows was over before a provider was asked."
                    .to_owned()
            }
        };
        context.failure = Some(ProviderFailure {
            message: said,
            ..blank_failure(context, Outcome::Timeout, None)
        });
    }
    // A pooled connection was dead, and there is no time for another.
    close(context, Outcome::Timeout, None, Verdict::Nothing);
}

/// Passes over the current candidate, which cannot be asked. `false` where nobody else can be.
fn skip(context: &mut Context, now: Instant) -> bool {
    if context.is_second() {
        context.plan.pass_over(now);
        return false;
    }
    next::ask(context, |asking, plan| asking.skip(plan))
}

/// Writes the request for `candidate`. `false` where it cannot be asked.
fn open(context: &mut Context, candidate: &Candidate, now: Instant) -> bool {
    let rules = &context.snapshot.config.routing;
    let (limits, breaker) = (policy::budget(&rules.retries), policy::breaker(rules));
    let place = match std::mem::take(&mut context.place) {
        Place::Taken(place) => Some(place),
        Place::Full(refusal) => {
            if context.failure.is_none() {
                let refused = no_room(context, &refusal);
                context.error = Some(sooner(context.error.take(), refused));
            }
            return false;
        }
        Place::Unknown | Place::Waits => None,
    };
    let Some(leave) = Leave::take(&candidate.health, now, &breaker) else {
        return false;
    };
    let call = match prepare::call(context, candidate) {
        Ok(call) => call,
        Err(error) => {
            if context.failure.is_none() {
                context.error = Some(error);
            }
            return false;
        }
    };
    context.error = None;
    let provider = &candidate.provider;
    if context.attempts.is_empty() && !context.is_second() {
        provider.health.budget.first_call(&limits);
    }
    candidate.health.minute.add(1.0, 0.0, now);
    let deadline = now + provider.timeouts.total;
    context.attempt = Some(OpenAttempt {
        started: now,
        deadline: context
            .deadline
            .map_or(deadline, |asked| asked.min(deadline)),
        head: None,
        status: None,
        call,
        error_kind: None,
        was_stale: false,
        key: provider.credential.pick(now),
        leave,
        place,
        cork: None,
        is_sent: false,
    });
    true
}

/// The attempt has a connection. A short request is sent on it in one go.
pub fn connected(context: &mut Context, peer: &HttpPeer, socket: RawFd) {
    if let Some(candidate) = context.plan.current() {
        context.wait_until(Instant::now() + candidate.provider.timeouts.first_byte);
    }
    let is_alone = peer.options.alpn.get_max_http_version() == 1 && !context.is_websocket();
    if let Some(attempt) = &mut context.attempt
        && is_alone
        && attempt.call.body.len() <= MAX_CORKED
    {
        attempt.cork = Cork::new(socket);
    }
}

/// What the provider is sent.
pub fn body(context: &mut Context) -> Option<Bytes> {
    let attempt = context.attempt.as_mut()?;
    attempt.is_sent = true;
    let body = attempt.call.body.clone();
    Some(match attempt.cork.take() {
        Some(cork) => cork.around(body),
        None => body,
    })
}

/// Looks at the head of an answer: passed on, withheld to be read, or given up for the next
/// candidate.
///
/// # Errors
/// Where the attempt is over; the error says whether another one follows.
pub fn judge_head(context: &mut Context, head: &ResponseHeader) -> pingora::Result<()> {
    if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    let now = Instant::now();
    (context.bytes_left, context.has_ended) = (None, false);
    if let Some(attempt) = &mut context.attempt {
        attempt.head = Some(now);
        attempt.status = Some(head.status.as_u16());
    }
    if let Some(candidate) = context.plan.current() {
        context.wait_until(now + candidate.provider.timeouts.idle);
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !context.is_websocket() {
        let error = Error::new_up(ErrorType::InvalidHTTPHeader);
        let said = explain(context, Outcome::Garbage, &error);
        let another = fail(context, Outcome::Garbage, None, said);
        return Err(verdict(error, another));
    }
    if !head.status.is_client_error() && !head.status.is_server_error() {
        if (prepare::is_rewritten(context) || context.generates())
            && let Some(why) = no_answer(head)
        {
            let provider = context
                .plan
                .current()
                .map(|candidate| &candidate.provider.name);
            let message = format!("The provider `{}` {why}", provider.map_or("", |name| name));
            return Err(judge_answer_error(
                context,
                AnswerError::garbage(message),
                false,
            ));
        }
        is_well(context, now);
        context.answer = match prepare::translating(context, head) {
            Some(answer) => answer,
            None => passing(head),
        };
        // Nobody asks for it again, and an answer may take minutes.
        if let Some(attempt) = context.attempt.as_mut().filter(|attempt| attempt.is_sent) {
            attempt.call.body = Bytes::new();
        }
        if matches!(head.status, StatusCode::SWITCHING_PROTOCOLS) {
            context.stop_waiting();
        }
        return Ok(());
    }
    if let Some(attempt) = &mut context.attempt {
        attempt.error_kind = header_text(head, "x-amzn-errortype");
    }
    context.failure = Some(ProviderFailure {
        retry_after: header_text(head, "retry-after"),
        ..blank_failure(context, Outcome::HttpError, Some(head.status))
    });
    let has_no_body = head
        .headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| length == "0");
    // What a server error says changes nothing where somebody else is asked at once.
    let is_lost = head.status.is_server_error()
        && !context.is_second()
        && next::ask(context, |asking, plan| {
            asking.has_next(plan, FailureClass::ServerError)
        });
    if has_no_body || is_lost {
        return Err(judge_error_body(context, &[]));
    }
    context.answer = Answer::Withheld(BytesMut::new());
    Ok(())
}

/// A good answer begins: how long it took counts, and a probe has found out what it was sent for.
fn is_well(context: &mut Context, now: Instant) {
    let (Some(attempt), Some(candidate)) = (&mut context.attempt, context.plan.current()) else {
        return;
    };
    let took = now.saturating_duration_since(attempt.started);
    candidate.health.latency.add(took, now);
    candidate.health.recent.add(took);
    if attempt.leave.is_probe() {
        let rules = &context.snapshot.config.routing;
        close::report(rules, candidate, &mut attempt.leave, true);
    }
}

/// The whole body of an error answer is here: what does it say, and what follows?
pub fn judge_error_body(context: &mut Context, body: &[u8]) -> Box<Error> {
    let status = context.failure.as_ref().and_then(|failure| failure.status);
    let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
    let kind = context
        .attempt
        .as_mut()
        .and_then(|attempt| attempt.error_kind.take());
    let mut said = match context.plan.current() {
        // Some providers repeat the key that they refuse.
        Some(candidate) => {
            let body = candidate.provider.without_secrets(body);
            context.spoken().read_error(status, &body)
        }
        None => ProviderMessage::default(),
    };
    said.words.extend(kind);
    let another = fail(context, Outcome::HttpError, Some(status), said);
    verdict(
        Error::new_up(ErrorType::HTTPStatus(status.as_u16())),
        another,
    )
}

/// The answer's status was good and the answer was not: what follows? Nobody else is asked where the
/// client has seen some of it (`is_answering`).
pub fn judge_answer_error(
    context: &mut Context,
    error: AnswerError,
    is_answering: bool,
) -> Box<Error> {
    // An earlier attempt's says nothing about this one.
    context.failure = None;
    let error = match context.plan.current() {
        Some(candidate) => candidate.provider.clean(error),
        None => error,
    };
    let (outcome, status) = match error.is_garbage {
        true => (Outcome::Garbage, None),
        false => {
            let status = error
                .status
                .and_then(|status| StatusCode::from_u16(status).ok());
            let status =
                status.filter(|status| status.is_client_error() || status.is_server_error());
            (Outcome::HttpError, status.or(Some(StatusCode::BAD_GATEWAY)))
        }
    };
    let said = ProviderMessage {
        message: error.message,
        error: error.error,
        words: error.words,
    };
    let another = fail_unless(context, outcome, status, said, is_answering);
    verdict(Error::new_up(ErrorType::InvalidHTTPHeader), another)
}

/// No connection came about.
pub fn judge_connect_failure(context: &mut Context, mut error: Box<Error>) -> Box<Error> {
    let outcome = classify(&error, false);
    let said = explain(context, outcome, &error);
    let another = fail(context, outcome, None, said);
    error.set_retry(another);
    error
}

/// A connection stood and something failed on it, on either side.
pub fn judge_failure(
    context: &mut Context,
    mut error: Box<Error>,
    is_reused: bool,
    is_answering: bool,
) -> Box<Error> {
    let is_late = context
        .watchdog
        .as_ref()
        .is_some_and(|watchdog| watchdog.take_fired());
    context.stop_waiting();
    let Some(attempt) = &mut context.attempt else {
        // Judged already, in the filter that raised it.
        if matches!(error.retry, pingora::RetryType::ReusedOnly) {
            error.set_retry(false);
        }
        return error;
    };
    if !is_late && *error.esource() == ErrorSource::Downstream {
        // It left in the middle of a good answer, or before there was any.
        let said = match attempt.status {
            Some(..400) => Verdict::Well,
            _ => Verdict::Nothing,
        };
        let detail = Some(error.to_string());
        close(context, Outcome::ClientGone, detail, said);
        context.error = Some(GatewayError::ClientGone);
        return verdict(error, false);
    }
    if let Some(body) = context.answer.withheld() {
        // Its status is known, and part of what it had to say.
        return judge_error_body(context, &body);
    }
    let has_head = attempt.head.is_some();
    let outcome = if is_late {
        Outcome::Timeout
    } else {
        classify(&error, has_head)
    };
    if is_reused && !has_head && outcome == Outcome::Reset && !attempt.was_stale {
        // The provider may have closed it just now.
        attempt.was_stale = true;
        context.gateway().metrics.retries.inc();
        return verdict(error, true);
    }
    let said = explain(context, outcome, &error);
    // Once the client has seen a byte there is no other candidate.
    let another = fail_unless(context, outcome, None, said, is_answering);
    verdict(error.into_up(), another)
}

/// The provider's side is over. Gives back what was gathered, once it is whole: where a body is absent,
/// or trailers end it, no filter has seen its end.
pub fn end(context: &mut Context) -> Option<(ResponseHeader, Bytes)> {
    if context.answer.is_gathering() {
        let dialect = context.spoken();
        match context.answer.pass(&mut None, true, dialect) {
            Ok(usage) => context.usage = usage.or(context.usage),
            Err(error) => drop(judge_answer_error(context, error, false)),
        }
    }
    context.answer.take_reply()
}

/// The attempt went well, to the end.
pub fn succeed(context: &mut Context) {
    close(context, Outcome::Ok, None, Verdict::Well);
}

/// The error that a failed request is answered with.
pub fn final_error(context: &mut Context) -> GatewayError {
    match (context.error.take(), context.failure.take()) {
        (Some(error), _) => error,
        (None, Some(failure)) => GatewayError::Provider(Box::new(failure)),
        (None, None) => GatewayError::Internal("no attempt was made".into()),
    }
}

fn fail(
    context: &mut Context,
    outcome: Outcome,
    status: Option<StatusCode>,
    said: ProviderMessage,
) -> bool {
    fail_unless(context, outcome, status, said, false)
}

/// Closes the attempt and says whether the next candidate is to be asked.
fn fail_unless(
    context: &mut Context,
    outcome: Outcome,
    status: Option<StatusCode>,
    said: ProviderMessage,
    is_answering: bool,
) -> bool {
    let retry_after = context
        .failure
        .take()
        .and_then(|failure| failure.retry_after);
    let kind = context
        .plan
        .current()
        .map(|candidate| &*candidate.provider.kind);
    let class = class_of(
        kind.unwrap_or_default(),
        status.map(|status| status.as_u16()),
        &said.words,
        &said.message,
    );
    let asked_to_wait = said.error.as_ref().and_then(retry_delay);
    let is_same = context.spoken().name() == context.caller.name();
    let retry_after = retry_after
        .or(asked_to_wait)
        .filter(|_| outcome == Outcome::HttpError);
    let kind = next::class_of(outcome, status, class);
    let failure = Failure {
        class: kind,
        is_repeatable: next::is_repeatable(status, class),
        retry_after: retry_after.as_deref().and_then(next::parse_retry_after),
    };
    context.failure = Some(ProviderFailure {
        message: said.message.clone(),
        class,
        error: said.error.filter(|_| is_same),
        retry_after,
        ..blank_failure(context, outcome, status)
    });
    let key = context.attempt.as_ref().map(|attempt| attempt.key);
    let is_ill = matches!(
        kind,
        Some(
            FailureClass::Connection
                | FailureClass::RateLimit
                | FailureClass::ServerError
                | FailureClass::Timeout
        )
    );
    // A provider that answers is well, whatever it says of the request; one that its client did not wait for
    // may be.
    let verdict = match (is_ill, status) {
        _ if outcome == Outcome::Timeout && context.is_out_of_time() => Verdict::Nothing,
        (true, _) if class != ErrorClass::Quota => Verdict::Ill,
        (false, Some(_)) if kind.is_none() => Verdict::Well,
        _ => Verdict::Nothing,
    };
    close(context, outcome, Some(said.message), verdict);
    if is_answering {
        relay::break_up(context, failure);
        return false;
    }
    let is_key_at_fault = matches!(
        class,
        ErrorClass::Auth | ErrorClass::Permission | ErrorClass::Quota
    );
    let has_other_key = is_key_at_fault
        && key.is_some_and(|key| next::change_key(context, key, failure.retry_after));
    let another = has_other_key || next::follow(context, failure);
    match std::mem::take(&mut context.answer) {
        Answer::Streamed(streamed) if streamed.is_continued => context.resuming = Some(streamed),
        // Nobody takes over: what was said before the failure is still worth hearing.
        answer if !another && answer.has_said() => {
            context.answer = answer;
            return false;
        }
        _ => {}
    }
    context.usage = None;
    context.first_byte = None;
    context.stop_beating();
    another
}

/// How an answer below 400 is passed on.
fn passing(head: &ResponseHeader) -> Answer {
    let text =
        |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let is_encoded = text(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_encoded || head.status == StatusCode::SWITCHING_PROTOCOLS {
        Answer::Raw
    } else if text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/event-stream")) {
        Answer::Events(Frames::default())
    } else {
        Answer::Plain(Watched::default())
    }
}

fn header_text(head: &ResponseHeader, name: &str) -> Option<String> {
    let value = head.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn stop(what: &'static str) -> Box<Error> {
    verdict(Error::explain(ErrorType::InternalError, what), false)
}

fn verdict(mut error: Box<Error>, another: bool) -> Box<Error> {
    error.set_retry(another);
    error
}

#[cfg(test)]
mod tests;
