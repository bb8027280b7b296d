//! What types cannot say: references that lead nowhere, settings that contradict each other,
//! values that no server could use. Called by `load` once all sources are merged.

mod auth;
mod cache;
mod limits;
mod listen;
mod providers;
mod routing;
mod store;

pub(super) use routing::MAX_WEIGHT;

use super::{Config, Seconds};
use crate::yaml::{Positions, Problem};

/// What the checks see, and what they have found.
struct Check<'a> {
    config: &'a Config,
    positions: &'a Positions,
    /// Whether the built-in provider `demo` will be there.
    demo: bool,
    problems: Vec<Problem>,
}

/// All that is wrong with `config`. `positions` says where each value came from; with `demo` the
/// built-in provider of that name counts as there.
pub(super) fn validate(config: &Config, positions: &Positions, demo: bool) -> Vec<Problem> {
    let mut check = Check {
        config,
        positions,
        demo,
        problems: Vec::new(),
    };
    check.listen();
    check.auth();
    check.cache();
    check.limits();
    check.providers();
    check.routing();
    check.store();
    let mut problems = check.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

impl<'a> Check<'a> {
    /// Notes a problem with the value at `path`.
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(self.positions.problem(path, message));
    }

    /// Notes that `name`, at `path`, is none of `known`.
    fn unknown<'n>(
        &mut self,
        path: &str,
        message: String,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let problem = self.positions.problem(path, message);
        self.problems.push(problem.suggest(name, known));
    }

    /// The names of the providers that requests can go to.
    fn provider_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let demo = self.demo.then_some("demo");
        self.config.providers.keys().map(String::as_str).chain(demo)
    }

    fn globs(&mut self, path: &str, globs: &[String]) {
        for (index, glob) in globs.iter().enumerate() {
            if glob.trim().is_empty() {
                let path = format!("{path}.{index}");
                self.problem(
                    &path,
                    "is empty; write a model's name or a glob such as `gpt-*`",
                );
            }
        }
    }

    fn not_zero(&mut self, path: &str, timeout: Seconds) {
        if timeout.0 == 0.0 {
            self.problem(path, "no time at all; write a duration in seconds above 0");
        }
    }

    fn readable(&mut self, path: &str, file: &std::path::Path) {
        if let Err(error) = std::fs::read(file) {
            self.problem(path, format!("{} cannot be read: {error}", file.display()));
        }
    }
}

#[cfg(test)]
mod tests;
