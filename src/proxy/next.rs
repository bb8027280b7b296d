//! After a failed attempt: who is asked next. The policy itself is `routing::policy`; what it decides is
//! carried out here.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use pingora::Error;
use pingora_proxy::Session;

use super::{context::Context, delegate::dropped};
use crate::{
    config::FailureClass,
    error::{ErrorClass, GatewayError, Outcome},
    routing::{
        Candidate,
        facts::Facts,
        policy::{Asking, Failure, Next},
    },
};

/// The request as routing sees it, after its head is gone: routes have been chosen by then.
pub fn facts(context: &Context) -> Facts<'_> {
    Facts {
        key: context.identity.key.as_deref(),
        team: context.identity.team.as_deref(),
        own_tags: &context.own_tags,
        headers: None,
        has_wishes: context.has_wishes,
        stream: context.request.stream,
        body: &context.body,
        prompt: &context.prompt,
    }
}

/// Runs `decide` with what decisions are made by, and the plan.
pub fn ask<T>(
    context: &mut Context,
    decide: impl FnOnce(&Asking<'_>, &mut crate::routing::Plan) -> T,
) -> T {
    let mut plan = std::mem::take(&mut context.plan);
    let snapshot = context.snapshot.clone();
    let decided = {
        let asking = Asking {
            router: &snapshot.router,
            rules: &snapshot.config.routing,
            facts: &facts(context),
            now: Instant::now(),
            deadline: context.deadline,
        };
        decide(&asking, &mut plan)
    };
    context.plan = plan;
    decided
}

/// Finds the first candidate.
///
/// # Errors
/// `Unavailable` where all are left alone for now, `TooExpensive` where all cost too much.
pub fn start(context: &mut Context) -> Result<(), GatewayError> {
    match ask(context, |asking, plan| asking.start(plan)) {
        true => Ok(()),
        false => Err(nobody(context)),
    }
}

/// Why nobody can be asked.
pub fn nobody(context: &mut Context) -> GatewayError {
    let model = context.request.model.clone();
    ask(context, |asking, plan| {
        asking.nobody(plan, model.as_deref())
    })
}

/// Whether another candidate is asked, and when; the plan stands at it then.
pub fn follow(context: &mut Context, failure: Failure) -> bool {
    let failed = context.plan.current().cloned();
    context.keys_refused = 0;
    if context.is_second() {
        // The first of the two goes on.
        ask(context, |asking, plan| asking.note(plan, failure));
        return false;
    }
    match ask(context, |asking, plan| asking.next(plan, failure)) {
        Next::Now => {
            context.gateway().metrics.fallbacks.inc();
            log_failover(context, failed.as_ref());
            true
        }
        Next::After(wait) => {
            context.backoff = Some(Instant::now() + wait);
            true
        }
        Next::Stop => false,
    }
}

/// The key that the attempt used is of no use: another one of the same provider is tried at once, each of
/// them once. `retry_after` is what the provider says of its return.
pub fn change_key(context: &mut Context, key: usize, retry_after: Option<Duration>) -> bool {
    let Some(candidate) = context.plan.current().cloned() else {
        return false;
    };
    let now = Instant::now();
    let rules = &context.snapshot.config.routing;
    let bench = match retry_after {
        Some(asked) => asked.min(rules.key_bench_cap_seconds.duration()),
        None => rules.key_bench_seconds.duration(),
    };
    let credential = &candidate.provider.credential;
    if let Some(health) = credential.key_health(key) {
        health.bench(bench, now);
        log::warn!(
            "provider={} key={} status=benched seconds={}",
            candidate.provider.name,
            key + 1,
            bench.as_secs()
        );
    }
    context.keys_refused += 1;
    let is_changed = context.keys_refused < credential.key_count()
        && credential.has_other(key, now)
        && !context.is_out_of_time()
        && !context.is_second()
        && ask(context, |asking, plan| asking.again(plan));
    if is_changed {
        context.gateway().metrics.retries.inc();
    }
    is_changed
}

/// Waits until the next attempt may begin, as long as the client is there.
///
/// # Errors
/// Where the client has left: nobody is asked any more.
pub async fn wait(session: &mut Session, context: &mut Context) -> pingora::Result<()> {
    let Some(until) = context.backoff.take() else {
        return Ok(());
    };
    let is_gone = loop {
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => break false,
            left = session.downstream_session.read_body_or_idle(true) => if left.is_err() {
                break true;
            },
        }
    };
    if is_gone {
        context.error = Some(GatewayError::ClientGone);
        return Err(dropped());
    }
    match ask(context, |asking, plan| asking.start(plan)) {
        true => {
            context.gateway().metrics.retries.inc();
            Ok(())
        }
        // The failure before says more than that nobody is left.
        false => Err(Error::explain(
            pingora::ErrorType::InternalError,
            "nobody is left to be asked",
        )),
    }
}

fn log_failover(context: &Context, failed: Option<&Candidate>) {
    let (Some(failed), Some(next)) = (failed, context.plan.current()) else {
        return;
    };
    log::info!(
        "failover to={} model={} from={} latency={}ms request={}",
        next.provider.name,
        next.model,
        failed.provider.name,
        context.started.elapsed().as_millis(),
        context.id.as_str(),
    );
}

/// What kind of failure that is; `None` where the request itself is at fault.
pub fn class_of(
    outcome: Outcome,
    status: Option<StatusCode>,
    class: ErrorClass,
) -> Option<FailureClass> {
    match outcome {
        Outcome::Ok | Outcome::ClientGone => None,
        Outcome::Timeout => Some(FailureClass::Timeout),
        Outcome::Refused | Outcome::Reset | Outcome::Dns | Outcome::Tls | Outcome::Truncated => {
            Some(FailureClass::Connection)
        }
        Outcome::Garbage => Some(FailureClass::ServerError),
        Outcome::HttpError => match class {
            ErrorClass::RateLimit | ErrorClass::Quota => Some(FailureClass::RateLimit),
            ErrorClass::Overloaded | ErrorClass::Server => Some(FailureClass::ServerError),
            ErrorClass::ContextWindow | ErrorClass::TooLarge => Some(FailureClass::ContextWindow),
            ErrorClass::ContentPolicy => Some(FailureClass::ContentPolicy),
            ErrorClass::Auth | ErrorClass::Permission | ErrorClass::Region => {
                Some(FailureClass::Auth)
            }
            ErrorClass::Timeout => Some(FailureClass::Timeout),
            ErrorClass::NotFound | ErrorClass::BadRequest | ErrorClass::Unknown => status
                .filter(|status| status.is_server_error() || is_passing(*status))
                .map(|_| FailureClass::ServerError),
        },
    }
}

/// Whether the same candidate may do better later.
pub fn is_repeatable(status: Option<StatusCode>, class: ErrorClass) -> bool {
    let is_worth_it = match status {
        Some(status) if status.is_client_error() => {
            status == StatusCode::TOO_MANY_REQUESTS || is_passing(status)
        }
        _ => true,
    };
    is_worth_it && class != ErrorClass::Quota
}

/// Client errors that pass: 408, 409, 425.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 425)
}

/// `Retry-After`: seconds, or a date.
pub fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after("2"), Some(Duration::from_secs(2)));
        assert_eq!(parse_retry_after("0.5"), Some(Duration::from_millis(500)));
        let later = SystemTime::now() + Duration::from_secs(100);
        let wait = parse_retry_after(&httpdate::fmt_http_date(later)).unwrap();
        assert!((98..=100).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(parse_retry_after("soon"), None);
        assert_eq!(parse_retry_after("-1"), None);
    }

    #[test]
    fn what_the_request_got_wrong_goes_to_nobody_else() {
        let class = |status: u16, class| {
            class_of(Outcome::HttpError, StatusCode::from_u16(status).ok(), class)
        };
        assert_eq!(class(400, ErrorClass::BadRequest), None);
        assert_eq!(class(404, ErrorClass::NotFound), None);
        assert_eq!(class(422, ErrorClass::BadRequest), None);
        assert_eq!(
            class(409, ErrorClass::BadRequest),
            Some(FailureClass::ServerError)
        );
        assert_eq!(
            class(500, ErrorClass::Unknown),
            Some(FailureClass::ServerError)
        );
        assert_eq!(
            class(400, ErrorClass::ContextWindow),
            Some(FailureClass::ContextWindow)
        );
        let repeatable =
            |status: u16| is_repeatable(StatusCode::from_u16(status).ok(), ErrorClass::Unknown);
        for status in [400, 401, 403, 404, 413, 422] {
            assert!(!repeatable(status), "{status}");
        }
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
            assert!(repeatable(status), "{status}");
        }
        assert!(!is_repeatable(
            Some(StatusCode::TOO_MANY_REQUESTS),
            ErrorClass::Quota
        ));
    }
}
