//! The `routing` section: what happens when a provider fails.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Seconds, StrategyName};

/// What happens when a provider fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// How pools without a strategy of their own pick a target.
    pub strategy: StrategyName,
    /// Providers that share, by weight, the models that each of them serves and the requests that name
    /// no model; `GATEWAY_PROVIDERS` and `GATEWAY_WEIGHTS`.
    pub providers: IndexMap<String, u16>,
    /// Who serves a model where nobody of its own can, in order: pools, models or `provider/model`.
    pub fallbacks: IndexMap<String, Vec<String>>,
    /// The same for every model that has none.
    pub default_fallbacks: Vec<String>,
    /// Who serves a model where the prompt is too long for it.
    pub context_window_fallbacks: IndexMap<String, Vec<String>>,
    /// Which failures lead on to another candidate.
    pub fallback_on: Vec<FailureClass>,
    /// Asking again.
    pub retries: Retries,
    /// When a target is left alone for a while.
    pub breaker: Breaker,
    /// Asking providers whether they are there.
    pub health_check: HealthCheck,
    /// How long a key is not used that its provider does not know, or whose credit is used up. Where the
    /// provider says how long, that counts …
    pub key_bench_seconds: Seconds,
    /// … up to this.
    pub key_bench_cap_seconds: Seconds,
    /// No candidate is asked whose estimated price is above this, in USD. A request for which none is
    /// left is refused with 400.
    pub max_cost_per_request: Option<f64>,
    /// A second request where the first takes unusually long.
    pub hedge: Hedge,
    /// Whether a text stream that breaks is continued by another candidate, which is given what has been
    /// said as the beginning of its answer. Off, the stream ends with an error event.
    pub resume: bool,
    /// Whether the client sees nothing of a stream before its first event with content: a provider that
    /// fails before it can be replaced.
    pub hold_until_first_event: bool,
}

impl Default for Routing {
    fn default() -> Self {
        Routing {
            strategy: StrategyName::default(),
            providers: IndexMap::new(),
            fallbacks: IndexMap::new(),
            default_fallbacks: Vec::new(),
            context_window_fallbacks: IndexMap::new(),
            fallback_on: vec![
                FailureClass::RateLimit,
                FailureClass::Timeout,
                FailureClass::ServerError,
                FailureClass::Connection,
                FailureClass::ContextWindow,
                FailureClass::Auth,
            ],
            retries: Retries::default(),
            breaker: Breaker::default(),
            health_check: HealthCheck::default(),
            key_bench_seconds: Seconds(300.0),
            key_bench_cap_seconds: Seconds(3600.0),
            max_cost_per_request: None,
            hedge: Hedge::default(),
            resume: false,
            hold_until_first_event: false,
        }
    }
}

/// Kinds of failure, as fallbacks and retries tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Too many requests or tokens, or credit used up.
    RateLimit,
    /// No answer in time.
    Timeout,
    /// The provider is at fault, or overloaded.
    ServerError,
    /// No connection, or one that broke before an answer.
    Connection,
    /// The prompt is too long for the model.
    ContextWindow,
    /// The provider will not answer because of what was said.
    ContentPolicy,
    /// The provider does not take the gateway's key.
    Auth,
}

impl FailureClass {
    /// The name in the file and in logs.
    pub fn name(self) -> &'static str {
        match self {
            FailureClass::RateLimit => "rate_limit",
            FailureClass::Timeout => "timeout",
            FailureClass::ServerError => "server_error",
            FailureClass::Connection => "connection",
            FailureClass::ContextWindow => "context_window",
            FailureClass::ContentPolicy => "content_policy",
            FailureClass::Auth => "auth",
        }
    }
}

/// Asking again: calls beyond a request's first, to the same candidate or another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Calls to candidates that have been asked already, once every one has failed; `GATEWAY_RETRY_MAX`.
    #[serde(alias = "num_retries")]
    pub max: u32,
    /// The wait before the first of them is a random time up to this; it doubles each time …
    pub base_seconds: Seconds,
    /// … up to this.
    pub max_seconds: Seconds,
    /// A provider's `Retry-After` is waited for up to this; where it asks for more, nobody waits.
    pub retry_after_cap_seconds: Seconds,
    /// Which failures are worth asking the same candidate again.
    pub on: Vec<FailureClass>,
    /// What each request adds to its provider's retry budget: 0.1 lets one more call be made for ten
    /// requests that fail. A success always adds a whole one.
    pub budget_ratio: f64,
    /// Calls that a retry budget holds at most.
    pub budget_size: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            max: 3,
            base_seconds: Seconds(0.2),
            max_seconds: Seconds(5.0),
            retry_after_cap_seconds: Seconds(30.0),
            on: vec![
                FailureClass::RateLimit,
                FailureClass::Timeout,
                FailureClass::ServerError,
                FailureClass::Connection,
            ],
            budget_ratio: 0.1,
            budget_size: 20,
        }
    }
}

/// When a target is left alone for a while: it has failed so often in a row, or so large a share of the
/// requests of a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// `CIRCUIT_BREAKER_ENABLED`.
    pub enabled: bool,
    /// It opens at so many failures in a row.
    #[serde(alias = "allowed_fails")]
    pub consecutive_failures: u32,
    /// It opens where this share of the requests failed (0 to 1) …
    pub failure_rate: f64,
    /// … of at least so many …
    pub min_requests: u32,
    /// … within this time.
    pub window_seconds: Seconds,
    /// How long nobody is sent there. Then one request tries.
    #[serde(alias = "cooldown_time")]
    pub cooldown_seconds: Seconds,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            enabled: true,
            consecutive_failures: 5,
            failure_rate: 0.5,
            min_requests: 20,
            window_seconds: Seconds(30.0),
            cooldown_seconds: Seconds(30.0),
        }
    }
}

/// Asking providers whether they are there, with a request that costs nothing: for their lists of models.
/// Any answer below 500 will do. Who is down is asked only where nobody else can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthCheck {
    /// Whether they are asked at all. Off, requests alone tell how a provider is.
    pub active: bool,
    /// How often; `GATEWAY_HEALTH_CHECK_INTERVAL`, which also turns it on.
    pub interval_seconds: Seconds,
    /// How long to wait for an answer.
    pub timeout_seconds: Seconds,
    /// So many answers of the other kind in a row change the verdict.
    pub threshold: usize,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck {
            active: false,
            interval_seconds: Seconds(30.0),
            timeout_seconds: Seconds(5.0),
            threshold: 2,
        }
    }
}

/// A second request where the first takes unusually long; the first answer wins and the other request
/// is dropped. It is paid for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hedge {
    /// Whether to.
    pub enabled: bool,
    /// The least time to wait for the first one. Where the target's usual time is known, its 95th
    /// percentile is waited for.
    pub min_seconds: Seconds,
}

impl Default for Hedge {
    fn default() -> Self {
        Hedge {
            enabled: false,
            min_seconds: Seconds(0.05),
        }
    }
}
