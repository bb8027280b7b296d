//! `gateway provider remove`: a key, or a provider of the store with all its keys.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::super::{
    answer, fail, print_json,
    store::{Of, Opened, with},
};
use crate::store::{
    Kind, List, Record, StoreError, credentials::Credential, models::Model,
    providers::StoredProvider,
};

/// What to remove.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct RemoveArguments {
    #[command(flatten)]
    of: Of,
    /// The id of a key, or a provider's name
    what: String,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

/// What was removed: a provider of the store, and keys.
struct Removed {
    provider: bool,
    credentials: Vec<String>,
}

/// Removes it.
pub(super) fn run(arguments: &RemoveArguments) -> ExitCode {
    let what = &arguments.what;
    let removed = with(&arguments.of, async |opened| {
        let removed = remove(opened, what).await?;
        let is_left = opened.config.providers.contains_key(what);
        Ok((removed, is_left))
    });
    match removed {
        Err(problem) => fail([problem]),
        Ok((removed, _)) if arguments.json => print_json(&json!({
            "provider": removed.provider.then_some(what),
            "credentials": removed.credentials,
        })),
        Ok((removed, is_left)) => {
            let count = removed.credentials.len();
            let mut said = match (removed.provider, count) {
                (true, _) => format!("removed {what} and {count} of its keys"),
                (false, 1) => format!("removed the key {}", removed.credentials.join(", ")),
                (false, _) => format!("removed {count} keys of {what}"),
            };
            if is_left {
                said.push_str("; the configuration or the environment still has the provider");
            }
            answer(Ok(said))
        }
    }
}

async fn remove(opened: &Opened, what: &str) -> Result<Removed, StoreError> {
    let store = &opened.store;
    if let Some(credential) = store.find::<Credential>(what).await? {
        refuse_used(opened, &credential.id).await?;
        store.delete::<Credential>(&credential.id).await?;
        return Ok(Removed {
            provider: false,
            credentials: vec![credential.id],
        });
    }
    let provider = store.find::<StoredProvider>(what).await?;
    let of_provider = List::default().equals("provider", what);
    let credentials: Vec<Credential> = store.list(&of_provider).await?;
    if provider.is_none() && credentials.is_empty() {
        return Err(match opened.config.providers.contains_key(what) {
            true => StoreError::invalid(
                "provider",
                "is of the configuration or the environment; take it out there",
            ),
            false => StoreError::not_found("provider", what),
        });
    }
    for credential in &credentials {
        refuse_used(opened, &credential.id).await?;
    }
    // All or nothing.
    let mut transaction = store.begin().await?;
    let mut changes = Vec::new();
    for credential in &credentials {
        transaction.remove(credential).await?;
        changes.extend(credential.changes());
    }
    if let Some(provider) = &provider {
        transaction.remove(provider).await?;
        transaction.changed(Kind::Provider, provider.changes());
    }
    transaction.changed(Kind::Credential, changes);
    transaction.commit().await?;
    Ok(Removed {
        provider: provider.is_some(),
        credentials: credentials.into_iter().map(|one| one.id).collect(),
    })
}

/// A deployment that loses its key would serve no longer.
async fn refuse_used(opened: &Opened, id: &str) -> Result<(), StoreError> {
    let users = List::default().equals("credential_id", id).page(1, 0);
    match opened.store.list::<Model>(&users).await?.first() {
        None => Ok(()),
        Some(model) => {
            let why = format!(
                "is used by the model `{}` ({}); delete that first",
                model.name, model.id
            );
            Err(StoreError::invalid("credential", why))
        }
    }
}
