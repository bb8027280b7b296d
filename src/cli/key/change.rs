//! `gateway key update`, `rotate`, `revoke` and `delete`.

use std::process::ExitCode;

use clap::Args;

use super::{
    super::{
        answer, fail, print_json, prompt,
        store::{Of, with},
        terms::{Setting, TermsArguments, put},
        time,
    },
    BY, create, find, reference,
    view::View,
};
use crate::{
    identity::period::Period,
    store::{StoreError, Transaction, keys::Key},
};

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
pub(super) fn update(arguments: &UpdateArguments) -> ExitCode {
    let expires = match &arguments.expires {
        None => Ok(None),
        Some(Setting::None) => Ok(Some(Setting::None)),
        Some(Setting::Some(text)) => time::end(text).map(|at| Some(Setting::Some(at))),
    };
    let changed = expires.and_then(|expires| {
        let reference = reference(&arguments.key)?;
        with(&arguments.of, async |opened| {
            let key = find(opened, &reference).await?;
            let change = |key: &mut Key| {
                put(&mut key.label, arguments.label.as_ref());
                put(&mut key.team_id, arguments.team.as_ref());
                put(&mut key.user_id, arguments.user.as_ref());
                put(&mut key.project_id, arguments.project.as_ref());
                put(&mut key.budget_id, arguments.shared_budget.as_ref());
                put(&mut key.expires_at, expires.as_ref());
                key.blocked = (key.blocked || arguments.block) && !arguments.unblock;
                arguments.terms.apply(&mut key.terms);
                Ok(())
            };
            opened.store.update::<Key>(&key.id, BY, change).await
        })
    });
    match changed {
        Err(problem) => fail([problem]),
        Ok(key) if arguments.json => print_json(&View::of(&key)),
        Ok(key) => answer(Ok(super::view::details(&key))),
    }
}

/// Gives a key another text.
pub(super) fn rotate(arguments: &RotateArguments) -> ExitCode {
    let grace = arguments.grace.and_then(Period::about).unwrap_or(0);
    let rotated = reference(&arguments.key).and_then(|reference| {
        let custom = match arguments.key_stdin {
            true => Some(prompt::secret("The new key")?),
            false => None,
        };
        with(&arguments.of, async |opened| {
            let key = find(opened, &reference).await?;
            opened.store.rotate_key(&key.id, grace, custom, BY).await
        })
    });
    create::print(rotated, arguments.json, "rotated")
}

/// Revokes keys: all of them, or none where one is not known.
pub(super) fn revoke(arguments: &EndArguments) -> ExitCode {
    end(arguments, "revoked", async |transaction, key| {
        transaction.revoke_key(&key.id, BY).await
    })
}

/// Deletes keys: all of them, or none where one is not known.
pub(super) fn delete(arguments: &EndArguments) -> ExitCode {
    end(arguments, "deleted", async |transaction, key| {
        transaction.delete_key(&key.id).await
    })
}

fn end(
    arguments: &EndArguments,
    done: &str,
    work: impl AsyncFn(&mut Transaction, &Key) -> Result<Key, StoreError>,
) -> ExitCode {
    let references: Result<Vec<String>, String> =
        arguments.keys.iter().map(|key| reference(key)).collect();
    let ended = references.and_then(|references| {
        with(&arguments.of, async |opened| {
            let mut keys = Vec::new();
            for reference in &references {
                keys.push(find(opened, reference).await?);
            }
            keys.sort_by(|one, other| one.id.cmp(&other.id));
            keys.dedup_by(|one, other| one.id == other.id);
            let mut transaction = opened.store.begin().await?;
            let mut ended = Vec::new();
            for key in &keys {
                ended.push(work(&mut transaction, key).await?);
            }
            transaction.commit().await?;
            Ok(ended)
        })
    });
    match ended {
        Err(problem) => fail([problem]),
        Ok(keys) if arguments.json => {
            let views: Vec<View<'_>> = keys.iter().map(View::of).collect();
            print_json(&views)
        }
        Ok(keys) => {
            let line = |key: &Key| {
                let label = key.label.as_deref().unwrap_or("no label");
                format!("{done} {} ({label})", key.id)
            };
            answer(Ok(keys.iter().map(line).collect::<Vec<_>>().join("\n")))
        }
    }
}
