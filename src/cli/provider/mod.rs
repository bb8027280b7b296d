//! `gateway provider`: whom the gateway calls, with which keys, and how they are doing.

mod add;
mod health;
mod list;
mod reencrypt;
mod remove;
mod rotate;
mod secrets;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use super::failure::Failure;

/// The subcommands of `gateway provider`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum ProviderCommand {
    /// Add a provider, or another key for one; asks for what is not said
    Add(Box<add::AddArguments>),
    /// List providers and the keys that the store holds for them
    List(list::ListArguments),
    /// Give a stored key another secret; asks for it
    Rotate(rotate::RotateArguments),
    /// Remove a key, or a provider of the store with all its keys
    Remove(remove::RemoveArguments),
    /// Ask a provider for its list of models with each of its keys: that spends nothing
    Test(test::TestArguments),
    /// Show how each provider of the running gateway is doing, and each model that was asked there
    Health(health::HealthArguments),
    /// Seal all stored keys under the first key of GATEWAY_ENCRYPTION_KEY
    Reencrypt(reencrypt::ReencryptArguments),
}

/// Runs the command.
pub(super) fn run(command: &ProviderCommand) -> ExitCode {
    let done = match command {
        ProviderCommand::Add(arguments) => add::run(arguments),
        ProviderCommand::List(arguments) => list::run(arguments),
        ProviderCommand::Rotate(arguments) => rotate::run(arguments),
        ProviderCommand::Remove(arguments) => remove::run(arguments),
        ProviderCommand::Test(arguments) => test::run(arguments),
        ProviderCommand::Health(arguments) => health::run(arguments),
        ProviderCommand::Reencrypt(arguments) => reencrypt::run(arguments),
    };
    done.unwrap_or_else(Failure::report)
}
