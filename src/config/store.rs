//! The `store` section: where keys, teams, providers' keys and usage are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Where keys, teams, providers' keys and usage are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `postgres://USER:PASSWORD@HOST/NAME`, or `sqlite:FILE`. `gateway.db` in `data_dir` unless set;
    /// `GATEWAY_DATABASE_URL`, `DATABASE_URL`.
    pub database_url: Option<Secret>,
    /// What providers' keys are sealed under: 32 bytes as 64 hexadecimal digits. Several, separated by
    /// commas, replace one by another: all open, the first seals. `GATEWAY_ENCRYPTION_KEY`.
    pub encryption_key: Option<Secret>,
    /// Whether projects may be made: applications with limits, models, provider keys and headers of their
    /// own. Those that there are count in any case. `ENABLE_MULTI_PROJECT`.
    pub projects: bool,
}
