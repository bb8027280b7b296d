//! Connections to either database.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Backend, Location, Row, Statement, StoreError, Transaction,
    migrations::{self, Schema, TAKEN, is_current},
    postgres::{Server, timely},
    transaction::Inner,
};

/// How long anybody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a writer of SQLite waits for the one before it, which may be another process.
pub(super) const BUSY: Duration = Duration::from_secs(5);
const SQLITE_CONNECTIONS: u32 = 4;
/// Of a new database: a row costs a sixth less than by pages of 4 KiB. One that is there keeps its own.
const SQLITE_PAGE_BYTES: u32 = 8 << 10;

/// Connections.
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(Arc<Server>),
}

/// Runs a statement on a pool or a transaction of either database.
macro_rules! on {
    ($executor:expr, $statement:ident, $arguments:ident, $call:ident) => {{
        let arguments = $statement.$arguments()?;
        sqlx::query_with(&$statement.text, arguments)
            .$call($executor)
            .await?
    }};
}
pub(super) use on;

impl Pool {
    pub(super) async fn open(location: &Location, schema: Schema) -> Result<Self, StoreError> {
        match location {
            Location::Sqlite(path) => open_sqlite(path, schema).await.map(Pool::Sqlite),
            Location::Postgres(url) => {
                let server = Server::open(url.expose(), schema).await?;
                Ok(Pool::Postgres(Arc::new(server)))
            }
        }
    }

    pub(super) fn backend(&self) -> Backend {
        match self {
            Pool::Sqlite(_) => Backend::Sqlite,
            Pool::Postgres(_) => Backend::Postgres,
        }
    }

    pub(super) async fn all(&self, mut statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Pool::Sqlite(pool) => {
                let rows = on!(pool, statement, for_sqlite, fetch_all);
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Pool::Postgres(server) => {
                let pool = server.pool();
                let done = timely(async {
                    let rows = on!(&pool, statement, for_postgres, fetch_all);
                    Ok(rows.into_iter().map(Row::Postgres).collect())
                });
                let done = done.await;
                server.judge(&pool, &done);
                done
            }
        }
    }

    pub(super) async fn first(
        &self,
        mut statement: Statement<'_>,
    ) -> Result<Option<Row>, StoreError> {
        match self {
            Pool::Sqlite(pool) => {
                Ok(on!(pool, statement, for_sqlite, fetch_optional).map(Row::Sqlite))
            }
            Pool::Postgres(server) => {
                let pool = server.pool();
                let done = timely(async {
                    let row = on!(&pool, statement, for_postgres, fetch_optional);
                    Ok(row.map(Row::Postgres))
                });
                let done = done.await;
                server.judge(&pool, &done);
                done
            }
        }
    }

    pub(super) async fn run(&self, mut statement: Statement<'_>) -> Result<u64, StoreError> {
        match self {
            Pool::Sqlite(pool) => Ok(on!(pool, statement, for_sqlite, execute).rows_affected()),
            Pool::Postgres(server) => {
                let pool = server.pool();
                let done = timely(async {
                    Ok(on!(&pool, statement, for_postgres, execute).rows_affected())
                });
                let done = done.await;
                server.judge(&pool, &done);
                done
            }
        }
    }

    pub(super) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            // A reader that becomes a writer may find that another was faster; this one waits first.
            Pool::Sqlite(pool) => {
                Transaction::new(Inner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?))
            }
            Pool::Postgres(server) => {
                let pool = server.pool();
                let begun = timely(async { Ok(pool.begin().await?) }).await;
                server.judge(&pool, &begun);
                Transaction::new(Inner::Postgres(begun?, server.clone(), pool))
            }
        })
    }

    pub(super) async fn sync(&self) -> Result<(), StoreError> {
        let Pool::Sqlite(pool) = self else {
            return Ok(());
        };
        let mut log = pool.connect_options().get_filename().as_os_str().to_owned();
        log.push("-wal");
        let syncing = tokio::task::spawn_blocking(move || match File::open(log) {
            Ok(log) => log.sync_data(),
            // All of it is in the database itself, by a checkpoint that has waited for the disk.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        match syncing.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(StoreError::Away(error.to_string())),
            Err(error) => Err(StoreError::Away(error.to_string())),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(server) => server.pool().close().await,
        }
    }
}

async fn open_sqlite(path: &Path, schema: Schema) -> Result<SqlitePool, StoreError> {
    let prepared = {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || prepare(&path))
    };
    let lock = match prepared.await {
        Ok(Ok(lock)) => lock,
        Ok(Err(source)) => {
            let path = path.display().to_string();
            return Err(StoreError::File { path, source });
        }
        Err(error) => return Err(StoreError::Away(error.to_string())),
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .page_size(SQLITE_PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await?;
    let taken = match schema {
        Schema::Update => Vec::new(),
        // There is no such table yet.
        Schema::Leave => sqlx::query_scalar(TAKEN)
            .fetch_all(&pool)
            .await
            .unwrap_or_default(),
    };
    if !is_current(&taken)? {
        migrate(migrations::migrator(Backend::Sqlite).run(&pool).await)?;
    }
    drop(lock);
    Ok(pool)
}

/// Makes the file, readable by nobody else; what SQLite puts beside it gets the same mode. The lock keeps
/// two processes from making the schema at once, for SQLite's migrations have none.
fn prepare(path: &Path) -> io::Result<File> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let private = |path: &Path| {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600);
        let file = options.open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        io::Result::Ok(file)
    };
    drop(private(path)?);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = private(Path::new(&beside))?;
    // A copy, or a backup that was put in place, may have brought its own.
    for kind in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(kind);
        if Path::new(&beside).exists() {
            drop(private(Path::new(&beside))?);
        }
    }
    lock.lock()?;
    Ok(lock)
}

pub(super) fn migrate(result: Result<(), sqlx::migrate::MigrateError>) -> Result<(), StoreError> {
    use sqlx::migrate::MigrateError;
    result.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            match StoreError::from(error) {
                StoreError::Refused(why) => StoreError::Migration(why),
                other => other,
            }
        }
        other => StoreError::Migration(other.to_string()),
    })
}
