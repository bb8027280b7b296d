//! The `usage` section: the record of requests, and how long it is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ByteSize;

/// The record of requests. Each finished one is a row in the store, on its way there by a journal in the
/// data directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Whether requests are recorded. Without it nothing is known of usage and cost afterwards.
    pub enabled: bool,
    /// Bytes that the journal may take while the store is away. When it is full new rows are dropped and
    /// counted, and requests go on. A row takes about 250 bytes.
    pub journal_max_bytes: ByteSize,
    /// Whether an answer ends only when its row is on the disk. Without it a row survives the end of the
    /// process, however it comes, but not a loss of power in the seconds after.
    pub fsync: bool,
    /// Days for which rows are kept; 0 for ever. `GATEWAY_LOG_RETENTION`.
    pub retention_days: u32,
    /// Days for which sums by the hour are kept; 0 for ever.
    pub sums_retention_days: u32,
    /// Days for which sums by tag are kept, and what a tag or a model has spent that is used no more; 0 for
    /// ever. Clients make both up.
    pub tags_retention_days: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Usage {
            enabled: true,
            journal_max_bytes: ByteSize(1 << 30),
            fsync: false,
            retention_days: 30,
            sums_retention_days: 0,
            tags_retention_days: 90,
        }
    }
}
