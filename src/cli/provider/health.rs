//! `gateway provider health`: how the providers of the gateway that runs are doing.

use std::process::ExitCode;

use clap::Args;

use super::super::{
    answer,
    failure::Failure,
    port::{Of, running},
    print_json,
    table::{NOTHING, Table},
};
use crate::admin::health::{ProviderReport, Report, TargetReport};

/// How to ask.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct HealthArguments {
    #[command(flatten)]
    of: Of,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the state. Exits with 1 where a provider is not well.
pub(super) fn run(arguments: &HealthArguments) -> Result<ExitCode, Failure> {
    let said = running(&arguments.of, async |port| port.get("/admin/health").await)?;
    let report: Report = serde_json::from_value(said.clone())
        .map_err(|error| format!("the gateway that runs is of another version: {error}"))?;
    let printed = match arguments.json {
        true => print_json(&said),
        false => answer(Ok(table(&report))),
    };
    Ok(
        match report.providers.values().all(|provider| provider.healthy) {
            true => printed,
            false => ExitCode::FAILURE,
        },
    )
}

/// Providers, the models that were asked there, and what is wrong.
fn table(report: &Report) -> String {
    let mut providers = Table::titled(&["PROVIDER", "STATE", "HOST", "CHECK", "RETRIES", "KEYS"]);
    let mut targets = Table::titled(&[
        "PROVIDER",
        "MODEL",
        "BREAKER",
        "UNDER WAY",
        "FIRST BYTE",
        "LAST MINUTE",
        "TOKENS",
    ]);
    let mut problems = Vec::new();
    for (name, provider) in &report.providers {
        providers.row(line(name, provider));
        for (model, target) in &provider.targets {
            targets.row(target_line(name, model, target));
        }
        let own = provider.problems.iter();
        problems.extend(own.map(|problem| format!("{name}: {problem}")));
    }
    let mut parts = vec![providers.to_string()];
    match report.providers.values().any(|one| !one.targets.is_empty()) {
        true => parts.push(targets.to_string()),
        false => parts.push("no model has been asked yet".to_owned()),
    }
    if !problems.is_empty() {
        parts.push(problems.join("\n"));
    }
    parts.join("\n\n")
}

fn line(name: &str, provider: &ProviderReport) -> [String; 6] {
    let budget = &provider.retry_budget;
    let keys = &provider.keys;
    let benched: Vec<String> = keys
        .benched
        .iter()
        .map(|key| format!("{} benched for {:.0} s", key.key, key.seconds_left))
        .collect();
    [
        name.to_owned(),
        if provider.healthy { "well" } else { "not well" }.to_owned(),
        provider.host.clone(),
        match provider.check.as_str() {
            "off" => NOTHING.to_owned(),
            check => check.to_owned(),
        },
        format!("{:.0} of {}", budget.left.floor(), budget.size),
        match (keys.count, benched.is_empty()) {
            (0, _) => NOTHING.to_owned(),
            (count, true) => count.to_string(),
            (count, false) => format!("{count}; {}", benched.join(", ")),
        },
    ]
}

fn target_line(name: &str, model: &str, target: &TargetReport) -> [String; 7] {
    let breaker = target.breaker.replace('_', " ");
    [
        name.to_owned(),
        model.to_owned(),
        match target.retry_in_seconds {
            Some(seconds) => format!("{breaker}, {seconds:.0} s"),
            None => breaker,
        },
        target.in_flight.to_string(),
        target
            .first_byte_ms
            .map_or_else(|| NOTHING.to_owned(), |ms| format!("{ms:.0} ms")),
        match target.requests_last_minute {
            1.0 => "1 request".to_owned(),
            count => format!("{count} requests"),
        },
        target.tokens_last_minute.to_string(),
    ]
}
