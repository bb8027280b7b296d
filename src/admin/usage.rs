//! `/admin/usage`: what requests came to, by whatever is asked for, from the sums by the hour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::{Caller, Scope},
    input::{Nothing, Time},
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    price::Usd,
    store::report::{By, Sum, Which},
};

/// How many groups an answer holds at most.
const MAX_GROUPS: u32 = 10_000;

/// Which requests, and by what they are told apart.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UsageQuery {
    /// Those from this time on, to the hour; from the beginning unless said.
    pub from: Option<Time>,
    /// Those from before this time.
    pub until: Option<Time>,
    /// By what they are told apart, with commas between: `hour`, `day`, `key`, `team`, `user`, `project`,
    /// `provider`, `model`, `tag`. Nothing puts all together.
    pub group_by: Option<String>,
    /// Those of that key: the id of a stored one, the name of a configured one.
    pub key: Option<String>,
    /// Those of that team.
    pub team_id: Option<String>,
    /// Those of that user.
    pub user_id: Option<String>,
    /// Those of that project.
    pub project_id: Option<String>,
    /// Those that that provider served.
    pub provider: Option<String>,
    /// Those that that model served, by the provider's name of it.
    pub model: Option<String>,
    /// How many groups, 1 to 10000; 1000 unless said.
    pub limit: Option<u32>,
}

/// What requests came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// How many there were.
    pub requests: i64,
    /// How many failed.
    pub failures: i64,
    /// How many were answered from the cache.
    pub cache_hits: i64,
    /// How many have a cost that is not known, which is no part of `cost`.
    pub unpriced: i64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: i64,
    /// Tokens of answers, thought ones included.
    pub output_tokens: i64,
    /// Tokens read from providers' caches.
    pub cached_tokens: i64,
    /// Tokens written to providers' caches.
    pub cache_write_tokens: i64,
    /// Tokens thought.
    pub reasoning_tokens: i64,
    /// What they cost, in USD.
    pub cost: Usd,
    /// How long one took on average, in milliseconds.
    pub average_latency_ms: f64,
}

impl From<&Sum> for Counts {
    fn from(sum: &Sum) -> Self {
        let average = match sum.requests {
            0 => 0.0,
            requests => sum.latency_us as f64 / requests as f64 / 1000.0,
        };
        Counts {
            requests: sum.requests,
            failures: sum.failures,
            cache_hits: sum.hits,
            unpriced: sum.unpriced,
            input_tokens: sum.input_tokens,
            output_tokens: sum.output_tokens,
            cached_tokens: sum.cached_tokens,
            cache_write_tokens: sum.cache_write_tokens,
            reasoning_tokens: sum.reasoning_tokens,
            cost: sum.cost,
            average_latency_ms: (average * 10.0).round() / 10.0,
        }
    }
}

/// What requests came to that have something in common.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The beginning of the hour or the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The key: the id of a stored one, the name of a configured one. Empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What people called the key last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The team. Empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// The user. Empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The project. Empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The provider that served. Empty is nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model that served. Empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What they came to.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What requests came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// All together.
    pub total: Counts,
    /// By what was asked for: the costliest first, the earliest where that is a time.
    pub groups: Vec<Group>,
}

/// Those requests alone that the caller may see.
///
/// # Errors
/// 403 where it asks for those of another team.
pub(super) fn of_caller(caller: &Caller, which: &mut Which) -> Result<(), Refusal> {
    match &caller.scope {
        Scope::All { .. } => Ok(()),
        Scope::Team { id, .. } => {
            if which.team.as_ref().is_some_and(|team| **team != **id) {
                let message = format!("This key is bound to the team `{id}`.");
                return Err(Refusal::forbidden(message));
            }
            which.team = Some(id.to_string());
            Ok(())
        }
        Scope::Own | Scope::Nobody => {
            let account = caller
                .identity
                .as_ref()
                .and_then(|identity| identity.account());
            let account = account.map(ToString::to_string).unwrap_or_default();
            if which
                .account
                .as_ref()
                .is_some_and(|asked| *asked != account)
            {
                return Err(Refusal::forbidden("This key sees its own requests alone."));
            }
            which.account = Some(account);
            Ok(())
        }
    }
}

fn by(text: &str) -> Result<Vec<By>, Refusal> {
    let mut all: Vec<By> = Vec::new();
    for word in text.split(',').filter(|word| !word.trim().is_empty()) {
        let Some(by) = By::named(word.trim()) else {
            let known = By::ALL.map(By::name).join(", ");
            let message = format!("`group_by` is of {known}, with commas between.");
            return Err(Refusal::invalid(Some("group_by"), message));
        };
        if !all.contains(&by) {
            all.push(by);
        }
    }
    Ok(all)
}

fn group(by: &[By], sum: &Sum) -> Group {
    let mut group = Group {
        label: sum.label.clone(),
        counts: sum.into(),
        ..Group::default()
    };
    for (by, of) in by.iter().zip(&sum.of) {
        let place = match by {
            By::Hour | By::Day => {
                group.time = of.parse().ok().map(Time);
                continue;
            }
            By::Key => &mut group.key,
            By::Team => &mut group.team_id,
            By::User => &mut group.user_id,
            By::Project => &mut group.project_id,
            By::Provider => &mut group.provider,
            By::Model => &mut group.model,
            By::Tag => &mut group.tag,
        };
        *place = Some(of.clone());
    }
    group
}

/// Answers what requests came to.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/usage",
        Reach::Anyone,
        "What requests came to: counts, tokens, cost, by key, team, user, project, provider, model, tag, \
         hour or day.",
    );
    type Query = UsageQuery;
    type Body = Nothing;
    type Answer = Usage;

    async fn run(call: Call, query: UsageQuery, _: Nothing) -> Result<Usage, Refusal> {
        let by = by(query.group_by.as_deref().unwrap_or_default())?;
        let limit = query.limit.unwrap_or(1000);
        if limit == 0 || limit > MAX_GROUPS {
            let message = format!("`limit` is a number from 1 to {MAX_GROUPS}.");
            return Err(Refusal::invalid(Some("limit"), message));
        }
        let mut which = Which {
            from: query.from.map(|time| time.0),
            until: query.until.map(|time| time.0),
            account: query.key,
            team: query.team_id,
            user: query.user_id,
            project: query.project_id,
            provider: query.provider,
            model: query.model,
        };
        of_caller(&call.caller, &mut which)?;
        let store = call.store()?;
        let groups = match by.is_empty() {
            true => Vec::new(),
            false => store.report(&which, &by, limit.into()).await?,
        };
        let total = store.report(&which, &[], 1).await?;
        Ok(Usage {
            total: total.first().map(Into::into).unwrap_or_default(),
            groups: groups.iter().map(|sum| group(&by, sum)).collect(),
        })
    }
}
