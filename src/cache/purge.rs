//! Which answers are to be dropped, and how many were.

use serde::{Deserialize, Serialize};

use super::Labels;

/// Which answers are to be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// Every one.
    All,
    /// Those that a gateway key of this name asked for first.
    Key(String),
    /// Those that a key of this team asked for first.
    Team(String),
    /// Those to requests for this model, and those that it gave.
    Model(String),
}

impl Selector {
    /// Whether an answer with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Selector::All => true,
            Selector::Key(name) => labels.key.as_deref() == Some(name),
            Selector::Team(name) => labels.team.as_deref() == Some(name),
            Selector::Model(name) => *labels.asked == **name || *labels.model == **name,
        }
    }
}

/// How many answers a purge has dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// From the memory of this process.
    pub memory: u64,
    /// From Redis; `None` where it is not in use or could not be asked.
    pub redis: Option<u64>,
    /// Why Redis could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_error: Option<String>,
}
