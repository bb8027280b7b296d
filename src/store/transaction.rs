//! Several statements that take effect together or not at all. One that is dropped takes none.

use sqlx::{Postgres, Sqlite};

use super::{Backend, Row, Statement, StoreError, pool::on};

/// A transaction of either database.
pub enum Transaction {
    /// Of SQLite; nobody else writes meanwhile.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// Of Postgres.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Which database it is.
    pub fn backend(&self) -> Backend {
        match self {
            Transaction::Sqlite(_) => Backend::Sqlite,
            Transaction::Postgres(_) => Backend::Postgres,
        }
    }

    /// All rows that a statement answers.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn all(&mut self, mut statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Transaction::Sqlite(inner) => {
                let rows = on!(&mut **inner, statement, for_sqlite, fetch_all);
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Transaction::Postgres(inner) => {
                let rows = on!(&mut **inner, statement, for_postgres, fetch_all);
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row that a statement answers.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn first(&mut self, mut statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Transaction::Sqlite(inner) => {
                on!(&mut **inner, statement, for_sqlite, fetch_optional).map(Row::Sqlite)
            }
            Transaction::Postgres(inner) => {
                on!(&mut **inner, statement, for_postgres, fetch_optional).map(Row::Postgres)
            }
        })
    }

    /// Carries a statement out, and answers how many rows it touched.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn run(&mut self, mut statement: Statement<'_>) -> Result<u64, StoreError> {
        Ok(match self {
            Transaction::Sqlite(inner) => {
                on!(&mut **inner, statement, for_sqlite, execute).rows_affected()
            }
            Transaction::Postgres(inner) => {
                on!(&mut **inner, statement, for_postgres, execute).rows_affected()
            }
        })
    }

    /// Makes it so.
    ///
    /// # Errors
    /// `Away`: then it may or may not have happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Transaction::Sqlite(inner) => inner.commit().await?,
            Transaction::Postgres(inner) => inner.commit().await?,
        }
        Ok(())
    }
}
