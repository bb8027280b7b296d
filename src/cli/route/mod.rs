//! `gateway route`: where a request would go, and why, without sending it.

mod print;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    fail,
    port::{Of, running},
    print_json, warn,
};
use crate::{
    admin::decide::{Question, decide},
    config::{Environment, Flags},
    gateway::Snapshot,
    health::Health,
    routing::explain::Decision,
    snapshot::{self, Lasting},
    tasks::reload::Source,
    upstream::{discovery::Hosts, google::Tokens},
};

/// The subcommands of `gateway route`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum RouteCommand {
    /// Say where a request would go, and why; nobody is called
    Test(Box<TestArguments>),
}

/// The request, and whom to ask about it.
#[derive(Debug, Clone, Args)]
pub(super) struct TestArguments {
    /// The model that it asks for; else the one in its body
    #[arg(long)]
    model: Option<String>,
    /// The name of the gateway key that it is sent with
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The team; that of the key unless given
    #[arg(long)]
    team: Option<String>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A header; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The answer is to be streamed
    #[arg(long)]
    stream: bool,
    /// A file with the request's body, as a client would send it; - for standard input
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The configuration file; GATEWAY_CONFIG, or the environment alone, unless given
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// With the built-in provider, as `gateway start --demo`
    #[arg(long)]
    demo: bool,
    /// Ask the gateway that runs with this configuration, whose breakers may be open
    #[arg(long)]
    live: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json_output: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// Prints the decision. Exits with 0, or with 1 where nobody would be asked.
pub(super) fn run(command: &RouteCommand) -> ExitCode {
    let RouteCommand::Test(arguments) = command;
    let decision = match test(arguments) {
        Ok(decision) => decision,
        Err(problems) => return fail(problems),
    };
    if arguments.json_output || arguments.output == Output::Json {
        let printed = print_json(&decision);
        return match decision.error {
            Some(_) => ExitCode::FAILURE,
            None => printed,
        };
    }
    let printed = super::answer(Ok(print::table(&decision, arguments.live)));
    match &decision.error {
        Some(error) => fail([&error.message]),
        None => printed,
    }
}

fn test(arguments: &TestArguments) -> Result<Decision, Vec<String>> {
    let body = arguments.json.as_deref().map(read).transpose();
    let question = Question {
        model: arguments.model.clone(),
        key: arguments.key.clone(),
        team: arguments.team.clone(),
        tags: arguments.tags.clone(),
        headers: arguments.headers.iter().cloned().collect(),
        stream: arguments.stream,
        body: body.map_err(|problem| vec![problem])?,
    };
    if arguments.live {
        return ask(arguments, &question).map_err(|problem| vec![problem]);
    }
    let snapshot = snapshot(arguments)?;
    decide(&snapshot, &question).map_err(|error| vec![error.to_string()])
}

/// By the configuration alone, as `gateway start` reads it.
fn snapshot(arguments: &TestArguments) -> Result<Snapshot, Vec<String>> {
    let source = Source {
        file: arguments.config.clone(),
        environment: Environment::of_process(),
        flags: Flags {
            demo: arguments.demo,
            ..Flags::default()
        },
        // Nobody listens there, and nobody is called.
        demo_port: arguments.demo.then_some(0),
        seen: None,
    };
    let loaded = source
        .load()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    warn(&loaded.warnings);
    let (hosts, tokens, health) = (Hosts::default(), Tokens::default(), Health::default());
    let keys = Arc::default();
    let lasting = Lasting {
        hosts: &hosts,
        tokens: &tokens,
        health: &health,
        keys: &keys,
    };
    let snapshot = snapshot::build(loaded.config, lasting)?;
    tokens.assume_all();
    Ok(snapshot)
}

fn ask(arguments: &TestArguments, question: &Question) -> Result<Decision, String> {
    let of = Of {
        config: arguments.config.clone(),
        port: None,
        admin_url: None,
    };
    let question = serde_json::to_value(question).map_err(|error| error.to_string())?;
    let said = running(&of, async |port| {
        port.post("/admin/route/test", &question).await
    });
    let said = said.map_err(|failure| failure.message)?;
    serde_json::from_value(said)
        .map_err(|error| format!("the gateway that runs is of another version: {error}"))
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => io::stdin().read_to_string(&mut text).map(|_| text),
        false => fs::read_to_string(file),
    };
    read.map_err(|error| format!("{}: {error}", file.display()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header is written `NAME: VALUE`")?;
    Ok((name.trim().to_lowercase(), value.trim().to_owned()))
}
