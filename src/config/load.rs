//! From defaults, file, environment and flags to one checked configuration.

use std::{
    fs,
    io::ErrorKind,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Config, Environment, LogLevel, Provider, env, validate};
use crate::{
    providers::with_version,
    yaml::{self, Positions, Problem},
};

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
    config.cache.tidy();
    config.rate_limiting.tidy();
    let (warnings, found) = env::apply(environment, &mut config, &mut positions);
    problems.extend(found);
    apply_flags(flags, &mut config, &mut positions);
    if config.auth.dev && !positions.is_set("telemetry.log.level") {
        config.telemetry.log.level = LogLevel::Debug;
    }
    config.data_dir = config
        .data_dir
        .map(|directory| at_home(directory, environment));
    for (name, provider) in &mut config.providers {
        tidy_base_url(name, provider);
    }
    config.pricing.file = config.pricing.file.map(|path| at_home(path, environment));
    if let Err(found) = config.pricing.read(file.as_deref()) {
        problems.extend(found);
    }
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
    let text = text(file, "")?;
    let lookup = |variable: &str| environment.get(variable).map(str::to_owned);
    yaml::read(&name, &text, &lookup)
}

/// The text of a file that the setting `key` names.
pub(super) fn text(file: &Path, key: &str) -> Result<String, Vec<Problem>> {
    fs::read_to_string(file).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        vec![Problem::without_place(
            &file.display().to_string(),
            key,
            format!("cannot be read: {why}"),
        )]
    })
}

/// What tells one state of a file from another.
pub type Stamp = (i64, i64, u64, u64);

/// A file's state now; `None` where there is no file.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let (time, part) = (metadata.mtime(), metadata.mtime_nsec());
    Some((time, part, metadata.len(), metadata.ino()))
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

/// Brings a base URL into the one form that is built upon: without a slash at its end, and with
/// `/v1` where a local server is named by host and port alone.
fn tidy_base_url(name: &str, provider: &mut Provider) {
    let local = provider.entry(name).is_some_and(|entry| entry.local);
    let Some(base_url) = &mut provider.base_url else {
        return;
    };
    base_url.truncate(base_url.trim_end_matches('/').len());
    let rest = base_url.split_once("://").map_or("", |(_, rest)| rest);
    if local && !rest.is_empty() && !rest.contains(['/', '?', '#']) {
        *base_url = with_version(base_url);
    }
}

/// The JSON Schema (draft 2020-12) of the configuration file, for editors.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config);
    let mut ordered = serde_json::Map::new();
    if let Some(dialect) = schema.remove("$schema") {
        ordered.insert("$schema".to_owned(), dialect);
    }
    schema.remove("title");
    ordered.insert("title".to_owned(), "ai-gateway configuration".into());
    if let serde_json::Value::Object(rest) = schema.to_value() {
        ordered.extend(rest);
    }
    ordered.into()
}

#[cfg(test)]
mod tests;
