//! Databases for tests: none but the gateway's own file, and a new one on the Postgres that
//! `TEST_DATABASE_URL` names; and the store of a gateway under test, as somebody else sees it.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use ai_gateway::{
    secret::Secret,
    store::{Location, Row, Store, sql},
};
use sqlx::{Connection, Executor, PgConnection};

/// The SQLite file of a gateway with this data directory.
pub fn sqlite_in(directory: &Path) -> Location {
    Location::Sqlite(directory.join("gateway.db"))
}

/// The URL of a new database on the tests' Postgres; `None` where there is no such server.
pub async fn new_postgres() -> Option<String> {
    let server = std::env::var("TEST_DATABASE_URL").ok()?;
    let (before, _) = server.rsplit_once('/').expect("a URL with a database");
    let number = u64::from_str_radix(&super::random_hex(), 16).expect("hexadecimal");
    let name = format!("it_{number:016x}");
    let mut connection = PgConnection::connect(&server).await.expect("it answers");
    let create = format!("CREATE DATABASE {name}");
    connection.execute(&*create).await.expect("it is made");
    Some(format!("{before}/{name}"))
}

/// Somebody who looks into a store.
pub struct Looker(Store);

impl Looker {
    pub async fn at(location: &Location) -> Self {
        Looker(Store::open(location).await.expect("the store opens"))
    }

    pub async fn at_url(url: &str) -> Self {
        Self::at(&Location::Postgres(Secret::new(url))).await
    }

    /// All rows of a query.
    pub async fn all(&self, query: &str) -> Vec<Row> {
        self.0.all(sql(query.to_owned())).await.expect("it answers")
    }

    /// The whole number that a query is about.
    pub async fn number(&self, query: &str) -> i64 {
        let query = format!("SELECT CAST(COALESCE(({query}), 0) AS BIGINT) AS number");
        let rows = self.all(&query).await;
        rows[0].integer("number").expect("a number")
    }
}

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
