//! The columns of the tables of usage.

use std::borrow::Cow;

use super::{
    bulk::{
        Column::{self, Amount, Flag, Integer, Text},
        Table,
    },
    sums::{ByKey, Counts, Group, Line, Name, Spent},
};
use crate::{
    chat::usage::{Tier as Service, Usage},
    price::Usd,
    row::Row,
};

/// What happens to what somebody has spent already.
const SPENT: &str = "ON CONFLICT (scope, id) DO UPDATE SET \
     amount = spend.amount + excluded.amount, total = spend.total + excluded.total, \
     last_used_at = CASE WHEN spend.last_used_at > excluded.last_used_at \
     THEN spend.last_used_at ELSE excluded.last_used_at END";

/// Each column of `requests`, and where it is from.
pub(super) fn requests<'r>() -> [(&'static str, Column<Row<'r>>); 47] {
    [
        ("id", Text(|row| Some(row.id.into()))),
        ("at", Integer(|row| Some(row.at_ms))),
        ("account", Text(|row| text(row.account))),
        ("key_label", Text(|row| text(row.key))),
        ("team_id", Text(|row| text(row.team))),
        ("user_id", Text(|row| text(row.user))),
        ("project_id", Text(|row| text(row.project))),
        ("organization_id", Text(|row| text(row.organization))),
        ("end_user", Text(|row| text(row.end_user))),
        ("tags", Text(tags)),
        ("path", Text(|row| Some(row.path.into()))),
        ("dialect", Text(|row| Some(row.dialect.into()))),
        ("spoken", Text(|row| text(row.spoken))),
        ("model", Text(|row| text(row.model))),
        ("provider", Text(|row| text(row.provider))),
        ("served_model", Text(|row| text(row.served_model))),
        ("attempts", Integer(|row| Some(row.attempts.into()))),
        ("tried", Text(|row| text(row.tried))),
        ("status", Integer(|row| Some(row.status.into()))),
        ("error", Text(|row| text(row.error))),
        ("cache", Text(|row| text(row.cache))),
        ("stream", Flag(|row| row.stream)),
        ("input_tokens", Integer(|row| of(row, |used| used.input))),
        ("output_tokens", Integer(|row| of(row, |used| used.output))),
        (
            "cached_tokens",
            Integer(|row| of(row, |used| used.cached_input)),
        ),
        (
            "cache_write_tokens",
            Integer(|row| of(row, |used| used.cache_write)),
        ),
        (
            "reasoning_tokens",
            Integer(|row| of(row, |used| used.reasoning)),
        ),
        (
            "audio_input_tokens",
            Integer(|row| of(row, |used| used.audio_input)),
        ),
        (
            "audio_output_tokens",
            Integer(|row| of(row, |used| used.audio_output)),
        ),
        ("estimated", Flag(|row| row.is_estimated)),
        ("cost", Amount(|row| row.cost)),
        ("latency_us", Integer(|row| Some(row.latency_us))),
        ("first_byte_us", Integer(|row| row.first_byte_us)),
        ("overhead_us", Integer(|row| Some(row.overhead_us))),
        ("bytes_in", Integer(|row| Some(row.bytes_in))),
        ("bytes_out", Integer(|row| Some(row.bytes_out))),
        (
            "cache_write_1h_tokens",
            Integer(|row| later(row, |used| used.cache_write_1h)),
        ),
        (
            "cached_audio_tokens",
            Integer(|row| later(row, |used| used.cached_audio)),
        ),
        (
            "image_input_tokens",
            Integer(|row| later(row, |used| used.image_input)),
        ),
        (
            "image_output_tokens",
            Integer(|row| later(row, |used| used.image_output)),
        ),
        ("searches", Integer(|row| later(row, |used| used.searches))),
        (
            "unbilled_input_tokens",
            Integer(|row| later(row, |used| used.unbilled_input)),
        ),
        (
            "unbilled_output_tokens",
            Integer(|row| later(row, |used| used.unbilled_output)),
        ),
        (
            "service",
            Text(|row| text(row.tokens?.tier.map(Service::name))),
        ),
        ("stated_cost", Amount(stated)),
        ("parts", Text(|row| text(row.parts))),
        ("budget_id", Text(|row| text(row.budget))),
    ]
}

/// Requests, and what happens to one that is there already.
pub(super) fn of_requests<'r>(rest: &'static str) -> Table<Row<'r>> {
    Table {
        name: "requests",
        columns: requests().into(),
        rest: rest.into(),
    }
}

/// What rows of the journal's first version do not know.
fn later(row: &Row<'_>, kind: fn(Usage) -> u64) -> Option<u64> {
    of(row, kind).filter(|_| row.is_complete)
}

fn stated(row: &Row<'_>) -> Option<Usd> {
    let pico = row.tokens?.stated_cost_pico?;
    Some(Usd::from_pico(pico.into()))
}

fn text(value: Option<&str>) -> Option<Cow<'_, str>> {
    value.map(Cow::Borrowed)
}

#[expect(clippy::unnecessary_wraps, reason = "what a column takes")]
fn same<'a>(name: &'a Name<'_>) -> Option<Cow<'a, str>> {
    Some(Cow::Borrowed(name))
}

fn of(row: &Row<'_>, kind: fn(Usage) -> u64) -> Option<u64> {
    row.tokens.map(kind)
}

fn tags<'a>(row: &'a Row<'_>) -> Option<Cow<'a, str>> {
    match row.tags.is_empty() {
        true => None,
        false => serde_json::to_string(&row.tags).ok().map(Cow::Owned),
    }
}

pub(super) type Hour<'r> = Line<Group<'r>, ByKey<'r>>;
pub(super) type Tag<'r> = Line<(u64, Name<'r>), Counts>;
pub(super) type Spending<'r> = Line<(&'static str, Name<'r>), Spent>;

/// Sums by the hour.
pub(super) fn hours<'r>() -> Table<Hour<'r>> {
    let mut columns = vec![
        ("hour", Integer(|line: &Hour<'r>| Some(line.of.hour))),
        ("account", Text(|line| same(&line.of.account))),
        ("team_id", Text(|line| same(&line.of.team))),
        ("user_id", Text(|line| same(&line.of.user))),
        ("project_id", Text(|line| same(&line.of.project))),
        ("provider", Text(|line| same(&line.of.provider))),
        ("model", Text(|line| same(&line.of.model))),
        ("key_label", Text(|line| same(&line.sum.label))),
    ];
    columns.extend(counts());
    let keys = "hour, account, team_id, user_id, project_id, provider, model";
    let rest = added("usage_hours", keys, "key_label = excluded.key_label, ").into();
    Table {
        name: "usage_hours",
        columns,
        rest,
    }
}

/// Sums by hour and tag.
pub(super) fn tag_hours<'r>() -> Table<Tag<'r>> {
    let mut columns = vec![
        ("hour", Integer(|line: &Tag<'r>| Some(line.of.0))),
        ("tag", Text(|line| same(&line.of.1))),
    ];
    columns.extend(counts());
    let rest = added("usage_tag_hours", "hour, tag", "").into();
    Table {
        name: "usage_tag_hours",
        columns,
        rest,
    }
}

/// What has been spent, by whom.
pub(super) fn spend<'r>() -> Table<Spending<'r>> {
    let columns = vec![
        ("scope", Text(|line: &Spending<'r>| text(Some(line.of.0)))),
        ("id", Text(|line| same(&line.of.1))),
        ("amount", Amount(|line| Some(line.sum.amount))),
        ("total", Amount(|line| Some(line.sum.amount))),
        ("period_started_at", Integer(|line| Some(line.sum.first_at))),
        ("last_used_at", Integer(|line| Some(line.sum.last_at))),
    ];
    Table {
        name: "spend",
        columns,
        rest: SPENT.into(),
    }
}

/// The columns that are added up.
fn counts<Of, Sum: AsRef<Counts>>() -> [(&'static str, Column<Line<Of, Sum>>); 11] {
    [
        ("requests", Integer(|line| Some(line.sum.as_ref().requests))),
        ("failures", Integer(|line| Some(line.sum.as_ref().failures))),
        ("hits", Integer(|line| Some(line.sum.as_ref().hits))),
        ("unpriced", Integer(|line| Some(line.sum.as_ref().unpriced))),
        (
            "input_tokens",
            Integer(|line| Some(line.sum.as_ref().input)),
        ),
        (
            "output_tokens",
            Integer(|line| Some(line.sum.as_ref().output)),
        ),
        (
            "cached_tokens",
            Integer(|line| Some(line.sum.as_ref().cached)),
        ),
        (
            "cache_write_tokens",
            Integer(|line| Some(line.sum.as_ref().cache_write)),
        ),
        (
            "reasoning_tokens",
            Integer(|line| Some(line.sum.as_ref().reasoning)),
        ),
        ("cost", Amount(|line| Some(line.sum.as_ref().cost))),
        (
            "latency_us",
            Integer(|line| Some(line.sum.as_ref().latency_us)),
        ),
    ]
}

/// What happens to sums that are there already, in the table of that name: the new ones are added.
fn added(name: &str, keys: &str, set: &str) -> String {
    let sums = counts::<(), Counts>().map(|(column, _)| column);
    let sums = sums.map(|column| format!("{column} = {name}.{column} + excluded.{column}"));
    format!(
        "ON CONFLICT ({keys}) DO UPDATE SET {set}{}",
        sums.join(", ")
    )
}
