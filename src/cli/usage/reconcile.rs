//! `gateway usage reconcile`: a provider's own count of a time against the ledger.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::when;
use crate::{
    cli::{
        failure::Failure,
        port::{Of, on_store},
        table::{NOTHING, Table},
    },
    usage::{
        reconcile::{self, Columns, Count, Line, Theirs, Tolerance},
        reprice::Pricer,
    },
};

/// What is compared, and how.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ReconcileArguments {
    /// The export: CSV, or JSON as the provider's interface answers it
    file: PathBuf,
    /// The provider that it is of, by its name in the configuration; may be repeated. All of the kind that the
    /// file is of, unless given
    #[arg(long)]
    provider: Vec<String>,
    /// From which day on; the file's first unless given
    #[arg(long, value_parser = when::parse)]
    since: Option<std::time::SystemTime>,
    /// Until when; behind the file's last day unless given
    #[arg(long, value_parser = when::parse)]
    until: Option<std::time::SystemTime>,
    /// How far counts may be apart, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = not_negative)]
    tolerance: f64,
    /// Dollars of a day and a model that do not matter: exports are rounded
    #[arg(long, value_name = "USD", default_value_t = 0.01, value_parser = not_negative)]
    tolerance_usd: f64,
    /// The title of the column with the day
    #[arg(long, value_name = "TITLE")]
    date_column: Option<String>,
    /// The title of the column with the model
    #[arg(long, value_name = "TITLE")]
    model_column: Option<String>,
    /// The title of the column with tokens of prompts, cached ones included
    #[arg(long, value_name = "TITLE")]
    input_column: Option<String>,
    /// The title of the column with tokens of answers
    #[arg(long, value_name = "TITLE")]
    output_column: Option<String>,
    /// The title of the column with dollars
    #[arg(long, value_name = "TITLE")]
    cost_column: Option<String>,
    #[command(flatten)]
    of: Of,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| *number >= 0.0 && number.is_finite());
    number.ok_or_else(|| "write a number of 0 or more".to_owned())
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// The providers whose calls were counted.
    providers: Vec<String>,
    tolerance: Tolerance,
    lines: Vec<Line>,
    /// Whether all is within the tolerance.
    pub(super) within: bool,
    /// What whoever reads it should know.
    pub(super) warnings: Vec<String>,
}

/// Compares.
pub(super) fn run(arguments: &ReconcileArguments) -> Result<Comparison, Failure> {
    let mut theirs = read(&arguments.file, &columns(arguments))?;
    let since = arguments.since.map_or(i64::MIN, when::milliseconds);
    let until = arguments.until.map_or(i64::MAX, when::milliseconds);
    theirs.between(since, until);
    if theirs.counts.is_empty() {
        return Err("the file has no usage of that time".to_owned().into());
    }
    let tolerance = Tolerance {
        percent: arguments.tolerance,
        usd: arguments.tolerance_usd,
    };
    let mut warnings = Vec::new();
    if theirs.has_more {
        let more =
            "the file says that there is more of it (`has_more`): this is one page of several";
        warnings.push(more.to_owned());
    }
    on_store(&arguments.of, async |opened| {
        let serving = opened.store.serving(&opened.sealer).await?;
        let pricer = Pricer::new(&opened.config, &serving);
        let kind = theirs.kind;
        let is_meant = |name: &str| match (arguments.provider.as_slice(), kind) {
            ([], Some(kind)) => pricer.kind(name) == kind,
            ([], None) => true,
            (named, _) => named.iter().any(|one| one == name),
        };
        let span = theirs.span();
        let days = opened.config.usage.retention_days;
        let forgotten = crate::store::now() - i64::from(days) * 86_400_000;
        if days > 0 && span.0 < forgotten {
            warnings.push(format!(
                "requests are kept for {days} days (`usage.retention_days`): those of the first days are gone"
            ));
        }
        let ours = reconcile::ours(&opened.store, &pricer, span, is_meant).await?;
        let day = |day| when::shown(day).get(..10).unwrap_or_default().to_owned();
        let lines = reconcile::compare(&theirs.counts, &ours, tolerance, day);
        Ok(Comparison {
            providers: match (arguments.provider.as_slice(), kind) {
                ([], Some(kind)) => vec![kind.to_owned()],
                (named, _) => named.to_vec(),
            },
            tolerance,
            within: lines.iter().all(|line| line.within),
            lines,
            warnings,
        })
    })
}

fn columns(arguments: &ReconcileArguments) -> Columns {
    Columns {
        date: arguments.date_column.clone(),
        model: arguments.model_column.clone(),
        input: arguments.input_column.clone(),
        output: arguments.output_column.clone(),
        cost: arguments.cost_column.clone(),
    }
}

fn read(file: &Path, columns: &Columns) -> Result<Theirs, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = fs::read_to_string(file).map_err(|error| said(&error))?;
    Theirs::read(&text, columns).map_err(|error| said(&error))
}

/// A line for each day and model.
pub(super) fn table(comparison: &Comparison) -> String {
    let mut table = Table::titled(&[
        "DAY",
        "MODEL",
        "INPUT",
        "OURS",
        "OUTPUT",
        "OURS",
        "USD",
        "OURS",
        "DIFFERENCE",
        "",
    ]);
    for line in &comparison.lines {
        table.row(cells(line));
    }
    let count = comparison.lines.iter().filter(|line| !line.within).count();
    let verdict = match count {
        0 => "all within the tolerance".to_owned(),
        1 => "1 line is beyond the tolerance".to_owned(),
        count => format!("{count} lines are beyond the tolerance"),
    };
    let Tolerance { percent, usd } = comparison.tolerance;
    format!("{table}\n\n{verdict} ({percent} %, {usd} USD)")
}

fn cells(line: &Line) -> [String; 10] {
    fn shown<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
    }
    let Count {
        input_tokens,
        output_tokens,
        cost,
    } = line.theirs;
    [
        line.day.clone(),
        match line.model.as_str() {
            "" => "(all)".to_owned(),
            model => model.to_owned(),
        },
        shown(input_tokens),
        shown(line.ours.input_tokens),
        shown(output_tokens),
        shown(line.ours.output_tokens),
        shown(cost),
        shown(line.ours.cost),
        shown(line.difference.cost),
        if line.within { "ok" } else { "OFF" }.to_owned(),
    ]
}
