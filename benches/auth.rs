//! What it costs to find out who is calling, by the number of keys: SHA-256 of what was sent included.
//!
//! `cargo bench --bench auth`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use ai_gateway::{
    auth::{
        KeyRing,
        table::{Found, KeyTable},
    },
    identity::{Identity, virtual_key},
    store::keys::LoadedKey,
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header};

/// As long as those that the gateway makes.
fn text(number: usize) -> String {
    format!("gw_{number:036}")
}

fn loaded<'k>(text: &str, id: &'k str, team: &'k str) -> LoadedKey<'k> {
    LoadedKey {
        hash: virtual_key::hash(text),
        id,
        label: Some(id),
        user_id: None,
        team_id: Some(team),
        project_id: None,
        organization_id: None,
        budget_id: None,
        terms: r#"{"limits":{"requests_per_minute":60}}"#,
        blocked: false,
        revoked: false,
        created_at: 0,
        expires_at: Some(i64::MAX - 1),
        retires_at: None,
    }
}

fn table(count: usize) -> Arc<KeyTable> {
    let table = Arc::new(KeyTable::default());
    let mut loader = table.load_all();
    for number in 0..count {
        let id = format!("key_{number:016}");
        let team = format!("team-{}", number % 100);
        loader.put(&loaded(&text(number), &id, &team));
    }
    loader.complete();
    table
}

fn sent(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    headers.extend(value.ok().map(|value| (header::AUTHORIZATION, value)));
    headers
}

fn authenticate(criterion: &mut Criterion) {
    for count in [1, 1_000, 1_000_000] {
        let mut ring = KeyRing::new(table(count));
        ring.insert("static-key", Identity::default());
        // Another caller each time, so that the one before has not brought its key into the processor's caches;
        // what it sends has just been read, as it is in a server.
        let mut turn = 0;
        criterion.bench_function(&format!("auth/stored/{count}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    turn = (turn + 7919) % count;
                    let headers = sent(&text(turn));
                    let began = Instant::now();
                    black_box(ring.authenticate(black_box(&headers), None).is_ok());
                    spent += began.elapsed();
                }
                spent
            });
        });
        let fixed = sent("static-key");
        criterion.bench_function(&format!("auth/static/beside/{count}"), |bencher| {
            bencher.iter(|| ring.authenticate(black_box(&fixed), None).is_ok());
        });
        let unknown = sent("gw_of-somebody-who-guesses-012345678901");
        criterion.bench_function(&format!("auth/unknown/{count}"), |bencher| {
            bencher.iter(|| ring.authenticate(black_box(&unknown), None).is_ok());
        });
    }
}

/// Whether it takes longer to refuse a hash that differs later: that would tell how much of a guess is right.
fn difference(criterion: &mut Criterion) {
    let table = table(1_000);
    let known = virtual_key::hash(&text(7));
    for (name, at) in [
        ("nowhere", None),
        ("first", Some(16)),
        ("middle", Some(24)),
        ("last", Some(31)),
    ] {
        let mut hash = known;
        if let Some(byte) = at.and_then(|at| hash.get_mut(at)) {
            *byte ^= 1;
        }
        criterion.bench_function(&format!("auth/difference/{name}"), |bencher| {
            bencher.iter(|| matches!(table.find(black_box(&hash)), Found::Usable(_)));
        });
    }
}

criterion_group!(benches, authenticate, difference);
criterion_main!(benches);
