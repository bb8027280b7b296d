//! `gateway team`, `project`, `user` and `budget`: what keys belong to, and under which terms. One file says
//! for each what its options are.

pub(super) mod budget;
pub(super) mod project;
pub(super) mod team;
pub(super) mod user;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    answer,
    failure::Failure,
    port::{Needs, Of, Port, at, with, with_query},
    print_json,
    progress::Progress,
    table::Table,
    view::{cell, details, dollars, time},
};

/// What may be said of a kind of record.
pub(super) trait Said: Args {
    /// What it is.
    const WHAT: &'static str;
    /// Where the admin interface has them.
    const PATH: &'static str;
    /// Where keys say that they belong to one.
    const OF_KEYS: &'static str;

    /// Whether one of several that are replaced together is said.
    fn is_partial(&self) -> bool;
    /// Puts what was said into a change of `current`.
    fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>);
    /// Why none may be made.
    fn refusal(_: &Port) -> Option<Failure> {
        None
    }
}

/// What is done with a kind of record.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum RecordCommand<S: Said> {
    /// Make one
    Create(WriteArguments<S>),
    /// List all
    List(ListArguments),
    /// Show all that is known of one
    Info(OneArguments),
    /// Change one; what is not said stays
    Update(WriteArguments<S>),
    /// Delete one to which no keys belong that may be used: they would be free of its terms
    Delete(DeleteArguments),
}

/// How it is to be.
#[derive(Debug, Clone, Args)]
pub(super) struct WriteArguments<S: Said> {
    #[command(flatten)]
    of: Of,
    /// Its id, which keys are made with
    id: String,
    #[command(flatten)]
    said: S,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Which are listed.
#[derive(Debug, Clone, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    of: Of,
    /// Print all that is known of them as JSON
    #[arg(long)]
    json: bool,
}

/// Which is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct OneArguments {
    #[command(flatten)]
    of: Of,
    /// Its id
    id: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Which is deleted.
#[derive(Debug, Clone, Args)]
pub(super) struct DeleteArguments {
    #[command(flatten)]
    of: Of,
    /// Its id
    id: String,
    /// Delete the keys that belong to it too
    #[arg(long)]
    with_keys: bool,
    /// Print what was deleted as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run<S: Said>(command: &RecordCommand<S>) -> ExitCode {
    let done = match command {
        RecordCommand::Create(arguments) => create(arguments),
        RecordCommand::List(arguments) => list::<S>(arguments),
        RecordCommand::Info(arguments) => info::<S>(arguments),
        RecordCommand::Update(arguments) => update(arguments),
        RecordCommand::Delete(arguments) => delete::<S>(arguments),
    };
    done.unwrap_or_else(Failure::report)
}

fn create<S: Said>(arguments: &WriteArguments<S>) -> Result<ExitCode, Failure> {
    let made = with(&arguments.of, Needs::Records, async |port| {
        if let Some(refusal) = S::refusal(port) {
            return Err(refusal);
        }
        let mut body = Map::new();
        body.insert("id".to_owned(), json!(arguments.id));
        arguments.said.say(&mut body, None);
        port.post(S::PATH, &Value::Object(body)).await
    })?;
    Ok(print(&made, arguments.json))
}

fn update<S: Said>(arguments: &WriteArguments<S>) -> Result<ExitCode, Failure> {
    let changed = with(&arguments.of, Needs::Records, async |port| {
        let path = at(S::PATH, &[&arguments.id]);
        let current = match arguments.said.is_partial() {
            true => Some(port.get(&path).await?),
            false => None,
        };
        let mut body = Map::new();
        arguments.said.say(&mut body, current.as_ref());
        port.patch(&path, &Value::Object(body)).await
    })?;
    Ok(print(&changed, arguments.json))
}

fn info<S: Said>(arguments: &OneArguments) -> Result<ExitCode, Failure> {
    let found = with(&arguments.of, Needs::Records, async |port| {
        port.get(&at(S::PATH, &[&arguments.id])).await
    })?;
    Ok(match arguments.json {
        true => print_json(&found),
        false => answer(Ok(details(&found))),
    })
}

fn list<S: Said>(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let mut all = with(&arguments.of, Needs::Records, async |port| {
        port.all(S::PATH).await
    })?;
    // Those that were made first first.
    all.reverse();
    Ok(match (arguments.json, all.is_empty()) {
        (true, _) => print_json(&all),
        (false, true) => answer(Ok(format!(
            "there are no {what}s; `gateway {what} create` makes one",
            what = S::WHAT
        ))),
        (false, false) => answer(Ok(table(&all))),
    })
}

fn delete<S: Said>(arguments: &DeleteArguments) -> Result<ExitCode, Failure> {
    let id = &arguments.id;
    let (deleted, keys) = with(&arguments.of, Needs::Records, async |port| {
        let keys = match arguments.with_keys {
            true => {
                let pairs = [
                    (S::OF_KEYS, Some(id.clone())),
                    ("limit", Some("1".to_owned())),
                ];
                let page = port.get(&with_query("/admin/keys", &pairs)).await?;
                page.get("total").and_then(Value::as_u64).unwrap_or(0)
            }
            false => 0,
        };
        let pairs = [("with_keys", arguments.with_keys.then(|| "true".to_owned()))];
        let path = with_query(&at(S::PATH, &[id]), &pairs);
        let what = format!("deleting the {} and {keys} keys of it", S::WHAT);
        let deleting = port.delete(&path);
        let deleted = Progress::new().during(&what, deleting).await?;
        Ok((deleted, keys))
    })?;
    if arguments.json {
        let said = json!({S::WHAT: deleted, "deleted_keys": keys});
        return Ok(print_json(&said));
    }
    let and_keys = match keys {
        0 => String::new(),
        keys => format!(" and {keys} keys of it"),
    };
    Ok(answer(Ok(format!(
        "deleted the {} {id}{and_keys}",
        S::WHAT
    ))))
}

fn print(view: &Value, json: bool) -> ExitCode {
    match json {
        true => print_json(view),
        false => answer(Ok(table(std::slice::from_ref(view)))),
    }
}

fn table(views: &[Value]) -> String {
    let mut table = Table::titled(&[
        "ID", "ALIAS", "EMAIL", "ROLE", "TEAM", "STATE", "MODELS", "RPM", "TPM", "BUDGET",
        "PERIOD", "SPENT", "CREATED",
    ]);
    for view in views {
        table.row([
            cell(view, "/id"),
            cell(view, "/alias"),
            cell(view, "/email"),
            cell(view, "/role"),
            cell(view, "/team_id"),
            state(view).to_owned(),
            cell(view, "/models"),
            cell(view, "/limits/requests_per_minute"),
            cell(view, "/limits/tokens_per_minute"),
            dollars(view, "/budget/max", None),
            cell(view, "/budget/period"),
            dollars(view, "/spend", Some(4)),
            time(view, "/created_at"),
        ]);
    }
    table.to_string()
}

fn state(view: &Value) -> &'static str {
    let is = |name| view.get(name).is_some_and(|value| *value == true);
    match (view.get("unreadable"), is("blocked")) {
        (Some(Value::String(_)), _) => "unreadable",
        (_, true) => "blocked",
        (_, false) => "active",
    }
}
