//! Every way a request can fail, with its status, code and source each decided in one match.
//! A dialect gives a [`GatewayError`] its shape; `proxy::respond` sends it.

pub mod class;
mod key_fault;

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use thiserror::Error;

pub use class::ErrorClass;
pub use key_fault::{Fault, KeyFault};

/// Why a request was not answered as it wished. The message says what to do next.
#[derive(Debug, Clone, Error)]
pub enum GatewayError {
    /// No key was sent.
    #[error(
        "No API key was sent. Send a gateway key as `Authorization: Bearer KEY` or in `x-api-key`."
    )]
    MissingKey,
    /// A key was sent that may not be used. Why is for logs alone: whoever guesses keys learns nothing.
    #[error(
        "invalid gateway key. Check it for a typing error, or ask for a new one where it was issued."
    )]
    InvalidKey(KeyFault),
    /// The key's allow-list does not hold the route.
    #[error("The key `{key}` may not use {path}. It may use: {allowed}.")]
    RouteForbidden {
        /// The request's path.
        path: String,
        /// The key's name, never its text.
        key: String,
        /// What the key may use.
        allowed: String,
    },
    /// The key's allow-list does not hold the model.
    #[error("The key `{key}` may not use the model `{model}`. It may use: {allowed}.")]
    ModelForbidden {
        /// The model as the client named it.
        model: String,
        /// The key's name, never its text.
        key: String,
        /// What the key may use.
        allowed: String,
    },
    /// No such route.
    #[error("There is no route {method} {path}. See GET /v1/models and the documentation.")]
    UnknownRoute {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
    },
    /// The route exists under another method.
    #[error("{path} does not take {method}; it takes {allow}.")]
    WrongMethod {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// The method that it takes.
        allow: &'static str,
    },
    /// The route is a WebSocket elsewhere, and not here.
    #[error("{path} is no WebSocket here. Send the request by POST.")]
    NoWebSocket {
        /// The request's path.
        path: String,
    },
    /// The body is over the limit.
    #[error(
        "The request body is larger than {limit} bytes. Send less, or raise `listen.max_body_bytes`."
    )]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error(
        "The request body did not arrive in time. Send it faster, or raise `listen.body_timeout_seconds`."
    )]
    BodyTimeout,
    /// The client broke off inside its body.
    #[error("The request body ended before it was complete.")]
    BodyIncomplete,
    /// The body is not what the route takes.
    #[error("{message}")]
    InvalidBody {
        /// What is wrong, and with which field.
        message: String,
        /// The field.
        param: Option<&'static str>,
    },
    /// No model, and no default.
    #[error(
        "The request names no `model` and the gateway has no default. Add `\"model\": …`, or set `default_model`."
    )]
    NoModel,
    /// No provider serves the model.
    #[error("There is no model `{model}` here.{}", did_you_mean(.nearest))]
    UnknownModel {
        /// The model as the client named it.
        model: String,
        /// Names close to it.
        nearest: Vec<String>,
    },
    /// The provider has an allow-list that does not hold the model.
    #[error("The model `{model}` is not on the allow-list of `{provider}`.{}", did_you_mean(.nearest))]
    ModelNotAllowed {
        /// The model as the client named it.
        model: String,
        /// The provider that it was for.
        provider: Arc<str>,
        /// Names close to it.
        nearest: Vec<String>,
    },
    /// The request is for a provider that has no key or address.
    #[error("The provider `{provider}` is not configured. Set {variable} and start again.")]
    ProviderNotConfigured {
        /// The provider's name.
        provider: String,
        /// The variable that would configure it.
        variable: String,
    },
    /// No candidate can express what was asked for, and the configuration says to refuse that.
    #[error(
        "The provider `{provider}` cannot be asked for: {}. Leave it out, name another model, or set `unsupported_params: drop`.", .fields.join(", ")
    )]
    Unsupported {
        /// The last candidate's provider.
        provider: Arc<str>,
        /// What it cannot express.
        fields: Vec<String>,
    },
    /// The provider does not have this route.
    #[error("The provider `{provider}` has no {route}. Name a model of a provider that has it.")]
    NoSuchRoute {
        /// The provider.
        provider: Arc<str>,
        /// OpenAI's name of the route.
        route: &'static str,
    },
    /// Everybody who could serve it has failed so often that nobody is asked for now.
    #[error(
        "Nobody can serve `{model}` right now: its providers have failed too often. Try again in {retry_after} s."
    )]
    Unavailable {
        /// The model as the client named it.
        model: String,
        /// Seconds until the first of them is tried again.
        retry_after: String,
    },
    /// There is no access token yet for whoever could serve it.
    #[error(
        "Nobody can serve `{model}` right now: there is no access token for the provider `{provider}`. The gateway's log says why."
    )]
    NoToken {
        /// The model as the client named it.
        model: String,
        /// The provider.
        provider: Arc<str>,
    },
    /// A limit or a budget has no room for it.
    #[error("{}", .0.message)]
    Limited(Box<NoRoom>),
    /// Everybody who could serve it would cost more than is allowed.
    #[error(
        "The request would cost about {estimate:.4} USD, and at most {limit} USD a request is allowed. Send less, lower `max_tokens`, name a cheaper model, or raise the limit (`max_cost_per_request`, `X-Gateway-Max-Cost`)."
    )]
    TooExpensive {
        /// The model as the client named it.
        model: String,
        /// The least estimate, in USD.
        estimate: f64,
        /// The limit, in USD.
        limit: f64,
    },
    /// Every candidate failed; this is the last one's failure.
    #[error("{}", .0.message)]
    Provider(Box<ProviderFailure>),
    /// The mark of another request, of which this one would be a repetition.
    #[error(
        "The `Idempotency-Key` was used for another request before. Send the same body with it, or another key."
    )]
    IdempotencyMismatch,
    /// Only the cache was to be asked, and it has no such answer.
    #[error(
        "The cache has no answer to this request, and `X-Gateway-Cache: only-if-cached` forbids to ask a provider."
    )]
    NotCached,
    /// The process is about to end.
    #[error("The gateway is shutting down. Try again in a moment.")]
    Draining,
    /// The keys have not been read yet, and the one that was sent may be among them.
    #[error("The gateway is starting and has not read its keys yet. Try again in a moment.")]
    Starting,
    /// The client left. Only logs see it.
    #[error("The client closed the connection.")]
    ClientGone,
    /// A fault of the gateway itself.
    #[error("The gateway failed: {0}. Please report this with the request's id.")]
    Internal(String),
}

/// A limit that has no room for a request.
#[derive(Debug, Clone, Default)]
pub struct NoRoom {
    /// For people: which limit, and when there is room.
    pub message: String,
    /// Whether it is money that is short, and not time.
    pub is_budget: bool,
    /// How long to wait, in milliseconds; `None` where no wait helps.
    pub wait_ms: Option<u64>,
    /// What programs are told, in the caller's form: `retry-after` and how the limits stand.
    pub headers: HeaderMap,
}

/// What went wrong at a provider.
#[derive(Debug, Clone)]
pub struct ProviderFailure {
    /// The provider's configured name.
    pub provider: Arc<str>,
    /// What kind of failure.
    pub outcome: Outcome,
    /// The provider's own status, where it answered.
    pub status: Option<StatusCode>,
    /// For people: what happened and what to do.
    pub message: String,
    /// What kind of failure that is.
    pub class: ErrorClass,
    /// The provider's error object, where it sent one and the caller speaks the same dialect.
    pub error: Option<Map<String, Value>>,
    /// The provider's `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// The status to answer with when the provider said 429: 502 or 429.
    pub rate_limit_status: StatusCode,
}

/// A provider's failure inside an answer whose status was good: an error object in place of an
/// answer, an error event in a stream, or something that cannot be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerError {
    /// For people, in the provider's words.
    pub message: String,
    /// The status that it would have had, where the provider says one.
    pub status: Option<u16>,
    /// The provider's error object, where it sent one.
    pub error: Option<Map<String, Value>>,
    /// The provider's words for the kind of error, as in `dialects::ProviderMessage`.
    pub words: Vec<String>,
    /// Whether the provider never said so: the answer cannot be read, or is not whole.
    pub is_garbage: bool,
}

impl AnswerError {
    /// An answer that cannot be read.
    pub fn garbage(message: impl Into<String>) -> Self {
        AnswerError {
            message: message.into(),
            is_garbage: true,
            ..AnswerError::default()
        }
    }
}

/// How an attempt at a provider ended. Logs and metrics use [`Outcome::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered below 400, to the end.
    Ok,
    /// Nobody listens there, or there is no way to it.
    Refused,
    /// The connection was closed before the answer's head, or cut at any time.
    Reset,
    /// One of the provider's timeouts ran out.
    Timeout,
    /// Its name has no address.
    Dns,
    /// No trust in its certificate, or no TLS at all.
    Tls,
    /// What it sent is not HTTP.
    Garbage,
    /// An HTTP status of 400 or more.
    HttpError,
    /// The answer ended before it was complete.
    Truncated,
    /// The client left meanwhile.
    ClientGone,
}

impl Outcome {
    /// Every outcome, in the order of their declaration.
    pub const ALL: [Outcome; 10] = [
        Outcome::Ok,
        Outcome::Refused,
        Outcome::Reset,
        Outcome::Timeout,
        Outcome::Dns,
        Outcome::Tls,
        Outcome::Garbage,
        Outcome::HttpError,
        Outcome::Truncated,
        Outcome::ClientGone,
    ];

    /// The word for logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Reset => "reset",
            Outcome::Timeout => "timeout",
            Outcome::Dns => "dns",
            Outcome::Tls => "tls",
            Outcome::Garbage => "garbage",
            Outcome::HttpError => "http_error",
            Outcome::Truncated => "truncated",
            Outcome::ClientGone => "client_gone",
        }
    }
}

impl GatewayError {
    /// A 400 about the body.
    pub fn invalid(message: impl Into<String>, param: Option<&'static str>) -> Self {
        GatewayError::InvalidBody {
            message: message.into(),
            param,
        }
    }

    /// The status to answer with. `ClientGone` is 499, which is only logged.
    pub fn status(&self) -> StatusCode {
        use GatewayError::*;
        match self {
            MissingKey | InvalidKey(_) => StatusCode::UNAUTHORIZED,
            ModelForbidden { .. } | RouteForbidden { .. } => StatusCode::FORBIDDEN,
            UnknownRoute { .. } | UnknownModel { .. } => StatusCode::NOT_FOUND,
            WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            // Clients that try a WebSocket first go on by HTTP at this status, and at no other.
            NoWebSocket { .. } => StatusCode::UPGRADE_REQUIRED,
            BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            BodyIncomplete
            | InvalidBody { .. }
            | NoModel
            | ModelNotAllowed { .. }
            | Unsupported { .. }
            | NoSuchRoute { .. }
            | TooExpensive { .. } => StatusCode::BAD_REQUEST,
            IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            NotCached => StatusCode::GATEWAY_TIMEOUT,
            ProviderNotConfigured { .. } | Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Provider(failure) => failure.answer_status(),
            Draining | Starting | Unavailable { .. } | NoToken { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    /// A stable word for programs, logs and metrics.
    pub fn code(&self) -> &'static str {
        use GatewayError::*;
        match self {
            MissingKey => "missing_api_key",
            InvalidKey(_) => "invalid_api_key",
            RouteForbidden { .. } => "route_not_permitted",
            ModelForbidden { .. } => "model_not_permitted",
            UnknownRoute { .. } => "unknown_route",
            WrongMethod { .. } => "method_not_allowed",
            NoWebSocket { .. } => "no_websocket",
            BodyTooLarge { .. } => "request_too_large",
            BodyTimeout => "request_timeout",
            BodyIncomplete => "incomplete_body",
            InvalidBody { .. } => "invalid_body",
            Unsupported { .. } => "unsupported_parameter",
            NoSuchRoute { .. } => "route_not_supported",
            IdempotencyMismatch => "idempotency_key_reused",
            NotCached => "not_cached",
            NoModel => "missing_model",
            UnknownModel { .. } => "model_not_found",
            ModelNotAllowed { .. } => "model_not_allowed",
            ProviderNotConfigured { .. } => "provider_not_configured",
            Provider(failure) => failure.code(),
            Draining => "shutting_down",
            Starting => "starting",
            Unavailable { .. } | NoToken { .. } => "provider_unavailable",
            TooExpensive { .. } => "max_cost_exceeded",
            Limited(full) if full.is_budget => "budget_exceeded",
            Limited(_) => "rate_limit_exceeded",
            ClientGone => "client_closed_request",
            Internal(_) => "internal_error",
        }
    }

    /// The request field that is at fault.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            GatewayError::InvalidBody { param, .. } => *param,
            GatewayError::NoModel
            | GatewayError::UnknownModel { .. }
            | GatewayError::ModelForbidden { .. }
            | GatewayError::ModelNotAllowed { .. } => Some("model"),
            _ => None,
        }
    }

    /// Who says no: `gateway`, or the provider's name.
    pub fn source_name(&self) -> &str {
        match self {
            GatewayError::Provider(failure) => &failure.provider,
            _ => "gateway",
        }
    }

    /// The value of `Retry-After`: the provider's own, a limit's, or a second where the gateway asks for
    /// patience. Every 429 and 503 has one, but where no wait helps.
    pub fn retry_after(&self) -> Option<&str> {
        match self {
            GatewayError::Provider(failure) => failure
                .retry_after
                .as_deref()
                .or_else(|| matches!(self.status().as_u16(), 429 | 503).then_some("1")),
            GatewayError::Draining | GatewayError::Starting | GatewayError::NoToken { .. } => {
                Some("1")
            }
            GatewayError::Unavailable { retry_after, .. } => Some(retry_after),
            GatewayError::Limited(full) => full.headers.get(header::RETRY_AFTER)?.to_str().ok(),
            _ => None,
        }
    }
}

impl ProviderFailure {
    /// The client's status for this failure (PRODUCT: errors table). What the request itself got
    /// wrong keeps the provider's status; what the provider or its account got wrong is a 502.
    fn answer_status(&self) -> StatusCode {
        match (self.outcome, self.status) {
            // Some say 400 to a key that they do not know.
            (Outcome::HttpError, _)
                if matches!(self.class, ErrorClass::Auth | ErrorClass::Permission) =>
            {
                StatusCode::BAD_GATEWAY
            }
            (Outcome::HttpError, Some(StatusCode::FORBIDDEN))
                if matches!(self.class, ErrorClass::ContentPolicy | ErrorClass::Region) =>
            {
                StatusCode::FORBIDDEN
            }
            (Outcome::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
            (Outcome::HttpError, Some(StatusCode::TOO_MANY_REQUESTS)) => self.rate_limit_status,
            (Outcome::HttpError, Some(status))
                if status.is_client_error()
                    && !matches!(status.as_u16(), 401..=403 | 407 | 408) =>
            {
                status
            }
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    fn code(&self) -> &'static str {
        match (self.outcome, self.status.map(|status| status.as_u16())) {
            // OpenAI's own words, which clients look for.
            (Outcome::HttpError, _) if self.class == ErrorClass::ContextWindow => {
                "context_length_exceeded"
            }
            (Outcome::HttpError, _) if self.class == ErrorClass::ContentPolicy => {
                "content_policy_violation"
            }
            (Outcome::HttpError, _) if self.class == ErrorClass::Quota => "insufficient_quota",
            (Outcome::HttpError, _) if self.class == ErrorClass::Auth => "provider_refused_key",
            (Outcome::HttpError, Some(429)) => "provider_rate_limited",
            (Outcome::HttpError, Some(401 | 403)) => "provider_refused_key",
            (Outcome::HttpError, Some(400..=499)) => "provider_refused_request",
            (Outcome::HttpError, _) => "provider_error",
            (Outcome::Timeout, _) => "provider_timeout",
            (Outcome::Truncated, _) => "provider_answer_broke_off",
            (Outcome::Garbage, _) => "provider_answered_garbage",
            _ => "provider_unreachable",
        }
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => " GET /v1/models lists what there is; `provider/model` names a provider's own."
            .to_owned(),
        names => format!(" Did you mean {}?", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(outcome: Outcome, status: Option<u16>) -> GatewayError {
        GatewayError::Provider(Box::new(ProviderFailure {
            provider: "openai".into(),
            outcome,
            status: status.map(|code| StatusCode::from_u16(code).unwrap()),
            message: String::new(),
            class: ErrorClass::Unknown,
            error: None,
            retry_after: None,
            rate_limit_status: StatusCode::BAD_GATEWAY,
        }))
    }

    #[test]
    fn provider_failures_have_the_documented_status() {
        for (outcome, status, answer) in [
            (Outcome::HttpError, Some(400), 400),
            (Outcome::HttpError, Some(404), 404),
            (Outcome::HttpError, Some(413), 413),
            (Outcome::HttpError, Some(422), 422),
            (Outcome::HttpError, Some(401), 502),
            (Outcome::HttpError, Some(403), 502),
            (Outcome::HttpError, Some(429), 502),
            (Outcome::HttpError, Some(529), 502),
            (Outcome::Timeout, None, 504),
            (Outcome::Refused, None, 502),
            (Outcome::Garbage, None, 502),
        ] {
            assert_eq!(
                failure(outcome, status).status(),
                answer,
                "{outcome:?} {status:?}"
            );
        }
    }
}
