//! `gateway provider add`: asks what it is not told. The key comes from the terminal without being shown,
//! from standard input, a file or a variable; never from the command line, which everybody can read.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::super::{
    BY, answer, fail, print_json, prompt,
    store::{Of, Opened, explain, with_words},
};
use crate::{
    config::{self, Environment},
    providers::{Auth, with_version},
    secret::Secret,
    store::{
        Kind, Record, StoreError,
        credentials::{API_KEY, Credential, HEADER, Secrets},
        projects::Project,
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
    name: String,
    is_new: bool,
    credential: Option<Credential>,
}

/// Adds it.
pub(super) fn run(arguments: &AddArguments) -> ExitCode {
    let added = with_words(&arguments.of, async |opened| add(arguments, opened).await);
    match added {
        Err(problem) => fail([problem]),
        Ok(added) if arguments.json => print_json(&json!({
            "provider": added.name,
            "is_new": added.is_new,
            "credential": added.credential.as_ref().map(|credential| json!({
                "id": credential.id,
                "label": credential.label,
                "project": credential.project_id,
                "masked": credential.masked,
            })),
        })),
        Ok(Added {
            name, credential, ..
        }) => {
            let with_key = credential.map_or_else(String::new, |credential| {
                format!(" with the key {} ({})", credential.masked, credential.id)
            });
            answer(Ok(format!(
                "added {name}{with_key}; `gateway provider test {name}` tries it"
            )))
        }
    }
}

async fn add(arguments: &AddArguments, opened: &Opened) -> Result<Added, String> {
    let store = &opened.store;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None if prompt::is_possible() => prompt::line(
            "The provider's name, such as openai (`gateway config catalog` lists all)",
        )?,
        None => return Err("say which provider: `gateway provider add NAME`".to_owned()),
    };
    if let Some(project) = &arguments.project {
        let known = store.get::<Project>(project).await;
        known.map_err(explain)?;
    }
    let stored = store.find::<StoredProvider>(&name).await;
    let stored = stored.map_err(explain)?;
    let known = opened.config.providers.get(&name);
    let known = known.or(stored.as_ref().map(|stored| &stored.settings));
    let provider = match known {
        Some(_) if arguments.describes() => {
            return Err(format!(
                "there is a provider `{name}` already; another name is needed"
            ));
        }
        Some(_) => None,
        None => Some(described(arguments, &name)?),
    };
    let entry = known.or(provider.as_ref()).and_then(|one| one.entry(&name));
    let needs_key = entry.is_none_or(|entry| entry.key_required && entry.auth != Auth::None);
    let secrets = secrets(arguments, needs_key)?;
    if provider.is_none() && secrets.is_empty() {
        return Err(format!(
            "there is a provider `{name}` already, and no key to add to it"
        ));
    }
    save(arguments, opened, name, provider, &secrets)
        .await
        .map_err(explain)
}

async fn save(
    arguments: &AddArguments,
    opened: &Opened,
    name: String,
    provider: Option<config::Provider>,
    secrets: &Secrets,
) -> Result<Added, StoreError> {
    // Sealed before anything is written: without an encryption key nothing is.
    let mut credential = Credential::new(&name);
    if !secrets.is_empty() {
        credential.label.clone_from(&arguments.label);
        credential.project_id.clone_from(&arguments.project);
        credential.seal(secrets, &opened.sealer)?;
    }
    let is_new = provider.is_some();
    // Both or neither.
    let mut transaction = opened.store.begin().await?;
    if let Some(settings) = provider {
        let mut provider = StoredProvider {
            name: name.clone(),
            settings,
            ..StoredProvider::default()
        };
        transaction.insert(&mut provider, BY).await?;
        transaction.changed(Kind::Provider, provider.changes());
    }
    let credential = match secrets.is_empty() {
        true => None,
        false => {
            transaction.insert(&mut credential, BY).await?;
            transaction.changed(Kind::Credential, credential.changes());
            Some(credential)
        }
    };
    transaction.commit().await?;
    Ok(Added {
        name,
        is_new,
        credential,
    })
}

impl AddArguments {
    /// Whether it says what a provider is like, and not only which.
    fn describes(&self) -> bool {
        self.kind.is_some()
            || self.base_url.is_some()
            || !self.models.is_empty()
            || !self.settings.is_empty()
    }
}

fn secrets(arguments: &AddArguments, needs_key: bool) -> Result<Secrets, String> {
    let mut secrets = Secrets::new();
    for (header, variable) in &arguments.headers {
        secrets.insert(format!("{HEADER}{header}"), variable_of(variable)?);
    }
    if let Some(key) = key(arguments, needs_key)? {
        secrets.insert(API_KEY.to_owned(), key);
    }
    Ok(secrets)
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

/// What the configuration would say of a new one, looked at as if it did.
fn described(arguments: &AddArguments, name: &str) -> Result<config::Provider, String> {
    let mut provider = config::Provider {
        kind: arguments.kind.clone(),
        base_url: arguments.base_url.clone(),
        models: arguments.models.clone(),
        settings: arguments.settings.iter().cloned().collect(),
        ..config::Provider::default()
    };
    let entry = provider.entry(name);
    if let (Some(kind), None) = (&provider.kind, entry) {
        return Err(format!(
            "`{kind}` is not in the catalog; `gateway config catalog` lists it"
        ));
    }
    let is_known = entry.is_some_and(|entry| entry.base_url.is_some());
    if !is_known && provider.base_url.is_none() && prompt::is_possible() {
        let said = prompt::line("Where its API lives, such as https://api.example.com/v1")?;
        provider.base_url = Some(said).filter(|said| !said.is_empty());
    }
    let Some(url) = &mut provider.base_url else {
        return match is_known {
            true => Ok(provider),
            false => Err(format!(
                "`{name}` is not in the catalog, or has no usual address; say where its API lives with \
                 --base-url https://api.example.com/v1"
            )),
        };
    };
    url.truncate(url.trim_end_matches('/').len());
    if entry.is_some_and(|entry| entry.local) && url.matches('/').count() == 2 {
        *url = with_version(url);
    }
    let uri = url.parse::<http::Uri>().ok();
    let is_sound = uri.is_some_and(|uri| {
        let host = uri.authority().map(http::uri::Authority::as_str);
        matches!(uri.scheme_str(), Some("http" | "https"))
            && host.is_some_and(|host| !host.contains('@'))
            && uri.query().is_none()
    });
    match is_sound {
        true => Ok(provider),
        false => Err(
            "--base-url takes a URL such as https://api.example.com/v1, without a user or a \
                      query in it"
                .to_owned(),
        ),
    }
}
