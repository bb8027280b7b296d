//! The environment's part in the configuration. The only file that reads the environment.

mod inert;
mod kubernetes;
mod providers;
mod routing;
mod settings;

use std::{collections::BTreeMap, env};

use super::Config;
use crate::yaml::{Positions, Problem, nearest};

/// Environment variables, apart from the process's own so that tests need no globals.
///
/// An empty variable counts as one that is not set, since that is how people switch one off in
/// compose files and shells.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. Those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        env::vars_os().filter_map(text).collect()
    }

    /// The variable's value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set, and its value.
    fn first<'a>(&'a self, names: &'a [impl AsRef<str>]) -> Option<(&'a str, &'a str)> {
        names
            .iter()
            .find_map(|name| Some((name.as_ref(), self.get(name.as_ref())?)))
    }

    /// The names of the variables that are set.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| self.get(name).is_some())
    }
}

impl<Name: Into<String>, Value: Into<String>> FromIterator<(Name, Value)> for Environment {
    fn from_iter<Pairs: IntoIterator<Item = (Name, Value)>>(pairs: Pairs) -> Self {
        Environment(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// What the environment says, as it goes into the configuration.
struct Applying<'a> {
    environment: &'a Environment,
    config: &'a mut Config,
    positions: &'a mut Positions,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

impl Applying<'_> {
    /// A variable whose value cannot be used. The value may be a secret and is not shown.
    fn refuse(&mut self, variable: &str, takes: &str) {
        let message = format!("takes {takes}");
        self.problems
            .push(Problem::without_place("environment", variable, message));
    }
}

/// Lets the environment override `config`; `positions` learns which values came from it.
/// Answers warnings for the operator, and problems with the variables' values.
pub(super) fn apply(
    environment: &Environment,
    config: &mut Config,
    positions: &mut Positions,
) -> (Vec<String>, Vec<Problem>) {
    let (warnings, problems) = (Vec::new(), Vec::new());
    let mut applying = Applying {
        environment,
        config,
        positions,
        warnings,
        problems,
    };
    settings::apply(&mut applying);
    routing::apply(&mut applying);
    providers::apply(&mut applying);
    let Applying {
        mut warnings,
        problems,
        ..
    } = applying;
    warnings.extend(inert::warnings(environment));
    warnings.extend(unknown(environment));
    (warnings, problems)
}

/// Warnings about `GATEWAY_…` variables that nothing reads: a typo there is a setting lost.
fn unknown(environment: &Environment) -> impl Iterator<Item = String> {
    let known = || {
        settings::names()
            .chain(routing::names())
            .chain(inert::names())
    };
    let is_unknown = move |name: &&str| {
        name.starts_with("GATEWAY_")
            && !known().any(|other| other == *name)
            && !kubernetes::is_service_link(name)
    };
    environment
        .names()
        .filter(is_unknown)
        .map(move |name| match nearest(name, known()) {
            Some(other) => format!("{name} is not a known variable; did you mean {other}?"),
            None => format!("{name} is not a known variable"),
        })
}

#[cfg(test)]
mod tests;
