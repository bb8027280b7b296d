//! The schema, embedded. A migration that has been released is never changed, and only adds: during an
//! upgrade the process before runs on the new schema.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Backend, StoreError};

/// What becomes of a schema that an earlier version has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// It is brought up to date.
    Update,
    /// It stays as it is, and is not used.
    Leave,
}

/// One step.
struct Step {
    version: i64,
    name: &'static str,
    sql: Sql,
}

/// Its text.
enum Sql {
    /// The same for both; `{BYTES}` is the type of byte strings.
    Both(&'static str),
    /// One for each, where a feature of one has no like in the other.
    #[expect(dead_code, reason = "for steps to come")]
    Each {
        sqlite: &'static str,
        postgres: &'static str,
    },
}

/// All steps, in the order in which they are taken.
const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "records",
        sql: Sql::Both(include_str!("migrations/0001_records.sql")),
    },
    Step {
        version: 20,
        name: "usage",
        sql: Sql::Both(include_str!("migrations/0020_usage.sql")),
    },
    Step {
        version: 30,
        name: "reports",
        sql: Sql::Both(include_str!("migrations/0030_reports.sql")),
    },
    Step {
        version: 35,
        name: "unused",
        sql: Sql::Both(include_str!("migrations/0035_unused.sql")),
    },
    Step {
        version: 50,
        name: "ledger",
        sql: Sql::Both(include_str!("migrations/0050_ledger.sql")),
    },
    Step {
        version: 60,
        name: "fewer entries",
        sql: Sql::Both(include_str!("migrations/0060_fewer_entries.sql")),
    },
];

/// The steps for `backend`.
pub(super) fn migrator(backend: Backend) -> Migrator {
    let migration = |step: &Step| {
        let text = match (&step.sql, backend) {
            (Sql::Both(text), Backend::Sqlite) => text.replace("{BYTES}", "BLOB"),
            (Sql::Both(text), Backend::Postgres) => text.replace("{BYTES}", "BYTEA"),
            (Sql::Each { sqlite, .. }, Backend::Sqlite) => (*sqlite).to_owned(),
            (Sql::Each { postgres, .. }, Backend::Postgres) => (*postgres).to_owned(),
        };
        let name = Cow::Borrowed(step.name);
        Migration::new(
            step.version,
            name,
            MigrationType::Simple,
            text.into(),
            false,
        )
    };
    Migrator {
        migrations: STEPS.iter().map(migration).collect(),
        // A process of the version before may start while the schema is already newer.
        ignore_missing: true,
        ..Migrator::DEFAULT
    }
}

/// Which steps have been taken.
pub(super) const TAKEN: &str = "SELECT version FROM _sqlx_migrations";

/// Looks whether the schema is of this version, or a later one. `taken` are the steps; none where there is no
/// schema yet.
///
/// # Errors
/// `Outdated`.
pub(super) fn is_current(taken: &[i64]) -> Result<bool, StoreError> {
    let is_missing = |step: &&Step| !taken.contains(&step.version);
    match STEPS.iter().find(is_missing) {
        None => Ok(true),
        Some(_) if taken.is_empty() => Ok(false),
        Some(step) => Err(StoreError::Outdated { step: step.name }),
    }
}
