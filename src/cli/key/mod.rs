//! `gateway key`: virtual keys, from their making to their end.

mod change;
mod create;
mod view;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{
    BY, answer, fail, print_json,
    store::{Of, Opened, with},
};
use crate::store::{List, MAX_LENGTH, StoreError, keys::Key};
use view::View;

/// The subcommands of `gateway key`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key, and print it: it is never shown again
    Create(create::CreateArguments),
    /// List keys, the newest first
    List(ListArguments),
    /// Show all that is known of a key
    Info(OneArguments),
    /// Change a key; what is not said stays
    Update(change::UpdateArguments),
    /// Give a key another text, and print it
    Rotate(change::RotateArguments),
    /// End keys, for good: a gateway that runs refuses them within a second
    Revoke(change::EndArguments),
    /// Delete keys, and all that is known of them
    Delete(change::EndArguments),
}

/// Which keys to list.
#[derive(Debug, Clone, Args)]
pub(super) struct ListArguments {
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
    /// Those in whose label this is found
    #[arg(long)]
    label: Option<String>,
    /// Those as well that have been revoked
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    limit: i64,
    /// Print all that is known of them as JSON
    #[arg(long)]
    json: bool,
}

/// Which key is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct OneArguments {
    #[command(flatten)]
    of: Of,
    /// Its id, its label or the hash of its text; `-` reads the key itself from standard input
    key: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exits with 0, or with 1 where it failed.
pub(super) fn run(command: &KeyCommand) -> ExitCode {
    match command {
        KeyCommand::Create(arguments) => create::run(arguments),
        KeyCommand::List(arguments) => list(arguments),
        KeyCommand::Info(arguments) => info(arguments),
        KeyCommand::Update(arguments) => change::update(arguments),
        KeyCommand::Rotate(arguments) => change::rotate(arguments),
        KeyCommand::Revoke(arguments) => change::revoke(arguments),
        KeyCommand::Delete(arguments) => change::delete(arguments),
    }
}

fn list(arguments: &ListArguments) -> ExitCode {
    let mut which = List::default().page(arguments.limit, 0);
    for (column, value) in [
        ("team_id", &arguments.team),
        ("user_id", &arguments.user),
        ("project_id", &arguments.project),
    ] {
        if let Some(value) = value {
            which = which.equals(column, value);
        }
    }
    if let Some(label) = &arguments.label {
        which = which.contains("label", label);
    }
    if !arguments.all {
        which = which.is_null("revoked_at", true);
    }
    let keys = with(&arguments.of, async |opened| {
        let keys = opened.store.list::<Key>(&which).await?;
        let all = opened.store.count::<Key>(&which).await?;
        Ok((keys, all))
    });
    match keys {
        Err(problem) => fail([problem]),
        Ok((keys, _)) if arguments.json => {
            let views: Vec<View<'_>> = keys.iter().map(View::of).collect();
            print_json(&views)
        }
        Ok((keys, _)) if keys.is_empty() => answer(Ok(
            "there are no such keys; `gateway key create` makes one".to_owned(),
        )),
        Ok((keys, all)) => {
            let shown = i64::try_from(keys.len()).unwrap_or(MAX_LENGTH);
            let more = match all > shown {
                true => format!("\n{} more; --limit {all} shows them", all - shown),
                false => String::new(),
            };
            answer(Ok(format!("{}{more}", view::table(&keys))))
        }
    }
}

fn info(arguments: &OneArguments) -> ExitCode {
    let found = reference(&arguments.key)
        .and_then(|reference| with(&arguments.of, async |opened| find(opened, &reference).await));
    match found {
        Err(problem) => fail([problem]),
        Ok(key) if arguments.json => print_json(&View::of(&key)),
        Ok(key) => answer(Ok(view::details(&key))),
    }
}

async fn find(opened: &Opened, reference: &str) -> Result<Key, StoreError> {
    opened.store.find_key(reference).await
}

/// What a key is named by; `-` stands for the key itself, on standard input.
fn reference(argument: &str) -> Result<String, String> {
    match argument {
        "-" => super::prompt::secret("The key").map(|key| key.expose().to_owned()),
        other => Ok(other.to_owned()),
    }
}
