//! Where the store is: a file of the data directory, or whatever a URL names.

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::secret::Secret;

/// The file's name, where nothing else is said.
const FILE: &str = "gateway.db";

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A Postgres server; its URL holds a password.
    Postgres(Secret),
}

impl Location {
    /// What `url` names; without one the file of the data directory.
    ///
    /// # Errors
    /// `Url`, with the scheme alone: the rest may hold a password.
    pub fn of(url: Option<&Secret>, directory: &Path) -> Result<Self, StoreError> {
        let Some(url) = url else {
            return Ok(Location::Sqlite(directory.join(FILE)));
        };
        let (scheme, rest) = url.expose().split_once(':').unwrap_or_default();
        match scheme.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" => Ok(Location::Postgres(url.clone())),
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                // Each connection would have a memory of its own.
                let is_none = path.is_empty() || path.starts_with(":memory:");
                match is_none || path.contains('?') {
                    true => Err(StoreError::Url("sqlite: wants a file".to_owned())),
                    false => Ok(Location::Sqlite(path.into())),
                }
            }
            "" => Err(StoreError::Url("it has no scheme".to_owned())),
            other => Err(StoreError::Url(format!("`{other}` is no database of ours"))),
        }
    }

    /// Whether it is there already. Of a server nobody knows until it is asked.
    pub fn exists(&self) -> bool {
        match self {
            Location::Sqlite(path) => path.exists(),
            Location::Postgres(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        let of = |url: &str| Location::of(Some(&Secret::new(url)), Path::new("/data"));
        let file = |path: &str| Location::Sqlite(path.into());
        assert_eq!(
            Location::of(None, Path::new("/data")).unwrap(),
            file("/data/gateway.db")
        );
        assert_eq!(of("sqlite:a/b.db").unwrap(), file("a/b.db"));
        assert_eq!(of("sqlite:///a/b.db").unwrap(), file("/a/b.db"));
        assert!(matches!(
            of("postgresql://u:p@h/d").unwrap(),
            Location::Postgres(_)
        ));
        for none in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:",
            "sqlite:a?mode=rw",
        ] {
            assert!(of(none).is_err(), "{none}");
        }
        let wrong = of("mysql://root:hunter2@h/d").unwrap_err().to_string();
        assert!(
            wrong.contains("mysql") && !wrong.contains("hunter2"),
            "{wrong}"
        );
    }
}
