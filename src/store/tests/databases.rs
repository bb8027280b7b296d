//! A database of its own for each test.

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::{
    secret::Secret,
    store::{Location, Store},
};

/// An empty store, and what must live as long as it.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) location: Location,
    _folder: TempDir,
}

/// An empty store on each database that is there.
pub(crate) async fn databases() -> Vec<Database> {
    let mut all = Vec::new();
    for postgres in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let location = match postgres {
            false => Location::Sqlite(folder.path().join("gateway.db")),
            true => match fresh_postgres().await {
                Some(location) => location,
                None => continue,
            },
        };
        let store = Store::open(&location).await.unwrap();
        all.push(Database {
            store,
            location,
            _folder: folder,
        });
    }
    all
}

/// A new database on the tests' server.
async fn fresh_postgres() -> Option<Location> {
    let server = std::env::var("TEST_DATABASE_URL").ok()?;
    let random = ring::rand::SystemRandom::new();
    let number: [u8; 8] = ring::rand::generate(&random).unwrap().expose();
    let name = format!("unit_{:016x}", u64::from_le_bytes(number));
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    connection.execute(&*create).await.unwrap();
    let (before, _) = server.rsplit_once('/').unwrap();
    Some(Location::Postgres(Secret::new(&format!("{before}/{name}"))))
}
