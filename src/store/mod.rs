//! Durable records: keys and whom they belong to, provider credentials, deployments, budgets. The only
//! module that knows SQL.
//!
//! SQLite in the data directory, or Postgres by URL: one text for both (`statement`), with the schema
//! embedded (`migrations`). No request waits for it: `tasks` reads what has changed into memory, which
//! requests are served from, and goes on by that while the database is away.

pub mod budgets;
mod changes;
pub mod credentials;
mod error;
mod fields;
pub mod keys;
mod list;
mod location;
mod migrations;
pub mod models;
mod pages;
mod pool;
mod postgres;
pub mod projects;
pub mod providers;
mod record;
pub mod report;
mod serving;
pub mod spending;
mod statement;
pub mod teams;
mod transaction;
pub mod usage;
pub mod users;

pub use changes::{CHANNEL, Change, Changes, Kind};
pub use error::StoreError;
pub use list::{List, MAX_LENGTH};
pub use location::Location;
pub use pages::Read;
pub use record::{Record, Stamps};
pub use serving::{Closed, Opened, Serving};
pub use statement::{Row, Statement, Value, sql};
pub use transaction::Transaction;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

use crate::blocking::blocking;
use migrations::Schema;
use pool::Pool;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// The store, open and of this version's schema. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    pool: Arc<Pool>,
    /// Tags and models that sums were made of lately.
    names: Arc<Mutex<usage::Names>>,
    /// What rows go to SQLite by.
    writer: Arc<usage::Writer>,
}

impl Store {
    /// Opens it, makes it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// Where the file cannot be used, the server does not answer, or the schema cannot be changed.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        Self::with(location, Schema::Update).await
    }

    /// Opens it beside a gateway that may run on it: makes it where there is none, and leaves a schema alone
    /// that an earlier version has made.
    ///
    /// # Errors
    /// Those of [`Store::open`]; `Outdated` where the schema is of an earlier version.
    pub async fn open_beside(location: &Location) -> Result<Self, StoreError> {
        Self::with(location, Schema::Leave).await
    }

    async fn with(location: &Location, schema: Schema) -> Result<Self, StoreError> {
        let pool = Pool::open(location, schema).await?;
        Ok(Store {
            pool: Arc::new(pool),
            names: Arc::default(),
            writer: Arc::default(),
        })
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        self.pool.backend()
    }

    /// The connections to Postgres, for what is Postgres's alone; `None` on SQLite.
    pub fn postgres(&self) -> Option<sqlx::PgPool> {
        match &*self.pool {
            Pool::Postgres(server) => Some(server.pool()),
            Pool::Sqlite(_) => None,
        }
    }

    /// Uses no connection to Postgres any more that there is now: they do not answer.
    pub fn renew(&self) {
        if let Pool::Postgres(server) = &*self.pool {
            server.renew(&server.pool());
        }
    }

    /// Looks at how work on these connections went.
    fn judge<T>(&self, used: &sqlx::PgPool, done: &Result<T, StoreError>) {
        if let Pool::Postgres(server) = &*self.pool {
            server.judge(used, done);
        }
    }

    /// The connections to SQLite, for what is SQLite's alone; `None` on Postgres.
    pub fn sqlite(&self) -> Option<&sqlx::SqlitePool> {
        match &*self.pool {
            Pool::Sqlite(pool) => Some(pool),
            Pool::Postgres(_) => None,
        }
    }

    /// All rows that a statement answers.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn all(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        self.pool.all(statement).await
    }

    /// The first row that a statement answers.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn first(&self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        self.pool.first(statement).await
    }

    /// Carries a statement out, and answers how many rows it touched.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn run(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.pool.run(statement).await
    }

    /// Begins a transaction. SQLite has one writer at a time: it waits here for its turn.
    ///
    /// # Errors
    /// `Away`.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.pool.begin().await
    }

    /// Waits until what has been committed survives a loss of power. Postgres sees to that itself; of SQLite
    /// it is the log before the file that may still be on its way to the disk.
    ///
    /// # Errors
    /// `Away`.
    pub async fn sync(&self) -> Result<(), StoreError> {
        self.pool.sync().await
    }

    /// Closes its connections, once those who use them are done.
    pub async fn close(&self) {
        blocking(|| self.writer.close());
        self.pool.close().await;
    }
}

/// The time, as records hold it: milliseconds since 1970, UTC.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
pub(crate) mod tests;
