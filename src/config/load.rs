//! From defaults, file, environment and flags to one checked configuration.

use std::{
    fs,
    io::ErrorKind,
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::{Config, Environment, LogLevel, env, validate};
use crate::yaml::{self, Positions, Problem};

/// What the command line says. It is stronger than every other source.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--port`.
    pub port: Option<u16>,
    /// `--admin-port`.
    pub admin_port: Option<u16>,
    /// `--bind`.
    pub bind: Option<IpAddr>,
    /// `--dev`: no authentication and verbose logs.
    pub dev: bool,
    /// `--demo`: the caller adds the built-in provider `demo`, so routes may name it.
    pub demo: bool,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the operator should know, one sentence each. No secrets.
    pub warnings: Vec<String>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Whether the built-in provider is asked for.
    pub demo: bool,
}

/// Reads `file`, or the one that `GATEWAY_CONFIG` names, lets the environment and then the flags
/// override it, and checks the whole.
///
/// # Errors
/// All problems that could be found. References are only checked once everything can be read.
pub fn load(
    file: Option<&Path>,
    environment: &Environment,
    flags: &Flags,
) -> Result<Loaded, Vec<Problem>> {
    let file = match (file, environment.get("GATEWAY_CONFIG")) {
        (Some(file), _) => Some(file.to_owned()),
        (None, named) => named.map(PathBuf::from),
    };
    let mut problems = Vec::new();
    let (mut config, mut positions) = match &file {
        None => Default::default(),
        Some(file) => read(file, environment).unwrap_or_else(|found| {
            problems = found;
            Default::default()
        }),
    };
    let (warnings, found) = env::apply(environment, &mut config, &mut positions);
    problems.extend(found);
    apply_flags(flags, &mut config, &mut positions);
    if config.auth.dev && !positions.is_set("telemetry.log.level") {
        config.telemetry.log.level = LogLevel::Debug;
    }
    config.data_dir = config
        .data_dir
        .map(|directory| at_home(directory, environment));
    if problems.is_empty() {
        problems = validate::validate(&config, &positions, flags.demo);
    }
    if problems.is_empty() {
        Ok(Loaded {
            config,
            warnings,
            file,
            demo: flags.demo,
        })
    } else {
        Err(problems)
    }
}

fn read(file: &Path, environment: &Environment) -> Result<(Config, Positions), Vec<Problem>> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        vec![Problem::without_place(
            &name,
            "",
            format!("cannot be read: {why}"),
        )]
    })?;
    let lookup = |variable: &str| environment.get(variable).map(str::to_owned);
    yaml::read(&name, &text, &lookup)
}

fn apply_flags(flags: &Flags, config: &mut Config, positions: &mut Positions) {
    let mut overridden = |path, flag| positions.set_source(path, "command line", flag);
    if let Some(port) = flags.port {
        config.listen.port = port;
        overridden("listen.port", "--port");
    }
    if let Some(port) = flags.admin_port {
        config.listen.admin_port = port;
        overridden("listen.admin_port", "--admin-port");
    }
    if let Some(address) = flags.bind {
        config.listen.address = address;
        overridden("listen.address", "--bind");
    }
    if flags.dev {
        config.auth.dev = true;
        overridden("auth.dev", "--dev");
    }
}

/// `~/…` as a shell would read it: in YAML and in compose files no shell does.
fn at_home(directory: PathBuf, environment: &Environment) -> PathBuf {
    match (directory.strip_prefix("~"), environment.get("HOME")) {
        (Ok(below), Some(home)) => Path::new(home).join(below),
        _ => directory,
    }
}

/// The JSON Schema (draft 2020-12) of the configuration file, for editors.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    let mut ordered = serde_json::Map::new();
    ordered.insert("$schema".to_owned(), schema["$schema"].take());
    ordered.insert("title".to_owned(), "ai-gateway configuration".into());
    if let serde_json::Value::Object(rest) = schema {
        let rest = rest
            .into_iter()
            .filter(|(name, _)| !ordered.contains_key(name));
        let rest: Vec<_> = rest.collect();
        ordered.extend(rest);
    }
    ordered.into()
}

#[cfg(test)]
mod tests;
