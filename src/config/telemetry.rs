//! The `telemetry` section: logs and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logs and metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// What is logged, and how.
    pub log: Logging,
    /// Who may read `/metrics` from beyond loopback.
    pub metrics_auth: MetricsAuth,
}

/// What is logged, and how. Logs go to standard output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// The form of a line; `GATEWAY_LOG_FORMAT`.
    pub format: LogFormat,
    /// The least important lines to show; `GATEWAY_LOG_LEVEL`. `GATEWAY_DEV=1` means `debug`.
    pub level: LogLevel,
    /// One line a request.
    pub requests: RequestLog,
}

/// Whether requests are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestLog {
    /// One line for each request.
    #[default]
    All,
    /// Only for requests that failed.
    Errors,
    /// None.
    Off,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// `key=value` for people.
    Text,
}

/// The least important lines to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say all")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Who may read `/metrics` from beyond loopback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAuth {
    /// Whoever holds the master key, as Bearer or `X-API-Key`.
    #[default]
    Key,
    /// Everyone, for a scraper.
    None,
}
