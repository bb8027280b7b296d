//! `gateway team` and `gateway project`: what keys belong to, and under which terms.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    BY, answer, fail, print_json,
    store::{Of, Opened, with},
    table::{NOTHING, Table},
    terms::{Setting, TermsArguments, put},
    time::shown,
};
use crate::{
    identity::Terms,
    store::{List, Record, StoreError, projects::Project, teams::Team},
};

/// The subcommands of `gateway team` and `gateway project`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum GroupCommand {
    /// Make one
    Create(WriteArguments),
    /// List all
    List {
        #[command(flatten)]
        of: Of,
        /// Print all that is known of them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change one; what is not said stays
    Update(WriteArguments),
    /// Delete one to which no keys belong that may be used: they would be free of its terms
    Delete {
        #[command(flatten)]
        of: Of,
        /// Its id
        id: String,
        /// Delete the keys that belong to it too
        #[arg(long)]
        with_keys: bool,
    },
}

/// How it is to be.
#[derive(Debug, Clone, Args)]
pub(super) struct WriteArguments {
    #[command(flatten)]
    of: Of,
    /// Its id, which keys are made with
    id: String,
    /// What people call it, or `none`
    #[arg(long, alias = "label")]
    alias: Option<Setting<String>>,
    /// The team that a project belongs to, or `none`
    #[arg(long)]
    team: Option<Setting<String>>,
    /// Its keys may not be used for now
    #[arg(long, conflicts_with = "unblock")]
    block: bool,
    /// Its keys may be used again
    #[arg(long)]
    unblock: bool,
    /// A header that a project's requests are sent to providers with; `PROVIDER:` before it names one. An
    /// empty value takes it away. It is no secret: for one, `gateway provider add PROVIDER --project ID
    /// --header-env NAME=VARIABLE`
    #[arg(long = "header", value_name = "[PROVIDER:]NAME=VALUE", value_parser = header)]
    headers: Vec<Header>,
    #[command(flatten)]
    terms: TermsArguments,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
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

/// A record that keys belong to.
pub(super) trait Group: Record + Clone {
    /// Where keys say that they belong to it.
    const COLUMN_OF_KEYS: &'static str;

    /// One of that id.
    fn new(id: &str) -> Self;
    /// What may be changed: alias, team, blocked, terms.
    fn parts(
        &mut self,
    ) -> (
        &mut Option<String>,
        Option<&mut Option<String>>,
        &mut bool,
        &mut Terms,
    );
    /// Why none may be made.
    fn refusal(opened: &Opened) -> Option<StoreError>;
}

impl Group for Team {
    const COLUMN_OF_KEYS: &'static str = "team_id";

    fn new(id: &str) -> Self {
        Team::new(id)
    }

    fn parts(
        &mut self,
    ) -> (
        &mut Option<String>,
        Option<&mut Option<String>>,
        &mut bool,
        &mut Terms,
    ) {
        (&mut self.alias, None, &mut self.blocked, &mut self.terms)
    }

    fn refusal(_: &Opened) -> Option<StoreError> {
        None
    }
}

impl Group for Project {
    const COLUMN_OF_KEYS: &'static str = "project_id";

    fn new(id: &str) -> Self {
        Project::new(id)
    }

    fn parts(
        &mut self,
    ) -> (
        &mut Option<String>,
        Option<&mut Option<String>>,
        &mut bool,
        &mut Terms,
    ) {
        let team = Some(&mut self.team_id);
        (&mut self.alias, team, &mut self.blocked, &mut self.terms)
    }

    fn refusal(opened: &Opened) -> Option<StoreError> {
        let why = "may not be made here; set ENABLE_MULTI_PROJECT=1, or store.projects: true";
        (!opened.config.store.projects).then(|| StoreError::invalid("project", why))
    }
}

/// Runs the command. Exits with 0, or with 1 where it failed.
pub(super) fn run<G: Group>(command: &GroupCommand) -> ExitCode {
    match command {
        GroupCommand::Create(arguments) => print::<G>(
            with(&arguments.of, async |opened| {
                if let Some(refusal) = G::refusal(opened) {
                    return Err(refusal);
                }
                let mut group = G::new(&arguments.id);
                change(&mut group, arguments)?;
                opened.store.create(group, BY).await
            }),
            arguments.json,
        ),
        GroupCommand::Update(arguments) => print::<G>(
            with(&arguments.of, async |opened| {
                let change = |group: &mut G| change(group, arguments);
                opened.store.update::<G>(&arguments.id, BY, change).await
            }),
            arguments.json,
        ),
        GroupCommand::List { of, json } => {
            let list = List::default().sorted("created_at", false);
            match with(of, async |opened| opened.store.list::<G>(&list).await) {
                Err(problem) => fail([problem]),
                Ok(mut groups) if *json => {
                    let views: Vec<Value> = groups.iter_mut().map(view).collect();
                    print_json(&views)
                }
                Ok(groups) if groups.is_empty() => answer(Ok(format!("there are no {}s", G::WHAT))),
                Ok(mut groups) => answer(Ok(table(&mut groups))),
            }
        }
        GroupCommand::Delete { of, id, with_keys } => {
            let deleted = with(of, async |opened| {
                let store = &opened.store;
                store
                    .delete_owner::<G>(id, G::COLUMN_OF_KEYS, *with_keys)
                    .await
            });
            answer(deleted.map(|(group, keys)| match keys {
                0 => format!("deleted the {} {}", G::WHAT, group.id()),
                keys => format!(
                    "deleted the {} {} and {keys} keys of it",
                    G::WHAT,
                    group.id()
                ),
            }))
        }
    }
}

fn change<G: Group>(group: &mut G, arguments: &WriteArguments) -> Result<(), StoreError> {
    let (alias, team, blocked, terms) = group.parts();
    put(alias, arguments.alias.as_ref());
    match (team, &arguments.team) {
        (Some(team), said) => put(team, said.as_ref()),
        (None, Some(_)) => return Err(StoreError::invalid("--team", "is for projects")),
        (None, None) => {}
    }
    *blocked = (*blocked || arguments.block) && !arguments.unblock;
    arguments.terms.apply(terms);
    if !arguments.headers.is_empty() && G::WHAT != Project::WHAT {
        return Err(StoreError::invalid("--header", "is for projects"));
    }
    for (provider, name, value) in &arguments.headers {
        let headers = terms.headers.entry(provider.clone()).or_default();
        match value.is_empty() {
            true => drop(headers.remove(name)),
            false => drop(headers.insert(name.clone(), value.clone())),
        }
    }
    terms.headers.retain(|_, headers| !headers.is_empty());
    Ok(())
}

fn print<G: Group>(group: Result<G, String>, json: bool) -> ExitCode {
    match group {
        Err(problem) => fail([problem]),
        Ok(mut group) if json => print_json(&view(&mut group)),
        Ok(group) => answer(Ok(table(&mut [group]))),
    }
}

fn view<G: Group>(group: &mut G) -> Value {
    let (id, stamps) = (group.id().to_owned(), group.stamps().clone());
    let (alias, team, blocked, terms) = group.parts();
    let mut terms = terms.clone();
    // People put tokens into headers all the same.
    for value in terms
        .headers
        .values_mut()
        .flat_map(|headers| headers.values_mut())
    {
        *value = "***".to_owned();
    }
    let mut view = json!({
        "id": id, "alias": alias, "blocked": blocked, "terms": terms,
        "spend": stamps.spend.to_string(), "total_spend": stamps.total_spend.to_string(),
        "created_at": shown(stamps.created_at), "updated_at": shown(stamps.updated_at),
    });
    if let (Some(team), Some(view)) = (team, view.as_object_mut()) {
        view.insert("team".to_owned(), json!(team));
    }
    view
}

fn table<G: Group>(groups: &mut [G]) -> String {
    let mut table = Table::titled(&[
        "ID", "ALIAS", "TEAM", "STATE", "MODELS", "RPM", "BUDGET", "SPENT", "CREATED",
    ]);
    let or_nothing = |value: Option<String>| value.unwrap_or_else(|| NOTHING.to_owned());
    for group in groups {
        let (id, stamps) = (group.id().to_owned(), group.stamps().clone());
        let (alias, team, blocked, terms) = group.parts();
        let models = Some(terms.models.join(", ")).filter(|models| !models.is_empty());
        table.row([
            id,
            or_nothing(alias.clone()),
            or_nothing(team.and_then(|team| team.clone())),
            match (&stamps.unreadable, *blocked) {
                (Some(_), _) => "unreadable",
                (None, true) => "blocked",
                (None, false) => "active",
            }
            .to_owned(),
            or_nothing(models),
            or_nothing(
                terms
                    .limits
                    .requests_per_minute
                    .map(|limit| limit.to_string()),
            ),
            or_nothing(terms.budget.max.map(|most| format!("${most}"))),
            or_nothing(
                (stamps.spend.pico() > 0).then(|| format!("${:.4}", stamps.spend.dollars())),
            ),
            shown(stamps.created_at),
        ]);
    }
    table.to_string()
}
