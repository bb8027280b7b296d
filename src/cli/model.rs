//! `gateway model`: what clients may ask for.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    answer, fail, print_json,
    store::{Of, with},
    table::{NOTHING, Table},
};
use crate::{
    health::Health,
    snapshot::{self, Lasting},
    store::StoreError,
    upstream::{discovery::Hosts, google::Tokens},
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

/// A name, for programs.
#[derive(Serialize)]
struct View {
    name: String,
    /// Who is asked, in order: `provider/model`.
    served_by: Vec<String>,
    /// Dollars per million tokens of the first, where its price is known.
    input_price: Option<f64>,
    output_price: Option<f64>,
    context_tokens: Option<u64>,
}

/// Runs the command. Exits with 0, or with 1 where it failed.
pub(super) fn run(command: &ModelCommand) -> ExitCode {
    let ModelCommand::List(arguments) = command;
    let views = with(&arguments.of, async |opened| {
        let serving = opened.store.serving(&opened.sealer).await?;
        let (config, mut problems) = snapshot::merged(&opened.config, &serving);
        problems.extend(serving.problems);
        super::warn(&problems);
        let (hosts, tokens, health) = (Hosts::default(), Tokens::default(), Health::default());
        let lasting = Lasting {
            hosts: &hosts,
            tokens: &tokens,
            health: &health,
            keys: &Arc::default(),
        };
        let built = snapshot::build(config, lasting);
        let built = built.map_err(|problems| StoreError::Refused(problems.join("\n")))?;
        let wanted = arguments.filter.as_deref().unwrap_or_default();
        let names = built.router.models().into_iter();
        let names = names.filter(|(name, _)| name.contains(wanted));
        Ok(names
            .map(|(name, _)| view(&built, name))
            .collect::<Vec<View>>())
    });
    match views {
        Err(problem) => fail([problem]),
        Ok(views) if arguments.json => print_json(&views),
        Ok(views) if views.is_empty() => answer(Ok(
            "there are no such models; `gateway provider add` adds a provider".to_owned(),
        )),
        Ok(views) => answer(Ok(table(&views))),
    }
}

fn view(snapshot: &crate::gateway::Snapshot, name: String) -> View {
    let stage = snapshot.router.fallback(&name, None);
    let candidates = stage.map(|stage| stage.candidates()).unwrap_or_default();
    let served_by = candidates
        .iter()
        .map(|candidate| format!("{}/{}", candidate.provider.name, candidate.model))
        .collect();
    let first = candidates.first();
    let price = first.and_then(|first| first.provider.price(&first.model));
    // A millionth of a dollar per token is a dollar per million tokens.
    let dollars = |pico: u64| pico as f64 / 1e6;
    View {
        name,
        served_by,
        input_price: price
            .as_ref()
            .map(|price| dollars(price.tariff.rates.input)),
        output_price: price
            .as_ref()
            .map(|price| dollars(price.tariff.rates.output)),
        context_tokens: price.as_ref().and_then(|price| price.context_tokens),
    }
}

fn table(views: &[View]) -> String {
    let mut table = Table::titled(&["MODEL", "SERVED BY", "INPUT $/M", "OUTPUT $/M", "CONTEXT"]);
    let shown = |value: Option<String>| value.unwrap_or_else(|| NOTHING.to_owned());
    for view in views {
        table.row([
            view.name.clone(),
            view.served_by.join(", "),
            shown(view.input_price.map(|price| price.to_string())),
            shown(view.output_price.map(|price| price.to_string())),
            shown(view.context_tokens.map(|tokens| tokens.to_string())),
        ]);
    }
    table.to_string()
}
