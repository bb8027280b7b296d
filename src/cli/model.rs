//! `gateway model`: what clients may ask for.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    answer,
    failure::Failure,
    port::{Needs, Of, with},
    print_json,
    table::Table,
    view::cell,
};

/// The subcommands of `gateway model`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum ModelCommand {
    /// List the names that clients may ask for, and who serves them
    List(ListArguments),
}

/// How to list.
#[derive(Debug, Clone, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    of: Of,
    /// Those alone in whose name this is found
    filter: Option<String>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(command: &ModelCommand) -> ExitCode {
    let ModelCommand::List(arguments) = command;
    list(arguments).unwrap_or_else(Failure::report)
}

fn list(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let wanted = arguments.filter.as_deref().unwrap_or_default();
    let said = with(&arguments.of, Needs::Serving, async |port| {
        port.get("/admin/served-models").await
    })?;
    let models = said.get("data").and_then(Value::as_array);
    let models = models.into_iter().flatten();
    let models: Vec<&Value> = models
        .filter(|model| cell(model, "/name").contains(wanted))
        .collect();
    Ok(match (arguments.json, models.is_empty()) {
        (true, _) => print_json(&models),
        (false, true) => answer(Ok(
            "there are no such models; `gateway provider add` adds a provider".to_owned(),
        )),
        (false, false) => answer(Ok(table(&models))),
    })
}

fn table(models: &[&Value]) -> String {
    let mut table = Table::titled(&["MODEL", "SERVED BY", "INPUT $/M", "OUTPUT $/M", "CONTEXT"]);
    for model in models {
        table.row([
            cell(model, "/name"),
            cell(model, "/served_by"),
            cell(model, "/input_price"),
            cell(model, "/output_price"),
            cell(model, "/context_tokens"),
        ]);
    }
    table.to_string()
}
