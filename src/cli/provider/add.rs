//! `gateway provider add`: asks what it is not told. The key comes from the terminal without being shown,
//! from standard input, a file or a variable; never from the command line, which everybody can read.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::super::{
    answer, fail, print_json, prompt,
    store::{Of, Opened, with},
};
use crate::{
    config::{self, Environment},
    providers::{Auth, catalog, with_version},
    secret::Secret,
    store::{
        StoreError,
        credentials::{API_KEY, Credential, HEADER, Secrets},
        providers::StoredProvider,
    },
};

/// Which provider, and with which key.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct AddArguments {
    #[command(flatten)]
    of: Of,
    /// Its name: one of `gateway config catalog`, of the configuration, or a new one
    name: Option<String>,
    /// The catalog entry that it is like, where that is not its name
    #[arg(long)]
    kind: Option<String>,
    /// Where its API lives, up to and with /v1
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The models that it serves, with commas between
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Values of its placeholders, such as region=eu-central-1
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// What to call the key
    #[arg(long)]
    label: Option<String>,
    /// The project whose requests alone use the key
    #[arg(long)]
    project: Option<String>,
    /// Read the key from a file
    #[arg(long, value_name = "FILE", group = "source")]
    key_file: Option<PathBuf>,
    /// Take the key from an environment variable
    #[arg(long, value_name = "VARIABLE", group = "source")]
    key_env: Option<String>,
    /// It asks for no key
    #[arg(long, group = "source")]
    no_key: bool,
    /// A header to send with every request, whose value is in an environment variable
    #[arg(long = "header-env", value_name = "HEADER=VARIABLE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// Print what was added as JSON
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("takes NAME=VALUE".to_owned()),
    }
}

/// What was added.
struct Added {
    provider: Option<StoredProvider>,
    credential: Option<Credential>,
}

/// Adds it.
pub(super) fn run(arguments: &AddArguments) -> ExitCode {
    let added = prepare(arguments).and_then(|(name, base_url, secrets)| {
        with(&arguments.of, async |opened| {
            add(arguments, opened, &name, base_url, &secrets).await
        })
        .map(|added| (name, added))
    });
    match added {
        Err(problem) => fail([problem]),
        Ok((name, added)) if arguments.json => print_json(&json!({
            "provider": name,
            "is_new": added.provider.is_some(),
            "credential": added.credential.as_ref().map(|credential| json!({
                "id": credential.id,
                "label": credential.label,
                "project": credential.project_id,
                "masked": credential.masked,
            })),
        })),
        Ok((name, added)) => {
            let with_key = added.credential.map_or_else(String::new, |credential| {
                format!(" with the key {} ({})", credential.masked, credential.id)
            });
            answer(Ok(format!(
                "added {name}{with_key}; `gateway provider test {name}` tries it"
            )))
        }
    }
}

/// Everything that has to be asked for, before the store is opened.
fn prepare(arguments: &AddArguments) -> Result<(String, Option<String>, Secrets), String> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None if prompt::is_possible() => prompt::line(
            "The provider's name, such as openai (`gateway config catalog` lists all)",
        )?,
        None => return Err("say which provider: `gateway provider add NAME`".to_owned()),
    };
    let entry = catalog().get(arguments.kind.as_ref().unwrap_or(&name));
    let mut base_url = arguments.base_url.clone();
    let lacks_address = entry.is_none_or(|entry| entry.base_url.is_none()) && base_url.is_none();
    if lacks_address && prompt::is_possible() {
        let said = prompt::line("Where its API lives, such as https://api.example.com/v1")?;
        base_url = Some(said).filter(|said| !said.is_empty());
    }
    let mut secrets = Secrets::new();
    for (header, variable) in &arguments.headers {
        secrets.insert(format!("{HEADER}{header}"), variable_of(variable)?);
    }
    let needs_key = entry.is_none_or(|entry| entry.key_required && entry.auth != Auth::None);
    if let Some(key) = key(arguments, needs_key)? {
        secrets.insert(API_KEY.to_owned(), key);
    }
    Ok((name, base_url, secrets))
}

fn key(arguments: &AddArguments, is_needed: bool) -> Result<Option<Secret>, String> {
    if arguments.no_key {
        return Ok(None);
    }
    if let Some(file) = &arguments.key_file {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(Some(Secret::new(&text)));
    }
    if let Some(variable) = &arguments.key_env {
        return variable_of(variable).map(Some);
    }
    match is_needed || !prompt::is_possible() {
        true => prompt::secret("Its key (not shown; --no-key where it asks for none)").map(Some),
        false => Ok(None),
    }
}

fn variable_of(name: &str) -> Result<Secret, String> {
    let environment = Environment::of_process();
    let value = environment.get(name);
    value
        .map(Secret::new)
        .ok_or_else(|| format!("the variable {name} is not set"))
}

async fn add(
    arguments: &AddArguments,
    opened: &Opened,
    name: &str,
    base_url: Option<String>,
    secrets: &Secrets,
) -> Result<Added, StoreError> {
    let store = &opened.store;
    if let Some(project) = &arguments.project {
        store
            .get::<crate::store::projects::Project>(project)
            .await?;
    }
    let configured = opened.config.providers.get(name);
    let is_described = arguments.kind.is_some()
        || base_url.is_some()
        || !arguments.models.is_empty()
        || !arguments.settings.is_empty();
    let is_stored = store.find::<StoredProvider>(name).await?.is_some();
    if is_described && (configured.is_some() || is_stored) {
        return Err(StoreError::Exists {
            what: "provider",
            reference: name.to_owned(),
        });
    }
    let provider = StoredProvider {
        name: name.to_owned(),
        settings: settings(arguments, name, base_url)?,
        ..StoredProvider::default()
    };
    // Sealed before anything is written: without an encryption key nothing is.
    let credential = match secrets.is_empty() {
        true => None,
        false => {
            let mut credential = Credential::new(name);
            credential.label.clone_from(&arguments.label);
            credential.project_id.clone_from(&arguments.project);
            credential.seal(secrets, &opened.sealer)?;
            Some(credential)
        }
    };
    if configured.is_some() && credential.is_none() {
        return Err(StoreError::Exists {
            what: "provider",
            reference: name.to_owned(),
        });
    }
    let provider = match configured.is_some() || is_stored {
        true => None,
        false => Some(store.create(provider, super::super::BY).await?),
    };
    let credential = match credential {
        Some(credential) => Some(store.create(credential, super::super::BY).await?),
        None => None,
    };
    Ok(Added {
        provider,
        credential,
    })
}

/// What the configuration would say of it, looked at as if it did.
fn settings(
    arguments: &AddArguments,
    name: &str,
    base_url: Option<String>,
) -> Result<config::Provider, StoreError> {
    let mut provider = config::Provider {
        kind: arguments.kind.clone(),
        models: arguments.models.clone(),
        settings: arguments.settings.iter().cloned().collect(),
        ..config::Provider::default()
    };
    if let (Some(kind), None) = (&provider.kind, provider.entry(name)) {
        let why = format!("`{kind}` is not in the catalog; `gateway config catalog` lists it");
        return Err(StoreError::invalid("--kind", why));
    }
    let entry = provider.entry(name);
    provider.base_url = base_url.map(|url| url.trim_end_matches('/').to_owned());
    if let (Some(url), Some(true)) = (&mut provider.base_url, entry.map(|entry| entry.local))
        && url.matches('/').count() == 2
    {
        *url = with_version(url);
    }
    let known = entry.and_then(|entry| entry.base_url.as_ref());
    let url = provider.base_url.as_ref().or(known);
    let uri = url.and_then(|url| url.parse::<http::Uri>().ok());
    let is_sound = match (&provider.base_url, url) {
        (None, Some(_)) => true,
        _ => uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri
                    .authority()
                    .is_some_and(|host| !host.as_str().contains('@'))
        }),
    };
    match is_sound {
        true => Ok(provider),
        false => {
            let why = "is needed for a provider that is not in the catalog: a URL such as \
                       https://api.example.com/v1";
            Err(StoreError::invalid("--base-url", why))
        }
    }
}
