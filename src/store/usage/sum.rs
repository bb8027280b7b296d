//! What usage comes to: by key, team, user, project, provider, model, tag or time, read from the sums by the
//! hour.

use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::{
    price::Usd,
    store::{
        Backend, Row, Store, StoreError,
        report::sums::{cost, read_cost},
        sql,
    },
};

/// Lines of one answer, at most.
const MAX_LINES: i64 = 10_000;

/// What usage is summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The gateway key.
    Key,
    /// Its team.
    Team,
    /// Its user.
    User,
    /// Its project.
    Project,
    /// The provider that served.
    Provider,
    /// The model that served.
    Model,
    /// The request's tags; one of several counts for each.
    Tag,
    /// The day, UTC.
    Day,
    /// The hour, UTC.
    Hour,
}

impl By {
    /// All of them.
    pub const ALL: [By; 9] = [
        By::Key,
        By::Team,
        By::User,
        By::Project,
        By::Provider,
        By::Model,
        By::Tag,
        By::Day,
        By::Hour,
    ];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            By::Key => "key",
            By::Team => "team",
            By::User => "user",
            By::Project => "project",
            By::Provider => "provider",
            By::Model => "model",
            By::Tag => "tag",
            By::Day => "day",
            By::Hour => "hour",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }

    pub(in crate::store) fn column(self) -> &'static str {
        match self {
            By::Key => "account",
            By::Team => "team_id",
            By::User => "user_id",
            By::Project => "project_id",
            By::Provider => "provider",
            By::Model => "model",
            By::Tag => "tag",
            By::Day => "CAST(hour - hour % 86400000 AS TEXT)",
            By::Hour => "CAST(hour AS TEXT)",
        }
    }

    /// Whether its lines follow each other in time.
    pub fn is_time(self) -> bool {
        matches!(self, By::Day | By::Hour)
    }
}

/// A line of sums.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sum {
    /// What it is a sum of: an id or a name, milliseconds since 1970 where it is a time; empty for requests
    /// of which that is not known.
    pub name: String,
    /// What people call that, where it is a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were answered from the cache.
    pub hits: u64,
    /// Those whose cost is not known.
    pub unpriced: u64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: u64,
    /// Tokens of answers, reasoning included.
    pub output_tokens: u64,
    /// Tokens of prompts that providers read from their caches.
    pub cached_tokens: u64,
    /// Tokens of prompts that providers wrote to their caches.
    pub cache_write_tokens: u64,
    /// Tokens of answers that were reasoning.
    pub reasoning_tokens: u64,
    /// What it cost, as far as that is known, in USD.
    #[serde(rename = "cost_usd", serialize_with = "dollars")]
    pub cost: Usd,
    /// How long requests took on average, in milliseconds.
    pub latency_ms: u64,
}

fn dollars<S: serde::Serializer>(cost: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(cost.dollars())
}

impl Sum {
    /// The sum of these.
    pub fn total<'a>(sums: impl IntoIterator<Item = &'a Sum>) -> Sum {
        let mut total = Sum::default();
        let mut latency_ms: u64 = 0;
        for sum in sums {
            total.requests += sum.requests;
            total.failures += sum.failures;
            total.hits += sum.hits;
            total.unpriced += sum.unpriced;
            total.input_tokens += sum.input_tokens;
            total.output_tokens += sum.output_tokens;
            total.cached_tokens += sum.cached_tokens;
            total.cache_write_tokens += sum.cache_write_tokens;
            total.reasoning_tokens += sum.reasoning_tokens;
            total.cost += sum.cost;
            latency_ms = latency_ms.saturating_add(sum.latency_ms.saturating_mul(sum.requests));
        }
        total.latency_ms = latency_ms.checked_div(total.requests).unwrap_or_default();
        total
    }

    fn read(row: &Row, by: By) -> Result<Self, StoreError> {
        let number = |column: &str| {
            let number = row.integer(column)?;
            Ok::<u64, StoreError>(u64::try_from(number).unwrap_or_default())
        };
        let requests = number("requests")?;
        let micros = number("latency_us")?;
        let label = match by {
            By::Key => row.optional_text("label")?,
            _ => None,
        };
        Ok(Sum {
            name: row.text("name")?,
            label: label.filter(|label| !label.is_empty()),
            requests,
            failures: number("failures")?,
            hits: number("hits")?,
            unpriced: number("unpriced")?,
            input_tokens: number("input_tokens")?,
            output_tokens: number("output_tokens")?,
            cached_tokens: number("cached_tokens")?,
            cache_write_tokens: number("cache_write_tokens")?,
            reasoning_tokens: number("reasoning_tokens")?,
            cost: read_cost(row)?,
            latency_ms: (micros / 1000).checked_div(requests).unwrap_or_default(),
        })
    }
}

const SUMS: [&str; 10] = [
    "requests",
    "failures",
    "hits",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "latency_us",
];

impl Store {
    /// What the requests of `scope` come to: the dearest first, or in order where it is by time. Whole hours
    /// count.
    ///
    /// # Errors
    /// `Away`, `Refused`, and `Invalid` where tags are asked for of some requests only.
    pub async fn sums(&self, by: By, scope: &Scope) -> Result<Vec<Sum>, StoreError> {
        let (table, label) = match by {
            By::Tag => ("usage_tag_hours", "''"),
            _ => ("usage_hours", "MAX(key_label)"),
        };
        if by == By::Tag && scope.is_partial() {
            let why = "tags are summed up over all requests: ask for a time only";
            return Err(StoreError::invalid("by", why));
        }
        let column = by.column();
        let order = match (by.is_time(), self.backend()) {
            (true, _) => "1",
            (false, Backend::Postgres) => "SUM(r.cost) DESC, SUM(requests) DESC, 1",
            (false, Backend::Sqlite) => "TOTAL(r.cost) DESC, SUM(requests) DESC, 1",
        };
        let cost = cost(self.backend());
        let sums = SUMS.map(|sum| format!("CAST(SUM({sum}) AS BIGINT) AS {sum}"));
        let mut statement = sql(format!(
            "SELECT {column} AS name, {label} AS label, {}, {cost} FROM {table} r WHERE ",
            sums.join(", ")
        ));
        scope.hours(&mut statement);
        statement.append(&format!(" GROUP BY {column} ORDER BY "));
        statement.append(order);
        let limit = statement.push(MAX_LINES);
        statement.append(&format!(" LIMIT ${limit}"));
        let rows = self.all(statement).await?;
        rows.iter().map(|row| Sum::read(row, by)).collect()
    }
}
