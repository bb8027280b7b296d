//! The `auth` section: static client keys and the master key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CacheOverride, LimitSet};
use crate::secret::Secret;

/// Who may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Keys that clients may use. `GATEWAY_API_KEY` adds one named `default`.
    pub keys: Vec<StaticKey>,
    /// The administrator's key; `GATEWAY_MASTER_KEY`, `ADMIN_KEY`, `LITELLM_MASTER_KEY`. Without
    /// it the admin port answers to loopback only.
    pub master_key: Option<Secret>,
    /// No authentication and verbose logs, for development; `GATEWAY_DEV=1`.
    pub dev: bool,
}

/// A client key from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// What logs call it. Never the key itself.
    pub name: String,
    /// The key, at best as `${VARIABLE}`.
    pub key: Secret,
    /// The team it belongs to, for logs.
    #[serde(default)]
    pub team: Option<String>,
    /// The user it belongs to, for logs.
    #[serde(default)]
    pub user: Option<String>,
    /// The models it may use, as globs. Empty means all.
    #[serde(default)]
    pub models: Vec<String>,
    /// What differs from the `cache` section.
    #[serde(default)]
    pub cache: CacheOverride,
    /// How much it may be used for.
    #[serde(default)]
    pub limits: LimitSet,
}
