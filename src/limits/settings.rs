//! What operators set of the limits' engine.

use std::time::Duration;

use super::rate::Algorithm;

/// What is done while Redis, through which limits are shared, is away and a lease is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhileAway {
    /// Each replica goes on by an even share.
    #[default]
    Local,
    /// Requests are refused.
    Reject,
}

/// What operators set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How rates are counted.
    pub algorithm: Algorithm,
    /// What is done while Redis is away.
    pub while_away: WhileAway,
    /// How long a request waits for Redis where a lease is used up.
    pub patience: Duration,
    /// Parts of a budget at which it is told, in percent, each once in a period.
    pub thresholds: Vec<u32>,
    /// Whether somebody is told.
    pub alerts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            algorithm: Algorithm::TokenBucket(1000),
            while_away: WhileAway::Local,
            patience: Duration::from_millis(100),
            thresholds: vec![50, 80, 100],
            alerts: false,
        }
    }
}
