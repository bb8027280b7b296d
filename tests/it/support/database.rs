//! Databases for tests: none but the gateway's own file, and a new one on the Postgres that
//! `TEST_DATABASE_URL` names.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{Connection, Executor, PgConnection};

/// A database on the tests' Postgres.
pub struct Postgres {
    server: String,
    name: String,
    pub url: String,
}

impl Postgres {
    /// A new one; `None` where the tests have no Postgres.
    pub async fn fresh() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let server = std::env::var("TEST_DATABASE_URL").ok()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let time = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let name = format!("it_{}_{number}_{}", std::process::id(), time.as_nanos());
        let (before, _) = server.rsplit_once('/').expect("a database in the URL");
        let database = Postgres {
            url: format!("{before}/{name}"),
            server: server.clone(),
            name,
        };
        database
            .execute(&format!("CREATE DATABASE {}", database.name))
            .await;
        Some(database)
    }

    /// Nobody can reach it, until [`Postgres::comes_back`].
    pub async fn goes_away(&self) {
        let name = &self.name;
        self.execute(&format!(
            "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"
        ))
        .await;
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    }

    pub async fn comes_back(&self) {
        let name = &self.name;
        self.execute(&format!(
            "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"
        ))
        .await;
    }

    async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.server).await.expect("Postgres");
        connection.execute(statement).await.expect(statement);
    }
}

/// What the gateway's store is to be: its own file, then Postgres where there is one.
pub async fn each() -> Vec<Option<Postgres>> {
    let mut all = vec![None];
    if let Some(postgres) = Postgres::fresh().await {
        all.push(Some(postgres));
    }
    all
}
