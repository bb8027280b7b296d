//! `gateway usage summary`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    super::{
        answer,
        failure::Failure,
        port::{Needs, Port, at, with, with_query},
        print_json,
        table::{NOTHING, Table},
    },
    Which, when,
};
use crate::{
    admin::usage::{Counts, Group, Usage},
    price::Usd,
    store::usage::{By, Sum},
};

/// How many lines there are at most; the admin interface answers no more.
const MAX_LINES: usize = 10_000;

/// Lines, and what all requests came to, be there lines for them or not.
struct Summary {
    lines: Vec<Sum>,
    total: Sum,
}

impl Summary {
    /// Whether there are more lines than are shown.
    fn is_cut(&self) -> bool {
        self.lines.len() >= MAX_LINES
    }
}

/// Prints what requests came to.
pub(super) fn run(by: By, which: &Which, json: bool) -> Result<ExitCode, Failure> {
    let summary = with(&which.of, Needs::Recorded, async |port| {
        ask(port, by, which).await
    })?;
    Ok(match json {
        true => print_json(&self::json(by, which, &summary)),
        false => answer(Ok(table(by, &summary))),
    })
}

async fn ask(port: &Port, by: By, which: &Which) -> Result<Summary, Failure> {
    // Sums are by the hour: the first one counts as a whole.
    let since = when::milliseconds(which.since);
    let hour = since - since.rem_euclid(3_600_000);
    let mut query = which.query();
    query.retain(|(name, _)| *name != "from");
    query.push(("from", Some(when::shown(hour))));
    query.push(("group_by", Some(by.name().to_owned())));
    query.push(("limit", Some(MAX_LINES.to_string())));
    if let Some(key) = &which.key {
        // The record knows a key by its id; one of the configuration by its name.
        let known = port.find(&at("/admin/keys", &[key])).await?;
        let id = known.and_then(|known| Some(known.get("id")?.as_str()?.to_owned()));
        query.push(("key", Some(id.unwrap_or_else(|| key.clone()))));
    }
    let said = port.get(&with_query("/admin/usage", &query)).await?;
    let usage: Usage = serde_json::from_value(said)
        .map_err(|error| format!("the gateway that runs is of another version: {error}"))?;
    let lines = usage.groups.into_iter().map(|group| {
        let (name, label) = names(by, &group);
        sum(name, label, &group.counts)
    });
    Ok(Summary {
        lines: lines.collect(),
        total: sum(String::new(), None, &usage.total),
    })
}

fn names(by: By, group: &Group) -> (String, Option<String>) {
    let name = match by {
        By::Hour | By::Day => {
            return (
                group.time.map(|at| at.0.to_string()).unwrap_or_default(),
                None,
            );
        }
        By::Key => &group.key,
        By::Team => &group.team_id,
        By::User => &group.user_id,
        By::Project => &group.project_id,
        By::Provider => &group.provider,
        By::Model => &group.model,
        By::Tag => &group.tag,
    };
    (name.clone().unwrap_or_default(), group.label.clone())
}

fn sum(name: String, label: Option<String>, counts: &Counts) -> Sum {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an average of times"
    )]
    let latency_ms = counts.average_latency_ms.round() as u64;
    Sum {
        name,
        label,
        requests: count(counts.requests),
        failures: count(counts.failures),
        hits: count(counts.cache_hits),
        unpriced: count(counts.unpriced),
        input_tokens: count(counts.input_tokens),
        output_tokens: count(counts.output_tokens),
        cached_tokens: count(counts.cached_tokens),
        cache_write_tokens: count(counts.cache_write_tokens),
        reasoning_tokens: count(counts.reasoning_tokens),
        cost: counts.cost,
        latency_ms,
    }
}

/// All that is known.
fn json(by: By, which: &Which, summary: &Summary) -> Value {
    let lines: Vec<Value> = summary
        .lines
        .iter()
        .map(|sum| {
            let mut line = json!(sum);
            if by.is_time()
                && let Some(members) = line.as_object_mut()
            {
                members.insert("name".to_owned(), name(by, sum).into());
            }
            line
        })
        .collect();
    let mut total = json!(summary.total);
    if let Some(total) = total.as_object_mut() {
        total.remove("name");
    }
    json!({
        "by": by,
        "since": when::shown(when::milliseconds(which.since)),
        "until": which.until.map(|until| when::shown(when::milliseconds(until))),
        "lines": lines,
        "is_cut": summary.is_cut(),
        "total": total,
    })
}

/// A line each, and their sum.
fn table(by: By, summary: &Summary) -> String {
    let (sums, total) = (&summary.lines, &summary.total);
    if sums.is_empty() {
        return "no requests in that time".to_owned();
    }
    let title = by.name().to_uppercase();
    let mut table = Table::titled(&[
        &title, "REQUESTS", "FAILED", "CACHED", "INPUT", "OUTPUT", "COST USD", "AVERAGE",
    ]);
    for sum in sums {
        table.row(line(name(by, sum), sum));
    }
    // A request with several tags is in several lines, but once in this.
    if sums.len() > 1 && by != By::Tag {
        table.row(line("total".to_owned(), total));
    }
    let mut said = table.to_string();
    if summary.is_cut() {
        said.push_str(&format!(
            "\n\nonly {MAX_LINES} lines are shown; the total is of all requests. Narrow it down, or see \
             `gateway usage export`"
        ));
    }
    if total.unpriced > 0 {
        said.push_str(&format!(
            "\n\nnot known is the cost of {} requests: no price is listed for their model, or nobody counted \
             their tokens",
            total.unpriced
        ));
    }
    said
}

fn line(name: String, sum: &Sum) -> [String; 8] {
    let unless_zero = |number: u64| match number {
        0 => NOTHING.to_owned(),
        number => number.to_string(),
    };
    [
        name,
        sum.requests.to_string(),
        unless_zero(sum.failures),
        unless_zero(sum.hits),
        sum.input_tokens.to_string(),
        sum.output_tokens.to_string(),
        cost(sum),
        format!("{} ms", sum.latency_ms),
    ]
}

/// With as many digits as matter.
fn cost(sum: &Sum) -> String {
    let dollars = sum.cost.dollars();
    match sum.cost {
        Usd::ZERO if sum.unpriced > 0 => NOTHING.to_owned(),
        Usd::ZERO => "0".to_owned(),
        _ if dollars < 0.000_1 => "<0.0001".to_owned(),
        _ => format!("{dollars:.4}"),
    }
}

fn name(by: By, sum: &Sum) -> String {
    let time = sum.name.parse().map(when::shown).unwrap_or_default();
    match by {
        By::Day => time.get(..10).unwrap_or_default().to_owned(),
        By::Hour => time.get(..16).unwrap_or_default().replace('T', " "),
        _ => match (&sum.label, sum.name.is_empty()) {
            (Some(label), _) => label.clone(),
            (None, true) => "(none)".to_owned(),
            (None, false) => sum.name.clone(),
        },
    }
}
