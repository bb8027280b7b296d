//! `gateway key update`, `rotate`, `revoke` and `delete`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer,
        failure::Failure,
        port::{Needs, Of, at, with},
        print_json, prompt,
        terms::{Setting, TermsArguments, say},
        time,
        view::{cell, details},
    },
    KEYS, create,
    grant::GrantWord,
    reference,
};
use crate::{admin::input::Time, identity::period::Period};

/// What changes.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct UpdateArguments {
    #[command(flatten)]
    of: Of,
    /// Its id, its label or the hash of its text; `-` reads the key itself from standard input
    key: String,
    /// What people call it, or `none`
    #[arg(long, alias = "alias", value_name = "NAME")]
    label: Option<Setting<String>>,
    /// The team that it belongs to, or `none`
    #[arg(long)]
    team: Option<Setting<String>>,
    /// Whose it is, or `none`
    #[arg(long)]
    user: Option<Setting<String>>,
    /// The project that it belongs to, or `none`
    #[arg(long)]
    project: Option<Setting<String>>,
    /// The budget that it shares with others, or `none`
    #[arg(long, value_name = "ID")]
    shared_budget: Option<Setting<String>>,
    /// What it may do on the admin interface: read, write, team_read, team_write, or `none`
    #[arg(long, value_name = "GRANT")]
    admin: Option<Setting<GrantWord>>,
    /// When it ends: after a span of time (30d), at a time (2030-01-31), or `none`
    #[arg(long, value_name = "WHEN")]
    expires: Option<Setting<String>>,
    /// It may not be used for now
    #[arg(long, conflicts_with = "unblock")]
    block: bool,
    /// It may be used again
    #[arg(long)]
    unblock: bool,
    #[command(flatten)]
    terms: TermsArguments,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Which key gets another text.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct RotateArguments {
    #[command(flatten)]
    of: Of,
    /// Its id, its label or the hash of its text; `-` reads the key itself from standard input
    key: String,
    /// How long the text before is taken still: 24h, 7d
    #[arg(long, value_name = "TIME")]
    grace: Option<Period>,
    /// Read the new text from standard input, instead of making one up
    #[arg(long)]
    key_stdin: bool,
    /// Print the key and all that is known of it as JSON
    #[arg(long)]
    json: bool,
}

/// Which keys end.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct EndArguments {
    #[command(flatten)]
    of: Of,
    /// Their ids, labels or the hashes of their texts; `-` reads one key itself from standard input
    #[arg(required = true)]
    keys: Vec<String>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Changes a key.
pub(super) fn update(arguments: &UpdateArguments) -> Result<ExitCode, Failure> {
    let expires = match &arguments.expires {
        None => None,
        Some(Setting::None) => Some(Setting::None),
        Some(Setting::Some(text)) => {
            let at = time::end(text).map_err(|why| Failure::usage(format!("--expires {why}")))?;
            Some(Setting::Some(Time(at)))
        }
    };
    let mut body = Map::new();
    for (name, said) in [
        ("label", &arguments.label),
        ("team_id", &arguments.team),
        ("user_id", &arguments.user),
        ("project_id", &arguments.project),
        ("budget_id", &arguments.shared_budget),
    ] {
        say(&mut body, name, said.as_ref());
    }
    say(&mut body, "admin", arguments.admin.as_ref());
    say(&mut body, "expires_at", expires.as_ref());
    if arguments.block || arguments.unblock {
        body.insert("blocked".to_owned(), json!(arguments.block));
    }
    let path = at(KEYS, &[&reference(&arguments.key)?]);
    let changed = with(&arguments.of, Needs::Records, async |port| {
        let current = match arguments.terms.is_partial() {
            true => Some(port.get(&path).await?),
            false => None,
        };
        arguments.terms.say(&mut body, current.as_ref());
        port.patch(&path, &Value::Object(body)).await
    })?;
    Ok(match arguments.json {
        true => print_json(&changed),
        false => answer(Ok(details(&changed))),
    })
}

/// Gives a key another text.
pub(super) fn rotate(arguments: &RotateArguments) -> Result<ExitCode, Failure> {
    let path = at(KEYS, &[&reference(&arguments.key)?, "rotate"]);
    let mut body = Map::new();
    if let Some(grace) = arguments.grace {
        body.insert("grace".to_owned(), json!(grace));
    }
    if arguments.key_stdin {
        let key = prompt::secret("The new key")?;
        body.insert("key".to_owned(), json!(key.expose()));
    }
    let rotated = with(&arguments.of, Needs::Records, async |port| {
        port.post(&path, &Value::Object(body)).await
    })?;
    Ok(create::print(&rotated, arguments.json, "rotated"))
}

/// Revokes keys: all of them, or none where one is not known.
pub(super) fn revoke(arguments: &EndArguments) -> Result<ExitCode, Failure> {
    end(arguments, "/admin/key-revocations", "revoked")
}

/// Deletes keys: all of them, or none where one is not known.
pub(super) fn delete(arguments: &EndArguments) -> Result<ExitCode, Failure> {
    end(arguments, "/admin/key-deletions", "deleted")
}

fn end(arguments: &EndArguments, path: &str, done: &str) -> Result<ExitCode, Failure> {
    let references: Result<Vec<String>, Failure> =
        arguments.keys.iter().map(|key| reference(key)).collect();
    let body = json!({"keys": references?});
    let ended = with(&arguments.of, Needs::Records, async |port| {
        let mut said = port.post(path, &body).await?;
        Ok(said.get_mut("data").map(Value::take).unwrap_or_default())
    })?;
    if arguments.json {
        return Ok(print_json(&ended));
    }
    let line = |key: &Value| {
        let label = match cell(key, "/label").as_str() {
            "-" => "no label".to_owned(),
            label => label.to_owned(),
        };
        format!("{done} {} ({label})", cell(key, "/id"))
    };
    let lines: Vec<String> = ended.as_array().into_iter().flatten().map(line).collect();
    Ok(answer(Ok(lines.join("\n"))))
}
