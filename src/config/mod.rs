//! What the operator asked for. These structs are the documentation: the JSON Schema, the
//! defaults and the commented example in `conf/gateway.yaml` come from them.
//!
//! Sources, weakest first: defaults, the YAML file, the environment, flags. [`load()`] reads them,
//! `validate` checks what a type cannot say, and the result is one [`Config`].

mod auth;
mod cache;
mod env;
mod errors;
#[cfg(test)]
mod examples;
mod limits;
mod listen;
mod load;
mod pricing;
mod providers;
mod redis_url;
mod resilience;
mod routing;
mod serving;
mod store;
mod telemetry;
mod units;
mod usage;
mod validate;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use auth::{Auth, StaticKey};
pub use cache::{Cache, CacheBackend, CacheOverride, CacheScope, HashStrategy, MaxSize};
pub use env::Environment;
pub use errors::{Errors, RateLimitStatus, UnsupportedParams};
pub use limits::{
    BudgetAlerts, EdgeGuard, LimitAlgorithm, LimitSet, RateLimiting, WhileRedisIsAway,
};
pub use listen::{Listen, Tls};
pub use load::{Flags, Loaded, Stamp, load, schema, stamp};
pub use pricing::Pricing;
pub use providers::{HttpVersion, ProjectsOwn, Provider, ProviderTls, Timeouts};
pub use redis_url::RedisServers;
pub use resilience::{Breaker, FailureClass, HealthCheck, Hedge, Retries, Routing};
pub use routing::{Pool, PoolTarget, Route, Shadow, StrategyName, TokenRange, Variant, When};
pub use serving::Served;
pub use store::StoreSettings;
pub use telemetry::{LogFormat, LogLevel, Logging, MetricsAuth, RequestLog, Telemetry};
pub use units::{ByteSize, Seconds};
pub use usage::Usage;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens, and its bounds on connections and requests.
    pub listen: Listen,
    /// Who may call.
    pub auth: Auth,
    /// Whom the gateway calls, by name. A name of the catalog (`openai`, `groq`, `ollama`, …)
    /// brings its own base URL and rules; any other name needs a `base_url`.
    pub providers: IndexMap<String, Provider>,
    /// Groups of targets that serve the same. A client may use a pool's name as a model.
    pub pools: IndexMap<String, Pool>,
    /// Which requests go to which pool. The first route that matches wins.
    pub routes: Vec<Route>,
    /// What happens when a provider fails.
    pub routing: Routing,
    /// Answers that are kept and given again.
    pub cache: Cache,
    /// How much may be asked for and spent, by whom.
    #[serde(alias = "limits")]
    pub rate_limiting: RateLimiting,
    /// Other names for models: `sonnet: anthropic/claude-sonnet-4-5`. A target is a model, a
    /// `provider/model` or a pool.
    pub aliases: IndexMap<String, String>,
    /// The model of a request that names none. Without it such a request is refused with 400.
    pub default_model: Option<String>,
    /// What happens to what a caller asks for and the provider's dialect cannot express.
    pub unsupported_params: UnsupportedParams,
    /// How errors look to clients.
    pub errors: Errors,
    /// What models cost, where that is not what `conf/pricing.yaml` says.
    pub pricing: Pricing,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// The record of requests.
    pub usage: Usage,
    /// Where keys, teams, providers' keys and usage are kept.
    pub store: StoreSettings,
    /// Where the gateway keeps its own files. `~/.ai-gateway` unless set; `GATEWAY_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
}
