//! YAML files → typed values, with the place of every key kept, so that whatever is wrong with a
//! file can be said with file, line and column. Configuration and the provider catalog come
//! through here; `parse` is the only file that knows the YAML crate.

mod deserialize;
mod failure;
mod parse;
mod positions;
mod problem;
mod scalar;
mod substitute;
mod tree;

use serde::de::DeserializeOwned;

pub use positions::Positions;
pub use problem::{Problem, nearest};

use failure::Failure;
use tree::{Node, Value};

/// Where a node stands: line and column, both from 1.
type Place = (u32, u32);

/// A file with more mistakes than this has another one behind them.
const PROBLEMS_SHOWN: usize = 50;

/// Reads `text`, the content of the file that messages call `file`, into a `T`.
///
/// `${NAME}`, `${NAME:-default}` and a whole `os.environ/NAME` in values are replaced by what
/// `lookup` answers; `$$` is a plain `$`. What comes from there is never read as YAML, so it
/// cannot add keys, but a number or a boolean in it still fits a field of that type.
///
/// # Errors
/// All the problems that could be found, in the order of the file.
pub fn read<T: DeserializeOwned>(
    file: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(T, Positions), Vec<Problem>> {
    let mut problems = Vec::new();
    let report = |failure: Failure| failure.into_problem(file);
    let (mut root, failures) = parse::parse(text).map_err(|failure| vec![report(failure)])?;
    problems.extend(failures.into_iter().map(report));
    let failures = substitute::substitute(&mut root, lookup);
    for failure in failures {
        root.remove(failure.id);
        problems.push(report(failure));
    }
    let value = loop {
        match T::deserialize(&root) {
            Ok(value) => break Some(value),
            Err(failure) => {
                // Serde stops at the first mistake. Taking it out and reading again finds the
                // next one; a key missing because it was taken out is not a second mistake.
                let id = failure.id;
                if !(failure.missing && root.is_maimed(id)) {
                    problems.push(report(failure));
                }
                if problems.len() >= PROBLEMS_SHOWN || !root.remove(id) {
                    break None;
                }
            }
        }
    };
    match value {
        Some(value) if problems.is_empty() => Ok((value, Positions::of(file, &root))),
        _ => {
            problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests;
