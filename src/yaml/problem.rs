//! One thing that is wrong with the configuration, told so that the operator can fix it.

use std::fmt;

use serde::Serialize;

/// Something wrong in a file, in the environment or on the command line.
///
/// The message never holds the value of a variable or of a field that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, or `environment`, `command line`, `configuration` where there is none.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
    /// The column in characters, from 1; 0 where there is none.
    pub column: u32,
    /// The dotted path of the key (`providers.openai.base_url`) or the variable's name; may be
    /// empty.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// A name close to the one that is wrong.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem that stands on no line of `file`.
    pub fn without_place(file: &str, key: &str, message: impl Into<String>) -> Self {
        Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: key.to_owned(),
            message: message.into(),
            suggestion: None,
        }
    }

    /// Adds the one of `names` that is closest to `name`, where one is close.
    #[must_use]
    pub fn suggest<'a>(mut self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.suggestion = nearest(name, names).map(str::to_owned);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if self.line > 0 {
            write!(formatter, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(formatter, ": {}", self.key)?;
        }
        write!(formatter, ": {}", self.message)?;
        match &self.suggestion {
            Some(name) => write!(formatter, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

/// The one of `names` that someone who typed `name` most likely meant, if any is close enough.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    names
        .into_iter()
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&wanted, &known.to_ascii_lowercase());
            (distance, known)
        })
        .filter(|(distance, known)| distance * 3 <= wanted.chars().count().max(known.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compiler_message() {
        let problem = Problem {
            line: 12,
            column: 5,
            ..Problem::without_place(
                "gateway.yaml",
                "providers.opnai",
                "unknown provider `opnai`",
            )
        };
        assert_eq!(
            problem.suggest("opnai", ["openai", "groq"]).to_string(),
            "gateway.yaml:12:5: providers.opnai: unknown provider `opnai`; did you mean `openai`?"
        );
    }

    #[test]
    fn suggests_only_what_is_close() {
        assert_eq!(nearest("prot", ["port", "admin_port"]), Some("port"));
        assert_eq!(nearest("zebra", ["port", "admin_port"]), None);
        assert_eq!(nearest("", ["port"]), None);
    }
}
