//! The command line, one file per command.

pub mod config;
mod process;
mod reload;
mod start;
mod stop;
mod upgrade;

use std::{fmt::Display, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// An AI gateway: one base URL for every model of every provider.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, arg_required_else_help = true)]
pub struct Cli {
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
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs what the command line asks for. Exits with 0, or with 1 where it failed; clap exits with
/// 2 on wrong usage.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Start(arguments) => start::run(&arguments),
        Command::Stop(target) => answer(stop::run(&target)),
        Command::Reload(target) => answer(reload::run(&target)),
        Command::Upgrade(target) => answer(upgrade::run(&target)),
        Command::Config(command) => config::run(command),
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

/// Prints a result for people.
#[expect(clippy::print_stdout, reason = "the command line speaks to a terminal")]
fn answer(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => fail([said]),
    }
}

/// Prints what went wrong, a line each.
#[expect(clippy::print_stderr, reason = "the command line speaks to a terminal")]
fn fail(problems: impl IntoIterator<Item = impl Display>) -> ExitCode {
    for problem in problems {
        eprintln!("error: {problem}");
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
