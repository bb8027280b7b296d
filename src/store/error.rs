//! What can go wrong with the store, in words for the operator. No URL and no secret is in them.

use thiserror::Error;

/// Why the store did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The URL names no database that is known.
    #[error(
        "the database URL is not understood: {0}; write postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE"
    )]
    Url(String),
    /// A file or folder cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database does not answer, or not in time. It may later.
    #[error("the database is away: {0}")]
    Away(String),
    /// The database answers, and does not do it now: it deadlocked, it is a standby, it has been told to
    /// give up. It may later.
    #[error("the database does not do it: {0}")]
    Unable(String),
    /// The database refuses what a statement holds, now and later.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be brought up to date: {0}")]
    Migration(String),
    /// The schema is of an earlier version, and whoever opened the store would not change it.
    #[error("the store's schema is of an earlier version (it lacks `{step}`)")]
    Outdated {
        /// The first step that is missing.
        step: &'static str,
    },
    /// A record does not hold what this version expects.
    #[error("the {what} in the store cannot be read: {why}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// There is no such record.
    #[error("there is no {what} `{reference}`")]
    NotFound {
        /// What it would be.
        what: &'static str,
        /// How it was asked for.
        reference: String,
    },
    /// Several records go by that name.
    #[error("several {what}s are called `{reference}`: {ids}; name one by its id")]
    Ambiguous {
        /// What they are.
        what: &'static str,
        /// How they were asked for.
        reference: String,
        /// Which they are.
        ids: String,
    },
    /// There is such a record already.
    #[error("there is a {what} `{reference}` already")]
    Exists {
        /// What it is.
        what: &'static str,
        /// What it is called.
        reference: String,
    },
    /// Keys belong to a record that was to be deleted.
    #[error("{count} keys belong to the {what} `{reference}`, and would be free of its limits")]
    Used {
        /// What it is.
        what: &'static str,
        /// What it is called.
        reference: String,
        /// How many keys.
        count: usize,
    },
    /// A credential was sealed under an encryption key that is not there.
    #[error(
        "the credential is sealed under the encryption key {key}, which is not among those of \
         GATEWAY_ENCRYPTION_KEY; add that key behind the current one, with a comma between"
    )]
    Sealed {
        /// The encryption key's id.
        key: String,
    },
    /// A value cannot be taken.
    #[error("{field} {why}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What it takes.
        why: String,
    },
}

impl StoreError {
    /// Whether it is the database's fault and not that of what it was given, so that the same may succeed
    /// later.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Away(_) | StoreError::Unable(_))
    }

    /// A value that cannot be taken.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        StoreError::Invalid {
            field,
            why: why.into(),
        }
    }

    /// A record that is not there. What may be a key is not repeated.
    pub fn not_found(what: &'static str, reference: &str) -> Self {
        let reference = reference.to_owned();
        StoreError::NotFound { what, reference }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Away(error.to_string()),
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
                StoreError::Refused(error.to_string())
            }
            sqlx::Error::Database(answer) => {
                let message = answer.message().to_owned();
                match answer.code().as_deref().map_or(Fault::Unable, fault) {
                    Fault::Away => StoreError::Away(message),
                    Fault::Unable => StoreError::Unable(message),
                    Fault::Values => StoreError::Refused(message),
                }
            }
            _ => StoreError::Unable(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let message = error.to_string();
        let code = error.sqlite_error().map(|error| error.extended_code);
        match code.map_or(Fault::Unable, |code| fault(&code.to_string())) {
            Fault::Away => StoreError::Away(message),
            Fault::Unable => StoreError::Unable(message),
            Fault::Values => StoreError::Refused(message),
        }
    }
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The connection's, or there is none.
    Away,
    /// The database's, for now.
    Unable,
    /// That of the values it was given.
    Values,
}

/// Whose fault a code says it is: Postgres's SQLSTATE has five characters, SQLite's result codes are
/// numbers of up to four digits (<https://www.postgresql.org/docs/current/errcodes-appendix.html>,
/// <https://www.sqlite.org/rescode.html>).
fn fault(code: &str) -> Fault {
    if code.len() == 5 {
        let is = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
        // Cardinality, data, constraints, limits of the program.
        if is(&["21", "22", "23", "54"]) {
            return Fault::Values;
        }
        // Connection lost, out of connections, shutting down, starting up.
        return match is(&["08", "53", "57P"]) {
            true => Fault::Away,
            false => Fault::Unable,
        };
    }
    match code.parse::<i64>().map(|code| code & 0xff) {
        // Too big, a constraint, a wrong type.
        Ok(18..=20) => Fault::Values,
        // Busy, locked, an error of the disk, a full one, no file.
        Ok(5 | 6 | 10 | 13 | 14) => Fault::Away,
        _ => Fault::Unable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_alone_are_at_fault_for_what_will_never_be_taken() {
        for code in ["21000", "22001", "23505", "54000", "19", "2067", "18", "20"] {
            assert_eq!(fault(code), Fault::Values, "{code}");
        }
        for code in [
            "40001", "40P01", "55P03", "57014", "25006", "XX000", "58030", "42P01", "42501", "7",
            "8", "1", "odd",
        ] {
            assert_eq!(fault(code), Fault::Unable, "{code}");
        }
        for code in ["08006", "53300", "57P01", "5", "261", "10", "13", "14"] {
            assert_eq!(fault(code), Fault::Away, "{code}");
        }
        assert!(StoreError::Unable(String::new()).is_away());
    }
}
