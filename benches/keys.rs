//! How long a start takes that finds a million keys in the store: from the open file, or from Postgres
//! where `TEST_DATABASE_URL` names a database that may be filled.
//!
//! `cargo bench --bench keys`

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::time::{Duration, Instant};

use ai_gateway::{
    gateway::Gateway,
    secret::Secret,
    store::{Location, Store, StoreError, credentials::seal::Sealer, sql},
    telemetry::metrics::Metrics,
};
use criterion::{Criterion, criterion_group, criterion_main};

const COUNT: i64 = 1_000_000;

/// Keys of a hundred teams, half of them with limits of their own.
const SQLITE: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
    INSERT INTO keys (id, hash, masked, label, user_id, team_id, blocked, rotation_count, terms, \
    created_at, updated_at) SELECT 'key_' || hex(randomblob(8)), randomblob(32), 'gw_…abcd', \
    'app ' || i, 'user-' || (i % 10000), 'team-' || (i % 100), FALSE, 0, CASE i % 2 WHEN 0 THEN '{}' \
    ELSE '{\"limits\":{\"requests_per_minute\":60}}' END, i, i FROM n";
const POSTGRES: &str = "INSERT INTO keys (id, hash, masked, label, user_id, team_id, blocked, \
    rotation_count, terms, created_at, updated_at) SELECT 'key_' || md5(i::text), \
    sha256(i::text::bytea), 'gw_…abcd', 'app ' || i, 'user-' || (i % 10000), 'team-' || (i % 100), \
    FALSE, 0, CASE i % 2 WHEN 0 THEN '{}' ELSE '{\"limits\":{\"requests_per_minute\":60}}' END, i, i \
    FROM generate_series(1, $1) i";

/// A store with all these keys in it.
async fn filled(location: &Location) -> Result<Store, StoreError> {
    let store = Store::open(location).await?;
    store.run(sql("DELETE FROM keys")).await?;
    let fill = match store.sqlite() {
        Some(_) => SQLITE,
        None => POSTGRES,
    };
    store.run(sql(fill).bind(COUNT)).await?;
    Ok(store)
}

fn read(location: &Location) -> Result<(Duration, usize), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| StoreError::Away(error.to_string()))?;
    let metrics = Metrics::new().map_err(|error| StoreError::Away(error.to_string()))?;
    let gateway = Gateway::new(metrics);
    let began = Instant::now();
    runtime.block_on(async {
        let store = Store::open(location).await?;
        gateway.read_records(&store, &Sealer::default()).await?;
        store.close().await;
        Ok::<(), StoreError>(())
    })?;
    Ok((began.elapsed(), gateway.keys.count()))
}

fn start(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let file = Location::Sqlite(folder.path().join("gateway.db"));
    let server = std::env::var("TEST_DATABASE_URL").ok();
    let server = server.map(|url| Location::Postgres(Secret::new(&url)));
    let mut group = criterion.benchmark_group("keys");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(30));
    for (name, location) in [("sqlite", Some(file)), ("postgres", server)] {
        let Some(location) = location else {
            continue;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            return;
        };
        let done = runtime.block_on(async {
            let store = filled(&location).await?;
            store.close().await;
            Ok::<(), StoreError>(())
        });
        if let Err(error) = done {
            println!("{name}: {error}");
            continue;
        }
        group.bench_function(format!("start/{name}/{COUNT}"), |bencher| {
            bencher.iter_custom(|count| {
                (0..count)
                    .filter_map(|_| read(&location).ok())
                    .map(|(took, _)| took)
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, start);
criterion_main!(benches);
