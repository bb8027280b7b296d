//! `gateway usage summary`.

use serde_json::{Value, json};

use super::{Which, when};
use crate::{
    cli::table::{NOTHING, Table},
    price::Usd,
    store::usage::{By, Sum},
};

/// All that is known.
pub(super) fn json(by: By, which: &Which, sums: &[Sum]) -> Value {
    let lines: Vec<Value> = sums
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
    let scope = which.scope();
    let mut total = json!(Sum::total(sums));
    if let Some(total) = total.as_object_mut() {
        total.remove("name");
    }
    json!({
        "by": by,
        "since": when::shown(scope.since),
        "until": which.until.map(|_| when::shown(scope.until)),
        "lines": lines,
        "total": total,
    })
}

/// A line each, and their sum.
pub(super) fn table(by: By, sums: &[Sum]) -> String {
    if sums.is_empty() {
        return "no requests in that time".to_owned();
    }
    let title = by.name().to_uppercase();
    let mut table = Table::titled(&[
        &title, "REQUESTS", "FAILED", "CACHED", "INPUT", "OUTPUT", "COST USD", "AVERAGE",
    ]);
    let total = Sum::total(sums);
    for sum in sums {
        table.row(line(name(by, sum), sum));
    }
    // Of a request with several tags there are several lines.
    if sums.len() > 1 && by != By::Tag {
        table.row(line("total".to_owned(), &total));
    }
    match total.unpriced {
        0 => table.to_string(),
        count => format!(
            "{table}\n\nnot known is the cost of {count} requests: no price is listed for their model, or \
             nobody counted their tokens"
        ),
    }
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
