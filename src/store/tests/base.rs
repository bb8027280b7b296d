use std::{fs, os::unix::fs::PermissionsExt};

use super::databases::databases;
use crate::{
    price::Usd,
    store::{Backend, Location, Store, StoreError, sql},
};

#[tokio::test]
async fn the_same_statements_do_the_same_on_both_databases() {
    for database in databases().await {
        let store = &database.store;
        let amount = Usd::from_pico(u128::from(u64::MAX) / 4);
        let insert = "INSERT INTO spend (scope, id, amount, total, period_started_at) \
                      VALUES ($1, $2, CAST($3 AS NUMERIC), CAST($3 AS NUMERIC), $4)";
        let insert = || {
            sql(insert)
                .bind("key")
                .bind("k'; DROP TABLE spend; --")
                .bind(amount)
                .bind(7)
        };
        assert_eq!(store.run(insert()).await.unwrap(), 1);
        assert!(matches!(
            store.run(insert()).await,
            Err(StoreError::Refused(_))
        ));
        let add = "UPDATE spend SET amount = amount + CAST($1 AS NUMERIC), last_used_at = $2";
        let none: Option<i64> = None;
        store
            .run(sql(add).bind(Usd::from_pico(1)).bind(none))
            .await
            .unwrap();
        let select =
            "SELECT id, CAST(amount AS TEXT) AS amount, period_started_at, last_used_at FROM spend";
        let row = store.first(sql(select)).await.unwrap().unwrap();
        assert_eq!(row.text("id").unwrap(), "k'; DROP TABLE spend; --");
        assert_eq!(row.amount("amount").unwrap(), amount + Usd::from_pico(1));
        assert_eq!(row.integer("period_started_at").unwrap(), 7);
        assert_eq!(row.optional_integer("last_used_at").unwrap(), None);
        assert!(row.text("amounts").is_err());
        let zero = store
            .run(sql("DELETE FROM spend WHERE id = $1").bind("a\0b"))
            .await;
        assert!(matches!(zero, Err(StoreError::Invalid { .. })));
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_has_not_happened() {
    for database in databases().await {
        let store = &database.store;
        let value = async || {
            let row = store
                .first(sql("SELECT value FROM revision"))
                .await
                .unwrap();
            row.unwrap().integer("value").unwrap()
        };
        let raise = || sql("UPDATE revision SET value = value + 1");
        let mut transaction = store.begin().await.unwrap();
        transaction.run(raise()).await.unwrap();
        drop(transaction);
        assert_eq!(value().await, 0);
        let mut transaction = store.begin().await.unwrap();
        transaction.run(raise()).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(value().await, 1);
    }
}

#[tokio::test]
async fn a_store_is_opened_again_and_by_several_at_once() {
    for database in databases().await {
        let location = &database.location;
        let (one, other) = tokio::join!(Store::open(location), Store::open(location));
        assert_eq!(one.unwrap().backend(), other.unwrap().backend());
    }
}

#[tokio::test]
async fn several_make_the_schema_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("below/gateway.db"));
    let opened = futures::future::join_all((0..4).map(|_| Store::open(&location))).await;
    assert!(
        opened.iter().all(Result::is_ok),
        "{:?}",
        opened.iter().find_map(|one| one.as_ref().err())
    );
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/gateway.db");
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut wal = path.clone().into_os_string();
    wal.push("-wal");
    fs::write(&wal, "").unwrap();
    fs::set_permissions(&wal, fs::Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(&Location::Sqlite(path)).await.unwrap();
    assert_eq!(store.backend(), Backend::Sqlite);
    store
        .run(sql("UPDATE revision SET value = 3"))
        .await
        .unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 3, "the file, its lock and its journal");
}
