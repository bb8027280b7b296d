//! What is said about a failed attempt: its words, how long to wait.
//! [`super::attempt`] decides by it what follows.

use http::{StatusCode, header};
use pingora::{Error, http::ResponseHeader};
use serde_json::{Map, Value};

use super::context::Context;
use crate::{
    config::RateLimitStatus,
    dialects::ProviderMessage,
    error::{ErrorClass, Outcome, ProviderFailure},
    upstream::provider::Provider,
};

/// A failure of which nothing is known but where it came from.
pub(super) fn blank_failure(
    context: &Context,
    outcome: Outcome,
    status: Option<StatusCode>,
) -> ProviderFailure {
    let errors = &context.snapshot.config.errors;
    ProviderFailure {
        provider: match context.plan.current() {
            Some(candidate) => candidate.provider.name.clone(),
            None => "gateway".into(),
        },
        outcome,
        status,
        message: String::new(),
        class: ErrorClass::Unknown,
        error: None,
        retry_after: None,
        rate_limit_status: match errors.provider_rate_limit_status {
            RateLimitStatus::BadGateway => StatusCode::BAD_GATEWAY,
            RateLimitStatus::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        },
    }
}

/// Why a provider cannot even be asked.
pub(super) fn no_way(provider: &Provider) -> String {
    if !provider.credential.has_token() {
        return format!(
            "The provider `{}` cannot be asked: there is no access token. The log says why.",
            provider.name
        );
    }
    format!(
        "The provider `{}` cannot be reached: the name {} has no address.",
        provider.name,
        provider.host_name()
    )
}

/// Why an answer of a good status with this head can be no answer to translate; `None` where it can.
pub(super) fn no_answer(head: &ResponseHeader) -> Option<&'static str> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    if head.status.is_redirection() {
        Some("answered with a redirection. Check its `base_url`.")
    } else if matches!(head.status.as_u16(), 204 | 205) || text(header::CONTENT_LENGTH) == Some("0")
    {
        Some("answered with nothing.")
    } else if !encoding.eq_ignore_ascii_case("identity") {
        Some("compressed its answer, which it was not asked to do.")
    } else if kind.starts_with("text/html") {
        Some("answered with a web page. Check its `base_url`.")
    } else {
        None
    }
}

/// Google says in the body how long to wait: `google.rpc.RetryInfo`, `"34.07s"`.
pub(super) fn retry_delay(error: &Map<String, Value>) -> Option<String> {
    let details = error.get("details")?.as_array()?;
    let delay = details
        .iter()
        .find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..86_400.0)
        .contains(&seconds)
        .then(|| format!("{:.0}", seconds.ceil()))
}

/// The failure in words that say what to do.
pub(super) fn explain(context: &Context, outcome: Outcome, error: &Error) -> ProviderMessage {
    let Some(candidate) = context.plan.current() else {
        return ProviderMessage::default();
    };
    let (name, host) = (&candidate.provider.name, candidate.provider.host_name());
    let message = match outcome {
        Outcome::Refused => format!("The provider `{name}` cannot be reached at {host}."),
        Outcome::Timeout if context.is_out_of_time() => format!(
            "The provider `{name}` did not answer within the time that `X-Gateway-Timeout` allows."
        ),
        Outcome::Timeout => format!("The provider `{name}` did not answer in time."),
        Outcome::Tls => format!(
            "The provider `{name}` has no certificate for {host} that the gateway trusts. Check `tls.ca_file`."
        ),
        Outcome::Garbage => {
            format!("The provider `{name}` answered with something that is not HTTP.")
        }
        Outcome::Truncated => format!("The answer of the provider `{name}` broke off."),
        _ => format!("The provider `{name}` closed the connection without an answer."),
    };
    log::debug!("{message} ({error})");
    ProviderMessage {
        message,
        error: None,
        words: Vec::new(),
    }
}
