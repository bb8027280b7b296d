//! Why a node could not be read, before it is known which file it stands in.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::{
    Place,
    problem::{Problem, nearest},
    tree::{Node, Value},
};

/// Known keys are listed where none is close, up to this many.
const NAMES_LISTED: usize = 16;

/// A mistake, and the node that makes it.
#[derive(Debug, Default)]
pub(super) struct Failure {
    message: String,
    suggestion: Option<String>,
    /// Whether a key is missing, rather than there and wrong.
    pub(super) missing: bool,
    /// The node, 0 until [`Failure::at`].
    pub(super) id: usize,
    place: Place,
    path: String,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            ..Failure::default()
        }
    }

    /// A mistake in the YAML itself, where there is no node yet.
    pub(super) fn syntax(message: impl Into<String>, place: Place) -> Self {
        Failure {
            place,
            ..Failure::new(message)
        }
    }

    #[must_use]
    pub(super) fn with_path(self, path: String) -> Self {
        Failure { path, ..self }
    }

    /// Says which node it is about, unless an inner one has been named.
    #[must_use]
    pub(super) fn at(mut self, node: &Node) -> Self {
        if self.place != (0, 0) {
            return self;
        }
        self.id = node.id;
        self.place = node.place;
        self.path.clone_from(&node.path);
        if let Value::Scalar(scalar) = &node.value
            && let Some(written) = &scalar.written
            && scalar.text.len() >= 6
        {
            // What a variable held may be a secret; what the file says is not.
            self.message = self.message.replace(&scalar.text, written);
        }
        self
    }

    pub(super) fn into_problem(self, file: &str) -> Problem {
        Problem {
            file: file.to_owned(),
            line: self.place.0,
            column: self.place.1,
            key: self.path,
            message: self.message,
            suggestion: self.suggestion,
        }
    }

    fn unknown(kind: &str, name: &str, known: &[&'static str]) -> Self {
        let suggestion = nearest(name, known.iter().copied()).map(str::to_owned);
        let mut message = format!("unknown {kind} `{name}`");
        if suggestion.is_none() && !known.is_empty() && known.len() <= NAMES_LISTED {
            message.push_str(", not one of ");
            message.push_str(&known.join(", "));
        }
        Failure {
            suggestion,
            ..Failure::new(message)
        }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: Display>(message: T) -> Self {
        Failure::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Failure::new(format!(
            "expected {}, found {}",
            wanted(expected),
            kind(&found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // Numbers are not secrets and worth showing; strings may be.
        let found = match found {
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            other => kind(&other).to_owned(),
        };
        Failure::new(format!("expected {}, found {found}", wanted(expected)))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Failure::unknown("key", name, known)
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Failure::unknown("value", name, known)
    }

    fn missing_field(name: &'static str) -> Self {
        Failure {
            missing: true,
            ..Failure::new(format!("the key `{name}` is missing"))
        }
    }
}

/// What a type asks for, in the operator's words rather than Rust's.
fn wanted(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" | "u64" | "usize" => "a whole number that is not negative".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping of keys to values".into(),
        _ if words.starts_with("struct ") => "a mapping of keys to values".into(),
        _ if words.starts_with("enum ") || words == "variant identifier" => "a name".into(),
        _ => words,
    }
}

/// What was found instead. The value itself is left out, since it may be a secret.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        _ => "a string",
    }
}
