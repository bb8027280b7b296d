//! The `gateway` binary.
use clap::Parser;

#[derive(Parser)]
enum Command {
    /// The configuration: check it, show it, its schema
    #[command(subcommand)]
    Config(ai_gateway::cli::config::ConfigCommand),
}

fn main() -> std::process::ExitCode {
    let Command::Config(command) =
        Command::parse_from(std::iter::once("gateway".into()).chain(std::env::args_os().skip(1)));
    ai_gateway::cli::config::run(command)
}
