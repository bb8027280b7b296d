//! `gateway admin openapi`.

use std::process::ExitCode;

use clap::Subcommand;

use super::print_json;
use crate::admin;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Print the OpenAPI document of the admin interface
    Openapi,
}

pub(super) fn run(command: &AdminCommand) -> ExitCode {
    match command {
        AdminCommand::Openapi => print_json(&admin::document()),
    }
}
