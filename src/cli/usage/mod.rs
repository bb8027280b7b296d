//! `gateway usage`: what requests came to, of the gateway that runs, or of the store.

mod export;
mod reconcile;
mod reprice;
mod summary;
mod when;

use std::{process::ExitCode, time::SystemTime};

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::{
    answer,
    failure::{Failure, warn},
    port::Of,
    print_json,
};
use crate::{
    store::usage::{By, Scope},
    usage::reprice::How,
};
use export::Form;
use reconcile::ReconcileArguments;

/// The subcommands of `gateway usage`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum UsageCommand {
    /// Show requests, tokens and cost
    Summary {
        /// What to sum up by
        #[arg(long, default_value = "model", value_parser = by())]
        by: By,
        #[command(flatten)]
        which: Which,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print each request
    Export {
        #[command(flatten)]
        which: Which,
        /// How to print them
        #[arg(long, value_enum, default_value = "csv")]
        format: Form,
        /// The same as `--format jsonl`
        #[arg(long)]
        json: bool,
        /// Where to; standard output unless given
        #[arg(long, short, value_name = "FILE")]
        output: Option<std::path::PathBuf>,
    },
    /// Compare a provider's export of usage or costs with what is recorded. Exits with 1 where they differ
    Reconcile(Box<ReconcileArguments>),
    /// Price what is recorded anew, by the prices of now
    Reprice {
        #[command(flatten)]
        which: Which,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Also those from before all kinds of tokens were kept, by what is known of them
        #[arg(long)]
        incomplete: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

fn by() -> impl TypedValueParser<Value = By> {
    let names = By::ALL.map(By::name);
    PossibleValuesParser::new(names).try_map(|name| By::named(&name).ok_or("is not known"))
}

/// Which requests.
#[derive(Debug, Clone, Args)]
pub(super) struct Which {
    /// From when on: `7d`, `24h`, `2026-01-31` or `2026-01-31T12:00:00Z`
    #[arg(long, default_value = "30d", value_parser = when::parse)]
    since: SystemTime,
    /// Until when; now unless given
    #[arg(long, value_parser = when::parse)]
    until: Option<SystemTime>,
    /// Those of this gateway key alone: its id or label
    #[arg(long)]
    key: Option<String>,
    /// Those of this team alone
    #[arg(long)]
    team: Option<String>,
    /// Those of this user alone
    #[arg(long)]
    user: Option<String>,
    /// Those of this project alone
    #[arg(long)]
    project: Option<String>,
    /// Those that this provider served alone
    #[arg(long)]
    provider: Option<String>,
    /// Those that this model served alone
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    of: Of,
}

impl Which {
    /// The same for the store itself.
    fn scope(&self) -> Scope {
        let until = self.until.map_or(i64::MAX, when::milliseconds);
        Scope {
            since: when::milliseconds(self.since),
            until,
            key: self.key.clone(),
            team: self.team.clone(),
            user: self.user.clone(),
            project: self.project.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
        }
    }

    /// What the query of a route says of them.
    fn query(&self) -> Vec<(&'static str, Option<String>)> {
        let until = self
            .until
            .map(|until| when::shown(when::milliseconds(until)));
        vec![
            ("from", Some(when::shown(when::milliseconds(self.since)))),
            ("until", until),
            ("team_id", self.team.clone()),
            ("user_id", self.user.clone()),
            ("project_id", self.project.clone()),
            ("provider", self.provider.clone()),
            ("model", self.model.clone()),
        ]
    }
}

/// Runs a command of usage.
pub(super) fn run(command: &UsageCommand) -> ExitCode {
    let done = match command {
        UsageCommand::Summary { by, which, json } => summary::run(*by, which, *json),
        UsageCommand::Export {
            which,
            format,
            json,
            output,
        } => {
            let form = if *json { Form::Jsonl } else { *format };
            export::run(which, form, output.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        UsageCommand::Reconcile(arguments) => compare(arguments),
        UsageCommand::Reprice {
            which,
            dry_run,
            incomplete,
            json,
        } => {
            let how = How {
                is_dry: *dry_run,
                any: *incomplete,
            };
            price_anew(which, how, *json)
        }
    };
    done.unwrap_or_else(Failure::report)
}

fn compare(arguments: &ReconcileArguments) -> Result<ExitCode, Failure> {
    let comparison = reconcile::run(arguments)?;
    comparison.warnings.iter().for_each(|warning| warn(warning));
    let printed = match arguments.json {
        true => print_json(&comparison),
        false => answer(Ok(reconcile::table(&comparison))),
    };
    Ok(match comparison.within {
        true => printed,
        false => ExitCode::FAILURE,
    })
}

fn price_anew(which: &Which, how: How, json: bool) -> Result<ExitCode, Failure> {
    let report = reprice::run(which, how)?;
    Ok(match json {
        true => print_json(&report),
        false => answer(Ok(reprice::table(&report, how))),
    })
}
