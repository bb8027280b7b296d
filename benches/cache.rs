//! What a look-up in memory and an answer kept there cost: nothing, found, full.
//!
//! `cargo bench --bench cache`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ai_gateway::{
    cache::{Cache, Entry, Key, Labels},
    telemetry::metrics::Metrics,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

fn key(number: u64) -> Key {
    Key(Sha256::digest(number.to_le_bytes()).into())
}

fn entry(length: usize) -> Arc<Entry> {
    let json = HeaderValue::from_static("application/json");
    Arc::new(Entry {
        labels: Labels {
            team: Some("red".into()),
            key: Some("app".into()),
            account: None,
            asked: "gpt".into(),
            provider: "openai".into(),
            model: "gpt-5".into(),
        },
        fingerprint: [0; 32],
        is_stream: false,
        headers: vec![(header::CONTENT_TYPE, json)],
        body: Bytes::from(vec![b'x'; length].into_boxed_slice()),
        usage: None,
        created: SystemTime::now(),
        ttl: Duration::from_secs(3600),
    })
}

fn memory(criterion: &mut Criterion) {
    let Ok(metrics) = Metrics::new() else { return };
    let cache = Cache::leak(metrics.cache);
    let keys: Vec<Key> = (0..10_000).map(key).collect();
    let answer = entry(2000);
    for key in &keys {
        cache.put(*key, answer.clone());
    }
    let mut turn = keys.iter().cycle();
    criterion.bench_function("get, found, one of 10000", |bencher| {
        bencher.iter(|| turn.next().map(|key| black_box(cache.get_memory(key))));
    });
    let strange = key(u64::MAX);
    criterion.bench_function("get, not found", |bencher| {
        bencher.iter(|| black_box(cache.get_memory(&strange)));
    });
    criterion.bench_function("put, in place of another", |bencher| {
        bencher.iter(|| turn.next().map(|key| cache.put(*key, answer.clone())));
    });
    // Each pushes another one out from here on.
    let mut number = 0_u64;
    let mut fresh = || {
        number += 1;
        (key(number << 20), entry(2000))
    };
    for _ in 0..40_000 {
        let (key, entry) = fresh();
        cache.put(key, entry);
    }
    criterion.bench_function("put, with another one dropped for it", |bencher| {
        let put = |(key, entry)| cache.put(key, entry);
        bencher.iter_batched(&mut fresh, put, BatchSize::SmallInput);
    });
}

criterion_group!(benches, memory);
criterion_main!(benches);
