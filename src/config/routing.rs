//! The `pools` and `routes` sections: which provider serves a model, and who next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One member of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTarget {
    /// The provider's name under `providers`.
    pub provider: String,
    /// The model's name at that provider. Without it, the name that the client asked for.
    #[serde(default)]
    pub model: Option<String>,
}

/// Sends the models that match to a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The model that the client asks for, as a glob: `gpt-4*`, `*`.
    pub model: String,
    /// The pool's name under `pools`.
    pub pool: String,
}
