//! `gateway provider add`: asks what it is not told.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer,
        failure::Failure,
        port::{Needs, Of, Port, at, with, with_query},
        print_json, prompt,
        view::cell,
    },
    secrets::{SecretArguments, pair},
};
use crate::{
    config,
    providers::{Auth, Entry, with_version},
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
    #[command(flatten)]
    secrets: SecretArguments,
    /// Print what was added as JSON
    #[arg(long)]
    json: bool,
}

/// What was added.
struct Added {
    name: String,
    is_new: bool,
    credential: Option<Value>,
}

/// Adds it.
pub(super) fn run(arguments: &AddArguments) -> Result<ExitCode, Failure> {
    let added = with(&arguments.of, Needs::Serving, async |port| {
        add(arguments, port).await
    })?;
    let Added {
        name, credential, ..
    } = &added;
    if arguments.json {
        let said = json!({"provider": name, "is_new": added.is_new, "credential": credential});
        return Ok(print_json(&said));
    }
    let with_key = credential.as_ref().map_or_else(String::new, |one| {
        format!(
            " with the key {} ({})",
            cell(one, "/masked"),
            cell(one, "/id")
        )
    });
    Ok(answer(Ok(format!(
        "added {name}{with_key}; `gateway provider test {name}` tries it"
    ))))
}

async fn add(arguments: &AddArguments, port: &Port) -> Result<Added, Failure> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None if prompt::is_possible() => prompt::line(
            "The provider's name, such as openai (`gateway config catalog` lists all)",
        )?,
        None => {
            return Err(Failure::usage(
                "say which provider: `gateway provider add NAME`",
            ));
        }
    };
    if name.is_empty() {
        return Err(Failure::usage("a provider has a name"));
    }
    if let Some(project) = &arguments.project {
        port.get(&at("/admin/projects", &[project])).await?;
    }
    let known = port.find(&at("/admin/providers", &[&name])).await?;
    let Some(known) = known else {
        return make(arguments, port, name).await;
    };
    if arguments.describes() {
        return Err(format!("there is a provider `{name}` already; another name is needed").into());
    }
    let kind = known.get("kind").and_then(Value::as_str).map(str::to_owned);
    let like = config::Provider {
        kind,
        ..config::Provider::default()
    };
    let mut held = arguments.secrets.held(needs_key(like.entry(&name)))?;
    if held.as_object().is_none_or(Map::is_empty) {
        let message = format!("there is a provider `{name}` already, and no key to add to it");
        return Err(message.into());
    }
    arguments.name_key(&mut held);
    if let Some(members) = held.as_object_mut() {
        members.insert("provider".to_owned(), json!(name));
    }
    let credential = port.post("/admin/credentials", &held).await?;
    Ok(Added {
        name,
        is_new: false,
        credential: Some(credential),
    })
}

/// Makes a new one, with its key or not at all.
async fn make(arguments: &AddArguments, port: &Port, name: String) -> Result<Added, Failure> {
    let provider = described(arguments, &name)?;
    let mut held = arguments.secrets.held(needs_key(provider.entry(&name)))?;
    let has_key = held.as_object().is_some_and(|held| !held.is_empty());
    let mut body = json!({"name": name});
    if let Some(members) = body.as_object_mut() {
        if let Some(kind) = &provider.kind {
            members.insert("kind".to_owned(), json!(kind));
        }
        if let Some(url) = &provider.base_url {
            members.insert("base_url".to_owned(), json!(url));
        }
        if !provider.models.is_empty() {
            members.insert("models".to_owned(), json!(provider.models));
        }
        if !provider.settings.is_empty() {
            members.insert("settings".to_owned(), json!(provider.settings));
        }
        if has_key {
            arguments.name_key(&mut held);
            members.insert("credential".to_owned(), held);
        }
    }
    port.post("/admin/providers", &body).await?;
    let credential = match has_key {
        true => {
            let of_provider = [
                ("provider", Some(name.clone())),
                ("limit", Some("1".to_owned())),
            ];
            let page = port
                .get(&with_query("/admin/credentials", &of_provider))
                .await?;
            page.pointer("/data/0").cloned()
        }
        false => None,
    };
    Ok(Added {
        name,
        is_new: true,
        credential,
    })
}

fn needs_key(entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| entry.key_required && entry.auth != Auth::None)
}

impl AddArguments {
    /// Whether it says what a provider is like, and not only which.
    fn describes(&self) -> bool {
        self.kind.is_some()
            || self.base_url.is_some()
            || !self.models.is_empty()
            || !self.settings.is_empty()
    }

    /// Says what the key is called, and whose it is.
    fn name_key(&self, held: &mut Value) {
        for (name, value) in [("label", &self.label), ("project_id", &self.project)] {
            if let (Some(value), Some(held)) = (value, held.as_object_mut()) {
                held.insert(name.to_owned(), json!(value));
            }
        }
    }
}

/// What the configuration would say of a new one. What else is wrong with it the store's interface says.
fn described(arguments: &AddArguments, name: &str) -> Result<config::Provider, Failure> {
    let mut provider = config::Provider {
        kind: arguments.kind.clone(),
        base_url: arguments.base_url.clone(),
        models: arguments.models.clone(),
        settings: arguments.settings.iter().cloned().collect(),
        ..config::Provider::default()
    };
    let entry = provider.entry(name);
    if let (Some(kind), None) = (&provider.kind, entry) {
        let message = format!("`{kind}` is not in the catalog; `gateway config catalog` lists it");
        return Err(message.into());
    }
    let is_known = entry.is_some_and(|entry| entry.base_url.is_some());
    if !is_known && provider.base_url.is_none() && prompt::is_possible() {
        let said = prompt::line("Where its API lives, such as https://api.example.com/v1")?;
        provider.base_url = Some(said).filter(|said| !said.is_empty());
    }
    let Some(url) = &mut provider.base_url else {
        return match is_known {
            true => Ok(provider),
            false => Err(Failure::usage(format!(
                "`{name}` is not in the catalog, or has no usual address; say where its API lives with \
                 --base-url https://api.example.com/v1"
            ))),
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
        false => Err(Failure::usage(
            "--base-url takes a URL such as https://api.example.com/v1, without a user or a query in it",
        )),
    }
}
