//! The store of a gateway under test, as somebody else sees it.

use std::path::Path;

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
