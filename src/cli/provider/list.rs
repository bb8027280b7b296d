//! `gateway provider list`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::super::{
    answer,
    failure::{Failure, warn},
    port::{Needs, Of, with},
    print_json,
    table::Table,
    view::{cell, time},
};

/// How to list.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ListArguments {
    #[command(flatten)]
    of: Of,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(super) fn run(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let (mut providers, credentials) = with(&arguments.of, Needs::Serving, async |port| {
        let providers = port.all("/admin/providers").await?;
        Ok((providers, port.all("/admin/credentials").await?))
    })?;
    for provider in &mut providers {
        let name = provider.get("name").cloned();
        let own = credentials.iter().rev();
        let own: Vec<&Value> = own
            .filter(|one| one.get("provider") == name.as_ref())
            .collect();
        let own = json!(own);
        if let Some(members) = provider.as_object_mut() {
            members.insert("credentials".to_owned(), own);
        }
    }
    if arguments.json {
        return Ok(print_json(&providers));
    }
    for provider in &providers {
        let problems = provider.get("problems").and_then(Value::as_array);
        for problem in problems.into_iter().flatten().filter_map(Value::as_str) {
            warn(problem);
        }
    }
    Ok(answer(Ok(tables(&providers))))
}

fn tables(providers: &[Value]) -> String {
    if providers.is_empty() {
        return "there are no providers; `gateway provider add` adds one".to_owned();
    }
    let mut table = Table::titled(&[
        "PROVIDER", "KIND", "FROM", "STATE", "KEYS", "BASE URL", "MODELS",
    ]);
    let mut keys = Table::titled(&[
        "KEY", "PROVIDER", "ID", "LABEL", "PROJECT", "STATE", "ADDED",
    ]);
    for provider in providers {
        table.row([
            cell(provider, "/name"),
            cell(provider, "/kind"),
            cell(provider, "/source"),
            match provider.get("in_use") == Some(&json!(true)) {
                true => "in use".to_owned(),
                false => "not in use".to_owned(),
            },
            cell(provider, "/keys"),
            cell(provider, "/base_url"),
            cell(provider, "/models"),
        ]);
        let own = provider.get("credentials").and_then(Value::as_array);
        for key in own.into_iter().flatten() {
            keys.row([
                cell(key, "/masked"),
                cell(key, "/provider"),
                cell(key, "/id"),
                cell(key, "/label"),
                cell(key, "/project_id"),
                state(key).to_owned(),
                time(key, "/created_at"),
            ]);
        }
    }
    match keys.is_empty() {
        true => table.to_string(),
        false => format!("{table}\n\n{keys}"),
    }
}

fn state(key: &Value) -> &'static str {
    let is = |name| key.get(name) == Some(&json!(true));
    match (is("blocked"), is("reserved")) {
        (true, _) => "blocked",
        (false, true) => "reserved",
        (false, false) => "active",
    }
}
