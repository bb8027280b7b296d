//! `gateway config`: the schema, checking a file, what is in effect, the provider catalog.
#![expect(clippy::print_stdout, reason = "a command answers on standard output")]
#![expect(clippy::print_stderr, reason = "problems go to standard error")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use serde::Serialize;

use crate::{
    config::{self, Environment, Flags, Loaded},
    providers::catalog,
    yaml::Problem,
};

/// The subcommands of `gateway config`.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// Check a configuration file, together with the environment
    Check {
        /// The file; GATEWAY_CONFIG, or the environment alone, unless given
        file: Option<PathBuf>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the configuration in effect as JSON, secrets as ***
    Show {
        /// The file; GATEWAY_CONFIG, or the environment alone, unless given
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print problems, if there are any, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the providers that are known by name
    Catalog {
        /// Print all that is known of them as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `check --json` prints, and `show --json` where there are problems.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    problems: &'a [Problem],
    warnings: &'a [String],
}

/// Runs the command on this process's environment. Exits with 0, or 1 where the configuration has
/// problems; clap exits with 2 on wrong usage.
pub fn run(command: ConfigCommand) -> ExitCode {
    let environment = Environment::of_process();
    match command {
        ConfigCommand::Schema => print_json(&config::schema()),
        ConfigCommand::Check { file, json } => check(file.as_deref(), &environment, json),
        ConfigCommand::Show { config, json } => show(config.as_deref(), &environment, json),
        ConfigCommand::Catalog { json: true } => print_json(catalog()),
        ConfigCommand::Catalog { json: false } => print_catalog(),
    }
}

fn check(file: Option<&Path>, environment: &Environment, json: bool) -> ExitCode {
    match config::load(file, environment, &Flags::default()) {
        Ok(loaded) if json => print_json(&Report {
            ok: true,
            problems: &[],
            warnings: &loaded.warnings,
        }),
        Ok(loaded) => {
            print_warnings(&loaded.warnings);
            println!("{}", summary(&loaded));
            ExitCode::SUCCESS
        }
        Err(problems) => print_problems(&problems, json),
    }
}

fn show(file: Option<&Path>, environment: &Environment, json: bool) -> ExitCode {
    match config::load(file, environment, &Flags::default()) {
        Ok(loaded) => {
            print_warnings(&loaded.warnings);
            print_json(&loaded.config)
        }
        Err(problems) => print_problems(&problems, json),
    }
}

/// What was found sound, in one line.
fn summary(loaded: &Loaded) -> String {
    let source = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "the environment".to_owned(),
    };
    let names: Vec<&str> = loaded.config.providers.keys().map(String::as_str).collect();
    match names.as_slice() {
        [] => format!("{source} is sound; no provider is configured"),
        names => format!("{source} is sound; providers: {}", names.join(", ")),
    }
}

fn print_catalog() -> ExitCode {
    println!("{:<12} {:<58} SET", "NAME", "BASE URL");
    for (name, entry) in catalog() {
        let variables = if entry.base_url_env.is_empty() {
            &entry.key_env
        } else {
            &entry.base_url_env
        };
        let base_url = entry.base_url.as_deref().unwrap_or("-");
        println!("{name:<12} {base_url:<58} {}", variables.join(" or "));
    }
    ExitCode::SUCCESS
}

fn print_warnings(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

fn print_problems(problems: &[Problem], json: bool) -> ExitCode {
    if json {
        print_json(&Report {
            ok: false,
            problems,
            warnings: &[],
        });
    } else {
        for problem in problems {
            eprintln!("{problem}");
        }
    }
    ExitCode::FAILURE
}

fn print_json(value: &impl Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot be written as JSON: {error}");
            ExitCode::FAILURE
        }
    }
}
