//! Sums of requests by whatever is asked for, from those by the hour.

use super::{
    super::{Backend, Row, Store, StoreError, sql, usage::By},
    Which, tags_are_of_all,
};
use crate::price::Usd;

/// What requests come to that have something in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    /// What they have in common, in the order in which it was asked for. What is not known is empty.
    pub of: Vec<String>,
    /// What people called the key last, where they are told apart by it.
    pub label: Option<String>,
    /// How many there were.
    pub requests: i64,
    /// How many failed.
    pub failures: i64,
    /// How many were answered from the cache.
    pub hits: i64,
    /// How many have a cost that is not known, which is no part of `cost`.
    pub unpriced: i64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: i64,
    /// Tokens of answers.
    pub output_tokens: i64,
    /// Tokens read from providers' caches.
    pub cached_tokens: i64,
    /// Tokens written to providers' caches.
    pub cache_write_tokens: i64,
    /// Tokens thought.
    pub reasoning_tokens: i64,
    /// What they cost.
    pub cost: Usd,
    /// How long they took, in microseconds, all together.
    pub latency_us: i64,
}

const COUNTS: [&str; 10] = [
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

/// A million pico-dollars: amounts are added up in two parts, for SQLite's sums end at 2⁶³.
const PART: u128 = 1_000_000;

/// What adds amounts up, as two whole numbers: millions and the rest.
pub(in crate::store) fn cost(backend: Backend) -> String {
    match backend {
        Backend::Sqlite => format!(
            "SUM(CAST(r.cost AS INTEGER) / {PART}) AS cost_millions, \
             SUM(CAST(r.cost AS INTEGER) % {PART}) AS cost_rest"
        ),
        Backend::Postgres => format!(
            "CAST(FLOOR(SUM(r.cost) / {PART}) AS BIGINT) AS cost_millions, \
             CAST(MOD(SUM(r.cost), {PART}) AS BIGINT) AS cost_rest"
        ),
    }
}

/// The amount that [`cost`] adds up.
pub(in crate::store) fn read_cost(row: &Row) -> Result<Usd, StoreError> {
    let part = |column| {
        let part = row.optional_integer(column)?.unwrap_or(0);
        Ok::<_, StoreError>(u128::from(part.unsigned_abs()))
    };
    let pico = part("cost_millions")?.saturating_mul(PART);
    Ok(Usd::from_pico(pico.saturating_add(part("cost_rest")?)))
}

impl Store {
    /// What requests come to, told apart by `by`: the costliest first, or the earliest where they are told
    /// apart by time. At most `limit` sums.
    ///
    /// # Errors
    /// `Away`; `Invalid` where tags are asked for of some requests alone.
    pub async fn report(
        &self,
        which: &Which,
        by: &[By],
        limit: i64,
    ) -> Result<Vec<Sum>, StoreError> {
        let is_by_tag = by.contains(&By::Tag);
        let of_all = |by: &By| *by == By::Tag || by.is_time();
        if is_by_tag && (which.is_particular() || !by.iter().all(of_all)) {
            return Err(tags_are_of_all());
        }
        let table = if is_by_tag {
            "usage_tag_hours"
        } else {
            "usage_hours"
        };
        let is_by_key = by.contains(&By::Key);
        let mut text = String::from("SELECT ");
        for (at, by) in by.iter().enumerate() {
            text.push_str(&format!("{} AS by_{at}, ", by.column()));
        }
        if is_by_key {
            text.push_str("MAX(r.key_label) AS key_label, ");
        }
        for count in COUNTS {
            text.push_str(&format!(
                "CAST(COALESCE(SUM(r.{count}), 0) AS BIGINT) AS {count}, "
            ));
        }
        text.push_str(&cost(self.backend()));
        text.push_str(&format!(" FROM {table} r WHERE 1 = 1"));
        let mut statement = sql(text);
        which.conditions(&mut statement, "hour", "model");
        if !by.is_empty() {
            let groups: Vec<&str> = by.iter().map(|by| by.column()).collect();
            statement.append(&format!(" GROUP BY {}", groups.join(", ")));
        }
        let is_by_time = by.first().is_some_and(|by| by.is_time());
        statement.append(match is_by_time {
            // Times as texts of the same length are in order.
            true => " ORDER BY by_0, cost_millions DESC, cost_rest DESC",
            false => " ORDER BY cost_millions DESC, cost_rest DESC, requests DESC",
        });
        let limit = statement.push(limit);
        statement.append(&format!(" LIMIT ${limit}"));
        let rows = self.all(statement).await?;
        rows.iter()
            .map(|row| read(row, by.len(), is_by_key))
            .collect()
    }
}

fn read(row: &Row, groups: usize, is_by_key: bool) -> Result<Sum, StoreError> {
    let of = (0..groups).map(|at| row.text(&format!("by_{at}")));
    let label = match is_by_key {
        true => row.optional_text("key_label")?,
        false => None,
    };
    Ok(Sum {
        of: of.collect::<Result<_, _>>()?,
        label: label.filter(|label| !label.is_empty()),
        requests: row.integer("requests")?,
        failures: row.integer("failures")?,
        hits: row.integer("hits")?,
        unpriced: row.integer("unpriced")?,
        input_tokens: row.integer("input_tokens")?,
        output_tokens: row.integer("output_tokens")?,
        cached_tokens: row.integer("cached_tokens")?,
        cache_write_tokens: row.integer("cache_write_tokens")?,
        reasoning_tokens: row.integer("reasoning_tokens")?,
        cost: read_cost(row)?,
        latency_us: row.integer("latency_us")?,
    })
}
