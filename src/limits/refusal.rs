//! Why a request may not proceed, and when it may.

use std::{sync::Arc, time::Duration};

use super::subject::{Kind, Limit};

/// How long somebody is told to wait for what has no known end.
pub const A_MOMENT: Duration = Duration::from_secs(1);

/// When a request that was refused may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// As soon as requests that are under way end; nobody knows when.
    Ending,
    /// After exactly so long, if nothing else uses the limit meanwhile.
    After(Duration),
    /// Never, as things are: the limit is nothing, or a budget without a period is spent.
    Never,
}

impl Wait {
    /// How long somebody is told to wait; `None` for ever.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Wait::Ending => Some(A_MOMENT),
            Wait::After(wait) => Some(wait),
            Wait::Never => None,
        }
    }
}

/// How one limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Which.
    pub limit: Limit,
    /// At most, in its time. Of a budget: billionths of a dollar.
    pub max: u64,
    /// What is left of it.
    pub remaining: u64,
    /// Until all of it is there again.
    pub reset: Duration,
}

/// Why a request may not proceed. Of several limits the one that takes longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose limit.
    pub kind: Kind,
    /// Which one's.
    pub id: Arc<str>,
    /// How the limit stands.
    pub quota: Quota,
    /// When it may be sent again.
    pub wait: Wait,
    /// Whether Redis, which the limit is shared through, is away, and settings say to refuse then.
    pub is_away: bool,
    /// How the caller's requests and tokens stand, for headers.
    pub standing: Standing,
}

/// How the tightest limits of a request's subjects stand, for headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Of those that count requests.
    pub requests: Option<Quota>,
    /// Of those that count tokens.
    pub tokens: Option<Quota>,
}

impl Standing {
    /// Takes one more limit into account.
    pub(super) fn see(&mut self, quota: Quota) {
        let place = match quota.limit {
            Limit::RequestsPerMinute | Limit::RequestsPerDay => &mut self.requests,
            Limit::TokensPerMinute | Limit::TokensPerDay => &mut self.tokens,
            Limit::Parallel | Limit::Budget => return,
        };
        if place.is_none_or(|before| quota.remaining < before.remaining) {
            *place = Some(quota);
        }
    }
}

impl std::fmt::Display for Refusal {
    /// A sentence for the caller. It names what is limited, not whom: ids are the operator's.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match self.kind {
            Kind::Key | Kind::Shared => "this gateway key",
            Kind::KeyModel => "this gateway key and model",
            Kind::User => "this user",
            Kind::Tag => "this tag",
            Kind::Team => "this team",
            Kind::TeamModel => "this team and model",
            Kind::Project => "this project",
            Kind::Model => "this model",
            Kind::Provider => "this provider",
            Kind::Global => "the gateway",
        };
        let max = self.quota.max;
        match self.quota.limit {
            _ if self.is_away => write!(
                formatter,
                "The limits of {whose} cannot be checked right now."
            )?,
            Limit::RequestsPerMinute => write!(
                formatter,
                "Rate limit of {whose} reached: {max} requests per minute."
            )?,
            Limit::TokensPerMinute => write!(
                formatter,
                "Rate limit of {whose} reached: {max} tokens per minute."
            )?,
            Limit::RequestsPerDay => write!(
                formatter,
                "Rate limit of {whose} reached: {max} requests per day."
            )?,
            Limit::TokensPerDay => write!(
                formatter,
                "Rate limit of {whose} reached: {max} tokens per day."
            )?,
            Limit::Parallel => write!(
                formatter,
                "Rate limit of {whose} reached: {max} requests at once."
            )?,
            Limit::Budget => write!(formatter, "The budget of {whose} is spent.")?,
        }
        match self.wait {
            Wait::Ending => formatter.write_str(" Try again when a request under way has ended."),
            Wait::After(wait) => {
                write!(
                    formatter,
                    " Try again in {} s.",
                    super::headers::seconds(wait)
                )
            }
            Wait::Never => formatter.write_str(" It does not become free by waiting."),
        }
    }
}
