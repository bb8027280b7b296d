//! `gateway key create`.

use std::process::ExitCode;

use clap::Args;

use super::{
    super::{
        answer, fail, print_json, prompt,
        store::{Of, with},
        terms::TermsArguments,
        time,
    },
    BY,
    view::Made,
};
use crate::store::{
    keys::{Created, Key, NewKey},
    now,
};

/// How the key is to be.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CreateArguments {
    #[command(flatten)]
    of: Of,
    /// What people call it
    #[arg(long, alias = "alias", value_name = "NAME")]
    label: Option<String>,
    /// The team that it belongs to
    #[arg(long)]
    team: Option<String>,
    /// Whose it is
    #[arg(long)]
    user: Option<String>,
    /// The project that it belongs to
    #[arg(long)]
    project: Option<String>,
    /// The budget that it shares with others
    #[arg(long, value_name = "ID")]
    shared_budget: Option<String>,
    /// When it ends: after a span of time (30d), or at a time (2030-01-31)
    #[arg(long, value_name = "WHEN", value_parser = time::end)]
    expires: Option<i64>,
    #[command(flatten)]
    terms: TermsArguments,
    /// Read the key's own text from standard input, instead of making one up
    #[arg(long)]
    key_stdin: bool,
    /// Print the key and all that is known of it as JSON
    #[arg(long)]
    json: bool,
}

/// Makes a key.
pub(super) fn run(arguments: &CreateArguments) -> ExitCode {
    let custom = match arguments.key_stdin {
        true => prompt::secret("The key").map(Some),
        false => Ok(None),
    };
    let made = custom.and_then(|custom| {
        if arguments.expires.is_some_and(|at| at <= now()) {
            return Err("--expires: the key would be over before it is made".to_owned());
        }
        let mut key = Key {
            label: arguments.label.clone(),
            team_id: arguments.team.clone(),
            user_id: arguments.user.clone(),
            project_id: arguments.project.clone(),
            budget_id: arguments.shared_budget.clone(),
            expires_at: arguments.expires,
            ..Key::default()
        };
        arguments.terms.apply(&mut key.terms);
        let new = NewKey { key, custom };
        with(&arguments.of, async |opened| {
            opened.store.create_key(new, BY).await
        })
    });
    print(made, arguments.json, "made")
}

/// Prints a key for the only time: the key itself to standard output, so that a script can take it from
/// there, what else there is to say beside it.
#[expect(clippy::print_stderr, reason = "the command line speaks to a terminal")]
pub(super) fn print(made: Result<Created, String>, json: bool, what: &str) -> ExitCode {
    match made {
        Err(problem) => fail([problem]),
        Ok(made) if json => print_json(&Made::of(&made)),
        Ok(made) => {
            let label = made.key.label.as_deref().unwrap_or("no label");
            eprintln!(
                "{what} {} ({label}). This is the only time that the key is shown:",
                made.key.id
            );
            answer(Ok(made.secret.expose().to_owned()))
        }
    }
}
