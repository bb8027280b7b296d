//! `gateway usage`: what requests came to, from the store itself, whether a gateway runs or not.

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
    answer, fail, print_json,
    process::{Target, data_directory},
    warn,
};
use crate::{
    config::Environment,
    store::{
        Location, Store,
        usage::{By, Scope},
    },
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
    target: Target,
}

impl Which {
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

    /// Where the store is.
    fn location(&self) -> Result<Location, String> {
        let environment = Environment::of_process();
        let config = self.target.config(&environment)?;
        let directory = data_directory(&config, &environment);
        let location = Location::of(config.store.database_url.as_ref(), &directory);
        let location = location.map_err(|error| error.to_string())?;
        match location.exists() {
            true => Ok(location),
            false => Err(format!(
                "nothing has been recorded yet in {}; say which gateway is meant with --config, or GATEWAY_DATA_DIR",
                directory.display()
            )),
        }
    }
}

/// Runs a command of usage. Exits with 0, or with 1 where the store cannot be read.
pub(super) fn run(command: &UsageCommand) -> ExitCode {
    match command {
        UsageCommand::Summary { by, which, json } => {
            match asked(which, async |store| store.sums(*by, &which.scope()).await) {
                Ok(sums) if *json => print_json(&summary::json(*by, which, &sums)),
                Ok(sums) => answer(Ok(summary::table(*by, &sums))),
                Err(problem) => fail([problem]),
            }
        }
        UsageCommand::Export {
            which,
            format,
            json,
            output,
        } => {
            let form = if *json { Form::Jsonl } else { *format };
            match export::run(which, form, output.as_deref()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(problem) => fail([problem]),
            }
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
    }
}

fn compare(arguments: &ReconcileArguments) -> ExitCode {
    let comparison = match reconcile::run(arguments) {
        Ok(comparison) => comparison,
        Err(problem) => return fail([problem]),
    };
    warn(&comparison.warnings);
    let printed = match arguments.json {
        true => print_json(&comparison),
        false => answer(Ok(reconcile::table(&comparison))),
    };
    match comparison.within {
        true => printed,
        false => ExitCode::FAILURE,
    }
}

fn price_anew(which: &Which, how: How, json: bool) -> ExitCode {
    match reprice::run(which, how) {
        Ok(report) if json => print_json(&report),
        Ok(report) => answer(Ok(reprice::table(&report, how))),
        Err(problem) => fail([problem]),
    }
}

/// Asks the store.
fn asked<T, E: std::fmt::Display>(
    which: &Which,
    ask: impl AsyncFnOnce(Store) -> Result<T, E>,
) -> Result<T, String> {
    let location = which.location()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let store = Store::open(&location)
            .await
            .map_err(|error| error.to_string())?;
        ask(store).await.map_err(|error| error.to_string())
    })
}
