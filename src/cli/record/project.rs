//! `gateway project`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Said, team::Blocking};
use crate::cli::{
    failure::Failure,
    port::Port,
    terms::{Setting, TermsArguments, say},
};

/// What may be said of a project.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Project {
    /// What people call it, or `none`
    #[arg(long, alias = "label")]
    alias: Option<Setting<String>>,
    /// The team that it belongs to, or `none`
    #[arg(long)]
    team: Option<Setting<String>>,
    #[command(flatten)]
    blocking: Blocking,
    /// A header that its requests are sent to providers with; `PROVIDER:` before it names one. An empty value
    /// takes it away. It is no secret: for one, `gateway provider add PROVIDER --project ID --header-env
    /// NAME=VARIABLE`
    #[arg(long = "header", value_name = "[PROVIDER:]NAME=VALUE", value_parser = header)]
    headers: Vec<Header>,
    #[command(flatten)]
    terms: TermsArguments,
}

/// A header: provider, name, value.
type Header = (String, String, String);

fn header(text: &str) -> Result<Header, String> {
    let wrong = || "takes NAME=VALUE, or PROVIDER:NAME=VALUE".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (provider, name) = name.rsplit_once(':').unwrap_or(("*", name));
    match name.is_empty() || provider.is_empty() {
        true => Err(wrong()),
        false => Ok((provider.to_owned(), name.to_owned(), value.to_owned())),
    }
}

impl Said for Project {
    const WHAT: &'static str = "project";
    const PATH: &'static str = "/admin/projects";
    const OF_KEYS: &'static str = "project_id";

    fn is_partial(&self) -> bool {
        self.terms.is_partial()
    }

    fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        say(body, "alias", self.alias.as_ref());
        say(body, "team_id", self.team.as_ref());
        self.blocking.say(body);
        self.terms.say(body, current);
        let mut headers: Map<String, Value> = Map::new();
        for (provider, name, value) in &self.headers {
            let own = headers.entry(provider).or_insert_with(|| json!({}));
            if let Some(own) = own.as_object_mut() {
                own.insert(name.clone(), json!(value));
            }
        }
        if !headers.is_empty() {
            body.insert("set_headers".to_owned(), Value::Object(headers));
        }
    }

    fn refusal(port: &Port) -> Option<Failure> {
        let is_closed = port
            .configuration()
            .is_some_and(|config| !config.store.projects);
        let why =
            "projects may not be made here; set ENABLE_MULTI_PROJECT=1, or store.projects: true";
        is_closed.then(|| why.to_owned().into())
    }
}
