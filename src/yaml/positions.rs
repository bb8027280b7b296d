//! Where each key of a file stands, for checks that run after the file was read.

use std::collections::HashMap;

use super::{Node, Place, Value, problem::Problem};

/// The places of a file's keys by dotted path, sequences by index: `routes.0.pool`.
#[derive(Debug, Clone)]
pub struct Positions {
    file: String,
    places: HashMap<String, Place>,
    /// Paths whose value came from elsewhere: path → (`environment`, `GATEWAY_PORT`).
    sources: HashMap<String, (&'static str, String)>,
}

impl Default for Positions {
    /// Those of no file at all.
    fn default() -> Self {
        Positions {
            file: "configuration".to_owned(),
            places: HashMap::new(),
            sources: HashMap::new(),
        }
    }
}

impl Positions {
    pub(super) fn of(file: &str, root: &Node) -> Self {
        let mut positions = Positions {
            file: file.to_owned(),
            ..Positions::default()
        };
        positions.collect(root);
        positions
    }

    fn collect(&mut self, node: &Node) {
        match &node.value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    // A collection begins on the line below its key; the key is what to point at.
                    let place = match &value.value {
                        Value::Scalar(_) => value.place,
                        _ => key.place,
                    };
                    self.places.insert(value.path.clone(), place);
                    self.collect(value);
                }
            }
            Value::Sequence(items) => {
                for item in items {
                    self.places.insert(item.path.clone(), item.place);
                    self.collect(item);
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
    }

    /// Whether the file has something at `path`.
    pub fn knows(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Line and column of the value at `path`, or of its key where the value is a collection.
    /// `None` where the file does not set it.
    pub fn get(&self, path: &str) -> Option<(u32, u32)> {
        self.places.get(path).copied()
    }

    /// Whether the file sets `path`.
    pub fn contains(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Whether the file, the environment or the command line sets `path`.
    pub fn is_set(&self, path: &str) -> bool {
        self.contains(path) || self.sources.contains_key(path)
    }

    /// Notes that the value at `path` came from `name` of `source` (`environment`,
    /// `command line`), so that a problem with it names that instead of a line.
    pub fn set_source(&mut self, path: &str, source: &'static str, name: &str) {
        self.sources
            .insert(path.to_owned(), (source, name.to_owned()));
    }

    /// A problem with the value at `path`, at its place or that of the nearest key around it.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        let mut around = path;
        loop {
            if let Some((source, name)) = self.sources.get(around) {
                return Problem::without_place(source, name, message);
            }
            if let Some((line, column)) = self.get(around) {
                let problem = Problem::without_place(&self.file, path, message);
                return Problem {
                    line,
                    column,
                    ..problem
                };
            }
            match around.rsplit_once('.') {
                Some((parent, _)) => around = parent,
                None => return Problem::without_place(&self.file, path, message),
            }
        }
    }
}
