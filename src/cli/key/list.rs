//! `gateway key list`.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use super::super::{
    answer,
    failure::Failure,
    port::{Needs, Of, Port, with, with_query},
    progress::Progress,
    table::Table,
    view::{cell, dollars, time},
};
use super::KEYS;

/// How many lines a table has, unless more are asked for.
const LINES: u64 = 1000;

/// Which keys to list.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ListArguments {
    #[command(flatten)]
    of: Of,
    /// Those of a team
    #[arg(long)]
    team: Option<String>,
    /// Those of a user
    #[arg(long)]
    user: Option<String>,
    /// Those of a project
    #[arg(long)]
    project: Option<String>,
    /// Those that share a budget
    #[arg(long, value_name = "ID")]
    shared_budget: Option<String>,
    /// Those in whose label this is found
    #[arg(long)]
    label: Option<String>,
    /// Those as well that have been revoked
    #[arg(long)]
    all: bool,
    /// At most so many; 1000 in a table and all as JSON, unless given
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Print all that is known of them as JSON
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(super) fn run(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let path = with_query(
        KEYS,
        &[
            ("team_id", arguments.team.clone()),
            ("user_id", arguments.user.clone()),
            ("project_id", arguments.project.clone()),
            ("budget_id", arguments.shared_budget.clone()),
            ("label", arguments.label.clone()),
            ("revoked", (!arguments.all).then(|| "false".to_owned())),
        ],
    );
    with(
        &arguments.of,
        Needs::Records,
        async |port| match arguments.json {
            true => print_json(port, &path, arguments.limit).await,
            false => print_table(port, &path, arguments.limit.unwrap_or(LINES)).await,
        },
    )
}

/// Prints page after page: there may be a million.
async fn print_json(port: &Port, path: &str, most: Option<u64>) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut start, progress, mut count) = ("[", Progress::new(), 0);
    let printed = port
        .pages(path, most, |keys| {
            for key in &keys {
                let text = serde_json::to_string_pretty(key).map_err(|error| error.to_string())?;
                let text = text.replace('\n', "\n  ");
                write!(out, "{start}\n  {text}").map_err(|error| error.to_string())?;
                start = ",";
            }
            count += keys.len();
            progress.say(&format!("{count} keys"));
            Ok(())
        })
        .await;
    printed?;
    let end = if start == "[" { "[]" } else { "\n]" };
    let ended = writeln!(out, "{end}").and_then(|()| out.flush());
    ended.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

async fn print_table(port: &Port, path: &str, most: u64) -> Result<ExitCode, Failure> {
    let mut keys = Vec::new();
    let total = port
        .pages(path, Some(most), |mut page| {
            keys.append(&mut page);
            Ok(())
        })
        .await?;
    if keys.is_empty() && most > 0 {
        let none = "there are no such keys; `gateway key create` makes one";
        return Ok(answer(Ok(none.to_owned())));
    }
    let more = match total.saturating_sub(keys.len() as u64) {
        0 => String::new(),
        more => format!("\n{more} more; --limit {total} shows them"),
    };
    Ok(answer(Ok(format!("{}{more}", table(&keys)))))
}

/// Keys, a line each.
fn table(keys: &[Value]) -> Table {
    let mut table = Table::titled(&[
        "ID",
        "LABEL",
        "KEY",
        "STATE",
        "TEAM",
        "USER",
        "PROJECT",
        "SHARED BUDGET",
        "ADMIN",
        "MODELS",
        "RPM",
        "BUDGET",
        "SPENT",
        "EXPIRES",
        "LAST USED",
    ]);
    for key in keys {
        table.row([
            cell(key, "/id"),
            cell(key, "/label"),
            cell(key, "/masked"),
            cell(key, "/state"),
            cell(key, "/team_id"),
            cell(key, "/user_id"),
            cell(key, "/project_id"),
            cell(key, "/budget_id"),
            cell(key, "/admin"),
            cell(key, "/models"),
            cell(key, "/limits/requests_per_minute"),
            dollars(key, "/budget/max", None),
            dollars(key, "/spend", Some(4)),
            time(key, "/expires_at"),
            time(key, "/last_used_at"),
        ]);
    }
    table
}
