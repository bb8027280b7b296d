//! Who is limited, by what, and what a request asks for: the plain types at the door.

use std::sync::Arc;

use super::meters::Meter;
use crate::{
    identity::{
        period::Period,
        terms::{Budget, Limits as Terms, ModelLimits},
    },
    price::Usd,
};

/// What kind of thing is limited. In the order in which they are asked: the narrow ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One model for one key; the id is both, parted by a line break.
    KeyModel,
    /// A gateway key.
    Key,
    /// A user.
    User,
    /// A tag of requests.
    Tag,
    /// One model for one team.
    TeamModel,
    /// A team.
    Team,
    /// A project.
    Project,
    /// Terms that several keys share by naming them.
    Shared,
    /// A model as clients name it.
    Model,
    /// A provider.
    Provider,
    /// Everything.
    Global,
}

impl Kind {
    /// The word for metrics, logs and names in Redis.
    pub fn name(self) -> &'static str {
        match self {
            Kind::KeyModel => "key_model",
            Kind::Key => "key",
            Kind::User => "user",
            Kind::Tag => "tag",
            Kind::TeamModel => "team_model",
            Kind::Team => "team",
            Kind::Project => "project",
            Kind::Shared => "budget",
            Kind::Model => "model",
            Kind::Provider => "provider",
            Kind::Global => "global",
        }
    }
}

/// Something that a request counts against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: &'a str,
    /// What holds for it, now: rules come with every request and are kept nowhere.
    pub rules: Rules,
    /// Its meter, where the caller kept it from an earlier request; it saves the look-up.
    pub meter: Option<&'a Arc<Meter>>,
}

impl<'a> Subject<'a> {
    /// A subject whose meter is looked up.
    pub fn new(kind: Kind, id: &'a str, rules: Rules) -> Self {
        Subject {
            kind,
            id,
            rules,
            meter: None,
        }
    }
}

/// What holds for a subject. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests a day.
    pub requests_per_day: Option<u64>,
    /// Tokens a day.
    pub tokens_per_day: Option<u64>,
    /// Requests at once.
    pub parallel: Option<u64>,
    /// How much may be spent.
    pub spend: Option<SpendRules>,
}

/// How much may be spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpendRules {
    /// At most, in a period.
    pub max: Option<Usd>,
    /// Beyond which it is said.
    pub soft: Option<Usd>,
    /// After which it begins anew; never without one.
    pub period: Option<Period>,
    /// When the first period began, in milliseconds since 1970. `None`: with the first request seen.
    pub since: Option<i64>,
}

impl Rules {
    /// What a key's, a user's, a team's or a project's terms say, at this time (milliseconds since 1970).
    pub fn of(limits: &Terms, budget: &Budget, since: Option<i64>, now: i64) -> Self {
        let increase = budget.increase.filter(|more| more.until > now);
        let max = budget.max.map(|max| match increase {
            Some(more) => max + more.by,
            None => max,
        });
        let is_set = max.is_some() || budget.soft.is_some();
        Rules {
            requests_per_minute: limits.requests_per_minute,
            tokens_per_minute: limits.tokens_per_minute,
            requests_per_day: limits.requests_per_day,
            tokens_per_day: None,
            parallel: limits.parallel_requests,
            spend: is_set.then_some(SpendRules {
                max,
                soft: budget.soft,
                period: budget.period,
                since,
            }),
        }
    }

    /// What those terms say of one model; `None` where nothing.
    pub fn of_model(
        limits: &Terms,
        budget: &Budget,
        model: &str,
        since: Option<i64>,
    ) -> Option<Self> {
        let rates = limits.models.get(model);
        let spend = budget.models.get(model);
        if rates.is_none() && spend.is_none() {
            return None;
        }
        let rates = rates.cloned().unwrap_or(ModelLimits::default());
        Some(Rules {
            requests_per_minute: rates.requests_per_minute,
            tokens_per_minute: rates.tokens_per_minute,
            spend: spend.map(|spend| SpendRules {
                max: Some(spend.max),
                soft: None,
                period: spend.period,
                since,
            }),
            ..Rules::default()
        })
    }

    /// The same, and what is said elsewhere of what they say nothing of.
    #[must_use]
    pub fn or(self, other: Rules) -> Self {
        Rules {
            requests_per_minute: self.requests_per_minute.or(other.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.or(other.tokens_per_minute),
            requests_per_day: self.requests_per_day.or(other.requests_per_day),
            tokens_per_day: self.tokens_per_day.or(other.tokens_per_day),
            parallel: self.parallel.or(other.parallel),
            spend: self.spend.or(other.spend),
        }
    }

    /// Whether they ask how many tokens a request takes.
    pub fn counts_tokens(&self) -> bool {
        self.tokens_per_minute.is_some() || self.tokens_per_day.is_some()
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        *self == Rules::default()
    }

    /// The limits of rates, in the order of [`super::rate::RATES`].
    pub(super) fn rates(&self) -> [Option<u64>; 4] {
        [
            self.requests_per_minute,
            self.tokens_per_minute,
            self.requests_per_day,
            self.tokens_per_day,
        ]
    }

    pub(super) fn max(&self) -> Option<Usd> {
        self.spend.and_then(|spend| spend.max)
    }
}

/// What a request will use, as far as can be said before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of its prompt.
    pub input_tokens: u64,
    /// Tokens that its answer may have at most.
    pub output_tokens: u64,
    /// What it may cost at most.
    pub cost: Usd,
}

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Requests a minute.
    RequestsPerMinute,
    /// Tokens a minute.
    TokensPerMinute,
    /// Requests a day.
    RequestsPerDay,
    /// Tokens a day.
    TokensPerDay,
    /// Requests at once.
    Parallel,
    /// Dollars in a period.
    Budget,
}

impl Limit {
    /// The word for metrics and names in Redis.
    pub fn name(self) -> &'static str {
        match self {
            Limit::RequestsPerMinute => "rpm",
            Limit::TokensPerMinute => "tpm",
            Limit::RequestsPerDay => "rpd",
            Limit::TokensPerDay => "tpd",
            Limit::Parallel => "parallel",
            Limit::Budget => "budget",
        }
    }

    /// Whether it counts tokens.
    pub fn counts_tokens(self) -> bool {
        matches!(self, Limit::TokensPerMinute | Limit::TokensPerDay)
    }
}
