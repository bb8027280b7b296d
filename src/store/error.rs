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
    /// The database refuses a statement.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be brought up to date: {0}")]
    Migration(String),
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
    /// Whether the database could not be reached, so that the same may succeed later.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Away(_))
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
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Away(error.to_string()),
            sqlx::Error::Database(refused) => {
                let code = refused.code();
                let is_away = match code.as_deref() {
                    // Postgres: connection lost, out of connections, shutting down, starting up.
                    Some(code) if code.len() == 5 => {
                        code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
                    }
                    // SQLite: busy, locked, disk I/O error, disk full.
                    Some(code) => {
                        let primary = code.parse::<i64>().map(|code| code & 0xff);
                        matches!(primary, Ok(5 | 6 | 10 | 13))
                    }
                    None => false,
                };
                match is_away {
                    true => StoreError::Away(refused.message().to_owned()),
                    false => StoreError::Refused(refused.message().to_owned()),
                }
            }
            _ => StoreError::Refused(error.to_string()),
        }
    }
}
