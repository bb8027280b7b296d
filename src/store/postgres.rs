//! Connections to a Postgres server. One may die in silence (a failover, a proxy that forgets it), so that
//! nothing is waited for without end, and where one fails the others are not trusted either.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    Backend, StoreError,
    migrations::{self, Schema, TAKEN, is_current},
    pool::migrate,
};

/// How long anybody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a statement may take, or its next row. The server gives up a little later, for itself.
const STATEMENT: Duration = Duration::from_secs(60);
const CONNECTIONS: u32 = 10;

/// What the server is to do for each connection, where it knows how. Keeping one alive keeps proxies from
/// forgetting it.
const SETTINGS: [&str; 2] = [
    "SET statement_timeout = '120s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '60s'",
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3",
];

/// A server, and the connections to it.
pub(super) struct Server {
    options: PgConnectOptions,
    pool: ArcSwap<PgPool>,
}

impl Server {
    /// Connects to the server of that URL, and brings its schema up to date.
    pub(super) async fn open(url: &str, schema: Schema) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|_| StoreError::Url("it is malformed".to_owned()))?;
        let options = options
            .application_name("ai-gateway")
            .disable_statement_logging();
        // A schema takes as long as it takes.
        let patient = connections(&[]).max_connections(1);
        let patient = patient.connect_with(options.clone()).await?;
        let taken = match schema {
            Schema::Update => Vec::new(),
            // There is no such table yet.
            Schema::Leave => sqlx::query_scalar(TAKEN)
                .fetch_all(&patient)
                .await
                .unwrap_or_default(),
        };
        let current = is_current(&taken);
        let migrated = match current {
            Ok(false) => migrations::migrator(Backend::Postgres).run(&patient).await,
            _ => Ok(()),
        };
        patient.close().await;
        current?;
        migrate(migrated)?;
        let pool = connections(&SETTINGS).connect_lazy_with(options.clone());
        Ok(Server {
            options,
            pool: ArcSwap::from_pointee(pool),
        })
    }

    /// The connections.
    pub(super) fn pool(&self) -> PgPool {
        PgPool::clone(&self.pool.load())
    }

    /// Uses no connection of these any more: new ones are made when they are needed.
    pub(super) fn renew(&self, before: &PgPool) {
        let now = self.pool.load();
        if !is_same(&now, before) {
            return;
        }
        let new = connections(&SETTINGS).connect_lazy_with(self.options.clone());
        let old = self.pool.compare_and_swap(&now, Arc::new(new));
        if Arc::ptr_eq(&old, &now) {
            let old = PgPool::clone(&old);
            // It waits for those who use them still.
            tokio::spawn(async move { old.close().await });
        }
    }

    /// Looks at how work on these connections went. One that failed casts doubt on the idle ones; where
    /// there are none, all were busy.
    pub(super) fn judge<T>(&self, pool: &PgPool, done: &Result<T, StoreError>) {
        if matches!(done, Err(StoreError::Away(_))) && pool.num_idle() > 0 {
            self.renew(pool);
        }
    }
}

/// Clones of a pool have the same options, at the same place.
fn is_same(one: &PgPool, other: &PgPool) -> bool {
    std::ptr::eq(one.options(), other.options())
}

fn connections(settings: &'static [&'static str]) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_release(|connection, _| Box::pin(is_well(connection)))
        .after_connect(move |connection: &mut PgConnection, _| {
            Box::pin(async move {
                for statement in settings {
                    match connection.execute(*statement).await {
                        Ok(_) | Err(sqlx::Error::Database(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        })
}

/// Whether a connection goes back to the others. One that has gone silent would be waited for without end
/// and be missing for ever, so it is closed.
async fn is_well(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(PATIENCE, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Waits for a statement, but not without end.
///
/// # Errors
/// Its own, and `Away` where it takes too long.
pub(super) async fn timely<T>(
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(STATEMENT, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Away("it does not answer in time".to_owned())),
    }
}
