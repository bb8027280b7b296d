//! `/global/activity/cache_hits`, `/global/activity/exceptions`: how requests ended, from the log of requests,
//! so that they reach back no further than it does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    global::short,
    logs::call_type,
    object,
    spend::{DAY, Days},
};
use crate::{
    admin::{
        input::{Anything, Time},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::report::{By, Outcome, Which},
};

/// How many names are offered to choose from.
const MAX_OFFERED: i64 = 1000;

/// Which requests.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct CacheQuery {
    /// The first day: `2026-01-01`.
    start_date: Option<Time>,
    /// The last day.
    end_date: Option<Time>,
    /// Those of the keys that are called so.
    key_aliases: Option<String>,
    /// Those that that model served.
    models: Option<String>,
}

/// Answers what the cache did.
pub(in crate::admin) struct CacheHits;

impl Operation for CacheHits {
    const ROUTE: Route = Route::get(
        "/global/activity/cache_hits",
        Reach::All,
        "How many requests were answered from the cache, by a provider, or not at all, between two dates.",
    )
    .of_litellm();
    type Query = CacheQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: CacheQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let days = Days {
            start_date: query.start_date,
            end_date: query.end_date,
        };
        let (which, all) = (days.needed()?, days.needed()?);
        let which = Which {
            model: query.models,
            ..which
        };
        let outcomes = store.outcomes(&which, query.key_aliases.as_deref()).await?;
        let (mut groups, mut total) = (BTreeMap::<&str, Ended>::new(), Ended::default());
        let mut errors: BTreeMap<(&str, i64, String), i64> = BTreeMap::new();
        for outcome in &outcomes {
            let kind = call_type(&outcome.path);
            groups.entry(kind).or_default().add(outcome);
            total.add(outcome);
            if outcome.is_failure() {
                let class = outcome
                    .error
                    .clone()
                    .unwrap_or_else(|| "Unknown".to_owned());
                *errors.entry((kind, outcome.status, class)).or_default() += outcome.count;
            }
        }
        let groups: Vec<Value> = groups.iter().map(|(kind, ended)| ended.row(kind)).collect();
        let errors = errors.into_iter().map(|((kind, status, class), count)| {
            json!({
                "call_type": kind, "error_code": status.to_string(), "error_class": class, "count": count,
            })
        });
        let names = async |by| -> Result<Vec<String>, Refusal> {
            let sums = store.report(&all, &[by], MAX_OFFERED).await?.into_iter();
            let mut names: Vec<String> = match by {
                By::Key => sums.filter_map(|sum| sum.label).collect(),
                _ => sums.filter_map(|sum| sum.of.into_iter().next()).collect(),
            };
            names.retain(|name| !name.is_empty());
            names.sort();
            names.dedup();
            Ok(names)
        };
        Ok(object(json!({
            "groups": groups, "totals": total.totals(),
            "filter_options": {"key_aliases": names(By::Key).await?, "models": names(By::Model).await?},
            "error_breakdown": errors.collect::<Vec<Value>>(),
        })))
    }
}

/// How requests ended.
#[derive(Debug, Clone, Copy, Default)]
struct Ended {
    answered: i64,
    hits: i64,
    failed: i64,
    tokens_of_hits: i64,
    tokens_made: i64,
}

impl Ended {
    fn add(&mut self, outcome: &Outcome) {
        let (count, tokens) = match (outcome.is_failure(), outcome.is_hit) {
            (true, _) => (&mut self.failed, &mut self.tokens_made),
            (false, true) => (&mut self.hits, &mut self.tokens_of_hits),
            (false, false) => (&mut self.answered, &mut self.tokens_made),
        };
        *count += outcome.count;
        *tokens += outcome.output_tokens;
    }

    fn row(&self, kind: &str) -> Value {
        json!({
            "call_type": kind, "api_requests": self.answered, "cache_hits": self.hits,
            "failed_requests": self.failed, "cached_completion_tokens": self.tokens_of_hits,
            "generated_completion_tokens": self.tokens_made,
        })
    }

    fn totals(&self) -> Value {
        let all = self.answered + self.hits;
        let ratio = if all == 0 {
            0.0
        } else {
            self.hits as f64 / all as f64
        };
        json!({
            "api_requests": self.answered, "cache_hits": self.hits, "failed_requests": self.failed,
            "cached_completion_tokens": self.tokens_of_hits, "cache_hit_ratio": ratio,
        })
    }
}

/// Which requests.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ExceptionQuery {
    /// The first day: `2026-01-01`.
    start_date: Option<Time>,
    /// The last day.
    end_date: Option<Time>,
    /// The name that was asked for.
    model_group: Option<String>,
}

/// Answers how often too much was asked for.
pub(in crate::admin) struct Exceptions;

impl Operation for Exceptions {
    const ROUTE: Route = Route::get(
        "/global/activity/exceptions",
        Reach::All,
        "How many requests for a model ended with 429, on each day between two dates.",
    )
    .of_litellm();
    type Query = ExceptionQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: ExceptionQuery, _: Anything) -> Result<Object, Refusal> {
        let Some(model) = &query.model_group else {
            return Err(Refusal::invalid(
                Some("model_group"),
                "`model_group` is needed.",
            ));
        };
        let days = Days {
            start_date: query.start_date,
            end_date: query.end_date,
        };
        let counts = call
            .store()?
            .ended_with(&days.needed()?, model, 429, DAY)
            .await?;
        let rows = counts.iter().map(
            |(day, count)| json!({"date": short(Time(*day)), "num_rate_limit_exceptions": count}),
        );
        Ok(object(json!({
            "daily_data": rows.collect::<Vec<Value>>(),
            "sum_num_rate_limit_exceptions": counts.iter().map(|(_, count)| count).sum::<i64>(),
        })))
    }
}
