//! What the cache holds and how it has served.

use serde::{Deserialize, Serialize};

/// What the cache holds and how it has served since the process began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Answers in memory.
    pub entries: u64,
    /// The memory that they take up.
    pub bytes: u64,
    /// The memory that they may take up.
    pub max_bytes: u64,
}
