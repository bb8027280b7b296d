//! Several statements that take effect together or not at all. One that is dropped takes none.

use std::sync::Arc;

use sqlx::{PgPool, Postgres, Sqlite};

use super::{
    Backend, Kind, Row, Statement, StoreError,
    pool::on,
    postgres::{Server, timely},
};

/// A transaction of either database.
pub struct Transaction {
    inner: Inner,
    /// What is said to have changed, once it has.
    changes: Vec<(Kind, String)>,
}

pub(super) enum Inner {
    /// Nobody else writes meanwhile.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// And whose connection it has.
    Postgres(sqlx::Transaction<'static, Postgres>, Arc<Server>, PgPool),
}

impl Transaction {
    pub(super) fn new(inner: Inner) -> Self {
        Transaction {
            inner,
            changes: Vec::new(),
        }
    }

    /// Says that these records change.
    pub fn changed(&mut self, kind: Kind, records: impl IntoIterator<Item = String>) {
        let records = records.into_iter().map(|record| (kind, record));
        self.changes.extend(records);
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        match &self.inner {
            Inner::Sqlite(_) => Backend::Sqlite,
            Inner::Postgres(..) => Backend::Postgres,
        }
    }

    /// All rows that a statement answers.
    ///
    /// # Errors
    /// `Away`, `Unable` and `Refused`.
    pub async fn all(&mut self, mut statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(inner) => {
                let rows = on!(&mut **inner, statement, for_sqlite, fetch_all);
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Inner::Postgres(inner, server, pool) => {
                let done = timely(async {
                    let rows = on!(&mut **inner, statement, for_postgres, fetch_all);
                    Ok(rows.into_iter().map(Row::Postgres).collect())
                });
                let done = done.await;
                server.judge(pool, &done);
                done
            }
        }
    }

    /// The first row that a statement answers.
    ///
    /// # Errors
    /// `Away`, `Unable` and `Refused`.
    pub async fn first(&mut self, mut statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(inner) => {
                let row = on!(&mut **inner, statement, for_sqlite, fetch_optional);
                Ok(row.map(Row::Sqlite))
            }
            Inner::Postgres(inner, server, pool) => {
                let done = timely(async {
                    let row = on!(&mut **inner, statement, for_postgres, fetch_optional);
                    Ok(row.map(Row::Postgres))
                });
                let done = done.await;
                server.judge(pool, &done);
                done
            }
        }
    }

    /// Carries a statement out, and answers how many rows it touched.
    ///
    /// # Errors
    /// `Away`, `Unable` and `Refused`.
    pub async fn run(&mut self, mut statement: Statement<'_>) -> Result<u64, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(inner) => {
                Ok(on!(&mut **inner, statement, for_sqlite, execute).rows_affected())
            }
            Inner::Postgres(inner, server, pool) => {
                let done = timely(async {
                    Ok(on!(&mut **inner, statement, for_postgres, execute).rows_affected())
                });
                let done = done.await;
                server.judge(pool, &done);
                done
            }
        }
    }

    /// Makes it so.
    ///
    /// # Errors
    /// `Away`: then it may or may not have happened.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let changes = std::mem::take(&mut self.changes);
        self.note(&changes).await?;
        match self.inner {
            Inner::Sqlite(inner) => inner.commit().await?,
            Inner::Postgres(inner, server, pool) => {
                let done = timely(async { Ok(inner.commit().await?) }).await;
                server.judge(&pool, &done);
                done?;
            }
        }
        Ok(())
    }
}
