//! The `rate_limiting` section: how much may be asked for and spent, by whom, and how replicas share that.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{identity::period::Period, price::Usd, secret::Secret};

/// How much may be asked for and spent. Limits of single keys stand with the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimiting {
    /// Whether limits hold at all; `RATE_LIMIT_ENABLED`.
    pub enabled: bool,
    /// How rates are counted.
    pub algorithm: LimitAlgorithm,
    /// What part of a minute's or a day's limit a token bucket holds, in percent: what may be used at once.
    pub burst_percent: u32,
    /// Requests a minute of a virtual key that was made without a limit of its own; `GATEWAY_RATE_LIMIT_RPM`,
    /// `RATE_LIMIT_RPM`. 0 is no limit. Keys of the configuration have none unless it stands with them.
    pub default_key_rpm: u64,
    /// Requests a minute of everyone together.
    pub global_rpm: Option<u64>,
    /// Requests a minute of each user.
    pub per_user_rpm: Option<u64>,
    /// Requests a minute to each model.
    pub per_model_rpm: Option<u64>,
    /// Everyone together.
    pub global: LimitSet,
    /// Each user who is not in `users`.
    pub per_user: LimitSet,
    /// Each model that is not in `models`.
    pub per_model: LimitSet,
    /// Single users, by name.
    pub users: IndexMap<String, LimitSet>,
    /// Single teams, by name. What the store says of a team comes first.
    pub teams: IndexMap<String, LimitSet>,
    /// Single models, by the name that clients use.
    pub models: IndexMap<String, LimitSet>,
    /// Single tags.
    pub tags: IndexMap<String, LimitSet>,
    /// Tokens that an answer is taken to have before it is there, where its request does not bound it.
    pub assumed_answer_tokens: u64,
    /// Whether replicas share limits, where there is a Redis (`cache.redis_url`).
    pub shared: bool,
    /// What happens while that Redis is away.
    pub while_redis_is_away: WhileRedisIsAway,
    /// How long a request may wait for Redis where its replica's lease is used up, in milliseconds.
    pub redis_timeout_ms: u32,
    /// Who is told that a budget is used.
    pub alerts: BudgetAlerts,
    /// What an address may do before it has shown a key.
    pub edge: EdgeGuard,
}

impl Default for RateLimiting {
    fn default() -> Self {
        RateLimiting {
            enabled: true,
            algorithm: LimitAlgorithm::TokenBucket,
            burst_percent: 100,
            default_key_rpm: 60,
            global_rpm: None,
            per_user_rpm: None,
            per_model_rpm: None,
            global: LimitSet::default(),
            per_user: LimitSet::default(),
            per_model: LimitSet::default(),
            users: IndexMap::new(),
            teams: IndexMap::new(),
            models: IndexMap::new(),
            tags: IndexMap::new(),
            assumed_answer_tokens: 1000,
            shared: true,
            while_redis_is_away: WhileRedisIsAway::Local,
            redis_timeout_ms: 100,
            alerts: BudgetAlerts::default(),
            edge: EdgeGuard::default(),
        }
    }
}

impl RateLimiting {
    /// Puts the short forms in their place.
    pub(super) fn tidy(&mut self) {
        for (short, long) in [
            (self.global_rpm, &mut self.global),
            (self.per_user_rpm, &mut self.per_user),
            (self.per_model_rpm, &mut self.per_model),
        ] {
            if short.is_some() {
                long.rpm = short;
            }
        }
    }
}

/// What holds for one subject. What is left out is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSet {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, of prompts and answers.
    pub tpm: Option<u64>,
    /// Requests a day.
    pub rpd: Option<u64>,
    /// Tokens a day.
    pub tpd: Option<u64>,
    /// Requests at once.
    pub max_parallel_requests: Option<u64>,
    /// What may be spent in `budget_duration`, in dollars.
    pub max_budget: Option<Usd>,
    /// Beyond which it is told, in dollars.
    pub soft_budget: Option<Usd>,
    /// After which a budget begins anew: `30d`, `1mo`, `daily`; never unless set.
    pub budget_duration: Option<Period>,
}

/// How rates are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitAlgorithm {
    /// A bucket that fills steadily, and holds `burst_percent` of the limit.
    #[default]
    TokenBucket,
    /// No more than the limit in any minute, or in any day.
    SlidingWindow,
}

/// What happens while Redis is away and a replica's lease is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhileRedisIsAway {
    /// Each replica goes on with an even share.
    #[default]
    Local,
    /// Requests are refused.
    Reject,
}

/// Who is told that a budget is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetAlerts {
    /// Where alerts are sent by POST, as JSON.
    pub webhook_url: Option<String>,
    /// By which the webhook knows that they are the gateway's: `webhook-signature` is made with it (Standard
    /// Webhooks).
    pub webhook_secret: Option<Secret>,
    /// Parts of a budget at which it is told, in percent; each once in a period.
    pub thresholds_percent: Vec<u32>,
}

impl Default for BudgetAlerts {
    fn default() -> Self {
        BudgetAlerts {
            webhook_url: None,
            webhook_secret: None,
            thresholds_percent: vec![50, 80, 100],
        }
    }
}

/// What an address may do before it has shown a key. Estimated, to protect the gateway; what is promised to clients is
/// counted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeGuard {
    /// Requests that an address may send in a second.
    pub requests_per_second: Option<u32>,
    /// Requests of an address that may be under way.
    pub parallel_per_address: Option<u32>,
    /// Requests that may be under way in all.
    pub parallel: Option<u32>,
    /// Addresses that are expected in a second: the estimators are made for so many, by about 3 KB each.
    pub addresses: u32,
}

impl Default for EdgeGuard {
    fn default() -> Self {
        EdgeGuard {
            requests_per_second: None,
            parallel_per_address: None,
            parallel: None,
            addresses: 2000,
        }
    }
}
