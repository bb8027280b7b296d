//! The command line, one file per command.

mod cache;
mod colour;
pub mod config;
mod failure;
mod key;
mod model;
mod openapi;
mod port;
mod process;
mod progress;
mod prompt;
mod provider;
mod record;
mod reload;
mod route;
mod start;
mod stop;
mod table;
mod terms;
mod time;
mod upgrade;
mod usage;
mod view;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;

use crate::config::Environment;
use failure::Failure;

/// An AI gateway: one base URL for every model of every provider.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, arg_required_else_help = true)]
pub struct Cli {
    /// When to print colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: colour::When,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway
    Start(start::StartArguments),
    /// Stop the gateway: requests in flight finish first
    Stop(process::Target),
    /// Make the gateway read its configuration anew
    Reload(process::Target),
    /// Replace the running gateway by this program without dropping a request
    Upgrade(process::Target),
    /// The configuration: check it, show it, its schema, known providers
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Virtual keys: make, list, change, rotate, revoke them
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Teams: what keys belong to, and under which terms
    #[command(subcommand)]
    Team(record::RecordCommand<record::team::Team>),
    /// Projects: teams with provider keys and headers of their own
    #[command(subcommand)]
    Project(record::RecordCommand<record::project::Project>),
    /// Users: whose keys are, and under which terms
    #[command(subcommand)]
    User(record::RecordCommand<record::user::User>),
    /// Budgets: what several keys may spend and ask for together
    #[command(subcommand)]
    Budget(record::RecordCommand<record::budget::Budget>),
    /// Models: what clients may ask for
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Providers: whom the gateway calls, with which keys, and how they are doing
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// Kept answers: how many there are, what they save, dropping them
    #[command(subcommand)]
    Cache(cache::CacheCommand),
    /// Routes: where a request would go, and why
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Usage: requests, tokens and cost
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    /// The admin interface: its OpenAPI document
    #[command(subcommand)]
    Admin(openapi::AdminCommand),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs what the command line asks for. Exits with 0 where it was done; else with a number of
/// [`failure::Kind`].
pub fn run() -> ExitCode {
    let command = Cli::command().color(colour::asked(std::env::args()));
    let matches = command.get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let environment = Environment::of_process();
    let no_color = environment.get("NO_COLOR").is_some();
    let is_dumb = environment.get("TERM") == Some("dumb");
    colour::decide(cli.color, no_color, is_dumb);
    match cli.command {
        Command::Start(arguments) => start::run(&arguments),
        Command::Stop(target) => answer(stop::run(&target)),
        Command::Reload(target) => answer(reload::run(&target)),
        Command::Upgrade(target) => answer(upgrade::run(&target)),
        Command::Config(command) => config::run(command),
        Command::Key(command) => key::run(&command),
        Command::Team(command) => record::run(&command),
        Command::Project(command) => record::run(&command),
        Command::User(command) => record::run(&command),
        Command::Budget(command) => record::run(&command),
        Command::Model(command) => model::run(&command),
        Command::Provider(command) => provider::run(&command),
        Command::Cache(command) => cache::run(command),
        Command::Route(command) => route::run(&command),
        Command::Usage(command) => usage::run(&command),
        Command::Admin(command) => openapi::run(&command),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "gateway",
                &mut std::io::stdout(),
            );
            ExitCode::SUCCESS
        }
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> ExitCode {
    answer(serde_json::to_string_pretty(value).map_err(|error| error.to_string()))
}

/// Prints a result for people.
fn answer(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(said) => {
            // Nobody is left to tell where the reader has gone, as in `gateway route test … | head`.
            let _ = writeln!(io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(said) => fail([said]),
    }
}

/// Prints what the operator should know, a line each.
fn warn(warnings: &[String]) {
    for warning in warnings {
        failure::warn(warning);
    }
}

/// Prints what went wrong, a line each.
fn fail(problems: impl IntoIterator<Item = impl Display>) -> ExitCode {
    for problem in problems {
        Failure::from(problem.to_string()).report();
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
