//! What the record of a request costs: its row in the journal, from the thread that serves the request, and
//! what happens to it afterwards.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench: a panic is its way to fail"
)]

use std::{hint::black_box, sync::Arc, thread, time::Instant};

use ai_gateway::{
    chat::usage::Usage,
    price::Usd,
    row::Row,
    store::{Location, Store},
    telemetry::metrics::usage::UsageMetrics,
    usage::journal::{Journal, Options, Reader},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

/// Rows of a batch, as `tasks::usage` takes them.
const BATCH: u64 = 1000;

fn row(id: &str) -> Row<'_> {
    Row {
        id,
        at_ms: 1_760_000_000_123,
        account: Some("01k8q2v7w3m5n9p1r4t6x8z0"),
        key: Some("checkout-service"),
        team: Some("platform"),
        user: Some("jane"),
        end_user: Some("customer-17"),
        tags: vec!["production", "batch"],
        path: "/v1/chat/completions",
        dialect: "openai_chat",
        spoken: Some("openai_chat"),
        model: Some("gpt-4o"),
        provider: Some("openai"),
        served_model: Some("gpt-4o-2024-08-06"),
        attempts: 1,
        status: 200,
        cache: Some("miss"),
        stream: true,
        tokens: Some(Usage {
            input: 1234,
            output: 321,
            cached_input: 1024,
            ..Usage::default()
        }),
        cost: Some(Usd::from_pico(6_295_000_000)),
        latency_us: 1_234_567,
        first_byte_us: Some(345_678),
        overhead_us: 123,
        bytes_in: 4321,
        bytes_out: 23_456,
        ..Row::default()
    }
}

fn journal(fsync: bool) -> (Arc<Journal>, TempDir) {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = Options {
        folder: folder.path().to_owned(),
        max_bytes: 1 << 40,
        fsync,
    };
    let metrics = UsageMetrics::new(&prometheus::Registry::new()).unwrap();
    (Arc::new(Journal::open(&options, metrics).unwrap()), folder)
}

/// Frees what has been written, so that a long run does not fill the disk.
fn free(journal: &Arc<Journal>) {
    let mut reader = Reader::new(journal.clone());
    while let Some(batch) = reader.next(usize::MAX).unwrap() {
        reader.settled(&batch);
    }
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    let (plain, _folder) = journal(false);
    group.bench_function("frame", |bencher| {
        bencher.iter(|| black_box(plain.frame(black_box(&row("req_0123456789abcdefghjkmnpq")))));
    });
    group.bench_function("append", |bencher| {
        bencher.iter(|| plain.append(black_box(&row("req_0123456789abcdefghjkmnpq"))));
    });
    free(&plain);
    group.bench_function("append/two threads", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        (0..count / 2)
                            .for_each(|_| plain.append(black_box(&row("req_0123456789"))));
                    });
                }
            });
            begun.elapsed()
        });
    });
    free(&plain);
    let (synced, _folder) = journal(true);
    group.bench_function("append/fsync", |bencher| {
        bencher.iter(|| synced.append(black_box(&row("req_0123456789abcdefghjkmnpq"))));
    });
    group.finish();
}

fn settling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("settle 1000");
    group
        .throughput(Throughput::Elements(BATCH))
        .sample_size(10);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut locations = vec![("sqlite", Location::Sqlite(folder.path().join("gateway.db")))];
    if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
        let url = ai_gateway::secret::Secret::new(&url);
        locations.push(("postgres", Location::Postgres(url)));
    }
    for (name, location) in locations {
        let store = runtime.block_on(Store::open(&location)).unwrap();
        let mut next = 0_u64;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let ids: Vec<String> = (next..next + BATCH)
                    .map(|number| format!("req_{number:024}"))
                    .collect();
                next += BATCH;
                let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
                runtime.block_on(store.settle(&rows)).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appending, settling);
criterion_main!(benches);
