//! `gateway key create`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer,
        failure::Failure,
        port::{Needs, Of, with},
        print_json, prompt,
        terms::TermsArguments,
        time,
    },
    KEYS,
    grant::GrantWord,
};
use crate::{admin::input::Time, store::now};

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
    /// What it may do on the admin interface: read, write, team_read, team_write
    #[arg(long, value_name = "GRANT")]
    admin: Option<GrantWord>,
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
pub(super) fn run(arguments: &CreateArguments) -> Result<ExitCode, Failure> {
    if arguments.expires.is_some_and(|at| at <= now()) {
        let why = "--expires: the key would be over before it is made";
        return Err(Failure::usage(why));
    }
    let mut body = Map::new();
    if arguments.key_stdin {
        let key = prompt::secret("The key")?;
        body.insert("key".to_owned(), json!(key.expose()));
    }
    for (name, value) in [
        ("label", &arguments.label),
        ("team_id", &arguments.team),
        ("user_id", &arguments.user),
        ("project_id", &arguments.project),
        ("budget_id", &arguments.shared_budget),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(grant) = arguments.admin {
        body.insert("admin".to_owned(), json!(grant));
    }
    if let Some(at) = arguments.expires {
        body.insert("expires_at".to_owned(), json!(Time(at)));
    }
    arguments.terms.say(&mut body, None);
    let made = with(&arguments.of, Needs::Records, async |port| {
        port.post(KEYS, &Value::Object(body)).await
    })?;
    Ok(print(&made, arguments.json, "made"))
}

/// Prints a key for the only time: the key itself to standard output, so that a script can take it from
/// there, what else there is to say beside it.
#[expect(clippy::print_stderr, reason = "the command line speaks to a terminal")]
pub(super) fn print(made: &Value, json: bool, what: &str) -> ExitCode {
    if json {
        return print_json(made);
    }
    let text = |name| made.get(name).and_then(Value::as_str);
    let id = text("id").unwrap_or_default();
    let label = text("label").unwrap_or("no label");
    eprintln!("{what} {id} ({label}). This is the only time that the key is shown:");
    answer(Ok(text("key").unwrap_or_default().to_owned()))
}
