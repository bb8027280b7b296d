//! `gateway key`: virtual keys, from their making to their end.

mod change;
mod create;
mod grant;
mod list;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{
    answer,
    failure::Failure,
    port::{Needs, Of, at, with},
    print_json,
    view::details,
};
use crate::identity::virtual_key;

/// Where the admin interface has them.
const KEYS: &str = "/admin/keys";

/// The subcommands of `gateway key`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key, and print it: it is never shown again
    Create(Box<create::CreateArguments>),
    /// List keys, the newest first
    List(list::ListArguments),
    /// Show all that is known of a key
    Info(OneArguments),
    /// Change a key; what is not said stays
    Update(Box<change::UpdateArguments>),
    /// Give a key another text, and print it
    Rotate(change::RotateArguments),
    /// End keys, for good: a gateway that runs refuses them within a second
    Revoke(change::EndArguments),
    /// Delete keys, and all that is known of them
    Delete(change::EndArguments),
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

/// Runs the command.
pub(super) fn run(command: &KeyCommand) -> ExitCode {
    let done = match command {
        KeyCommand::Create(arguments) => create::run(arguments),
        KeyCommand::List(arguments) => list::run(arguments),
        KeyCommand::Info(arguments) => info(arguments),
        KeyCommand::Update(arguments) => change::update(arguments),
        KeyCommand::Rotate(arguments) => change::rotate(arguments),
        KeyCommand::Revoke(arguments) => change::revoke(arguments),
        KeyCommand::Delete(arguments) => change::delete(arguments),
    };
    done.unwrap_or_else(Failure::report)
}

fn info(arguments: &OneArguments) -> Result<ExitCode, Failure> {
    let reference = reference(&arguments.key)?;
    let found = with(&arguments.of, Needs::Records, async |port| {
        port.get(&at(KEYS, &[&reference])).await
    })?;
    Ok(match arguments.json {
        true => print_json(&found),
        false => answer(Ok(details(&found))),
    })
}

/// What a key is named by; `-` stands for the key itself, on standard input, which is asked for by its hash:
/// no path has a key in it.
fn reference(argument: &str) -> Result<String, Failure> {
    match argument {
        "" => Err(Failure::usage(
            "a key is named by its id, its label or its hash",
        )),
        "-" => {
            let key = super::prompt::secret("The key")?;
            Ok(virtual_key::hex(&virtual_key::hash(key.expose())))
        }
        other => Ok(other.to_owned()),
    }
}
