//! `gateway provider list`.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::super::{
    answer, fail, print_json,
    store::{Of, Opened, with},
    table::{NOTHING, Table},
    time::shown,
};
use crate::{
    config::Provider,
    snapshot,
    store::{List, StoreError, credentials::Credential, providers::StoredProvider},
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

/// A provider, for programs.
#[derive(Serialize)]
struct View {
    name: String,
    kind: String,
    source: &'static str,
    base_url: Option<String>,
    keys: usize,
    models: Vec<String>,
    credentials: Vec<CredentialView>,
}

/// A key for a provider, for programs. Never the key.
#[derive(Serialize)]
struct CredentialView {
    id: String,
    label: Option<String>,
    masked: String,
    project: Option<String>,
    state: &'static str,
    sealed_by: String,
    created_at: String,
}

/// Prints them.
pub(super) fn run(arguments: &ListArguments) -> ExitCode {
    match with(&arguments.of, async |opened| views(opened).await) {
        Err(problem) => fail([problem]),
        Ok((views, _)) if arguments.json => print_json(&views),
        Ok((views, problems)) => {
            super::super::warn(&problems);
            answer(Ok(tables(&views)))
        }
    }
}

async fn views(opened: &Opened) -> Result<(Vec<View>, Vec<String>), StoreError> {
    let serving = opened.store.serving(&opened.sealer).await?;
    let (config, mut problems) = snapshot::merged(&opened.config, &serving);
    problems.extend(serving.problems);
    let all = List::default().sorted("created_at", false);
    let credentials: Vec<Credential> = opened.store.list(&all).await?;
    let stored: Vec<StoredProvider> = opened.store.list(&all).await?;
    let mut providers = config.providers;
    for stored in stored {
        // One that cannot be used is there all the same.
        providers.entry(stored.name).or_insert(stored.settings);
    }
    let view = |(name, provider): (String, Provider)| {
        let own = credentials.iter().filter(|one| one.provider == name);
        View {
            kind: provider.kind.clone().unwrap_or_else(|| name.clone()),
            source: match opened.config.providers.get(&name) {
                Some(written) if written.is_found => "environment",
                Some(_) => "configuration",
                None => "store",
            },
            base_url: provider.base_url.clone().or_else(|| {
                let entry = provider.entry(&name);
                entry.and_then(|entry| entry.base_url.clone())
            }),
            keys: provider.api_key.iter().chain(&provider.api_keys).count(),
            models: provider.models.clone(),
            credentials: own.map(credential).collect(),
            name,
        }
    };
    let providers = providers.into_iter().filter(|(_, one)| !one.is_deployment);
    Ok((providers.map(view).collect(), problems))
}

fn credential(credential: &Credential) -> CredentialView {
    CredentialView {
        id: credential.id.clone(),
        label: credential.label.clone(),
        masked: credential.masked.clone(),
        project: credential.project_id.clone(),
        state: match (credential.blocked, credential.is_reserved()) {
            (true, _) => "blocked",
            (false, true) => "reserved",
            (false, false) => "active",
        },
        sealed_by: credential.sealed_by().to_owned(),
        created_at: shown(credential.stamps.created_at),
    }
}

fn tables(views: &[View]) -> String {
    if views.is_empty() {
        return "there are no providers; `gateway provider add` adds one".to_owned();
    }
    let mut providers = Table::titled(&["PROVIDER", "KIND", "FROM", "KEYS", "BASE URL", "MODELS"]);
    let mut credentials = Table::titled(&[
        "KEY", "PROVIDER", "ID", "LABEL", "PROJECT", "STATE", "ADDED",
    ]);
    let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| NOTHING.to_owned());
    for view in views {
        let models = match view.models.is_empty() {
            true => NOTHING.to_owned(),
            false => view.models.join(", "),
        };
        providers.row([
            view.name.clone(),
            view.kind.clone(),
            view.source.to_owned(),
            view.keys.to_string(),
            or_nothing(&view.base_url),
            models,
        ]);
        for one in &view.credentials {
            credentials.row([
                one.masked.clone(),
                view.name.clone(),
                one.id.clone(),
                or_nothing(&one.label),
                or_nothing(&one.project),
                one.state.to_owned(),
                one.created_at.clone(),
            ]);
        }
    }
    match credentials.to_string() {
        none if none.lines().count() < 2 => providers.to_string(),
        credentials => format!("{providers}\n\n{credentials}"),
    }
}
