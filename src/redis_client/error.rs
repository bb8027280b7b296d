//! How a call to Redis fails.

use redis::{RedisError, ServerErrorKind};

/// How a call to Redis fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server does not answer, and is left alone for a while.
    #[error("Redis at {0} is left alone for a while, because it did not answer")]
    Away(String),
    /// No answer in time.
    #[error("Redis did not answer in time")]
    Timeout,
    /// The connection broke, or what came is no Redis.
    #[error("Redis: {0}")]
    Broken(String),
    /// Redis refuses.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// Another member of the cluster has the key, for now (`is_asking`) or for good.
    #[error("Redis has the key at {address}")]
    Moved {
        /// Host and port.
        address: String,
        /// Whether only this once.
        is_asking: bool,
    },
    /// The script is not known there.
    #[error("Redis does not know the script")]
    NoScript,
    /// An answer of another kind than the command has.
    #[error("Redis sent what is no answer to the question")]
    Unexpected,
}

impl From<&RedisError> for Error {
    fn from(error: &RedisError) -> Self {
        use redis::ErrorKind::Server;
        let is_asking = error.kind() == Server(ServerErrorKind::Ask);
        match (error.kind(), error.redirect_node()) {
            (_, Some((address, _))) => Error::Moved {
                address: address.to_owned(),
                is_asking,
            },
            (Server(ServerErrorKind::NoScript), _) => Error::NoScript,
            _ if error.code().is_some() => Error::Refused(error.to_string()),
            _ => Error::Broken(error.to_string()),
        }
    }
}
