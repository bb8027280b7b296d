//! What it costs a request to be admitted and settled: six subjects with limits, two of them with budgets; by one
//! thread, and by two.
//!
//! `cargo bench --bench limits`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros make public functions, and a panic is a way to fail here"
)]

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use ai_gateway::{
    chat::usage::Usage,
    limits::{
        Algorithm, Limits, Meter, Now, Settings,
        subject::{Estimate, Kind, Rules, SpendRules, Subject},
    },
    price::Usd,
    telemetry::metrics::{cache::CacheMetrics, limits::LimitMetrics},
};
use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use prometheus::Registry;

const RATES: Rules = Rules {
    requests_per_minute: Some(1_000_000_000),
    tokens_per_minute: Some(1_000_000_000_000),
    requests_per_day: None,
    tokens_per_day: None,
    parallel: Some(1_000_000),
    spend: None,
};

const ASK: Estimate = Estimate {
    input_tokens: 1000,
    output_tokens: 500,
    cost: Usd::from_pico(20_000_000_000),
};

fn start(algorithm: Algorithm) -> &'static Limits {
    let registry = Registry::new();
    let redis = CacheMetrics::new(&registry).unwrap().redis;
    let metrics = LimitMetrics::new(&registry, redis).unwrap();
    let settings = Settings {
        algorithm,
        ..Settings::default()
    };
    Limits::leak(settings, metrics)
}

fn subjects<'a>(key: &'a str, user: &'a str) -> [Subject<'a>; 6] {
    let spend = SpendRules {
        max: Some(Usd::from_pico(u128::MAX / 1000)),
        soft: None,
        period: "30d".parse().ok(),
        since: Some(0),
    };
    let budget = Rules {
        spend: Some(spend),
        ..RATES
    };
    [
        Subject::new(Kind::Key, key, budget),
        Subject::new(Kind::User, user, RATES),
        Subject::new(Kind::Team, "team", budget),
        Subject::new(Kind::Model, "gpt-5", RATES),
        Subject::new(Kind::Provider, "openai", RATES),
        Subject::new(Kind::Global, "", RATES),
    ]
}

fn one(limits: &'static Limits, subjects: &[Subject<'_>]) {
    let usage = Usage {
        input: 900,
        output: 200,
        ..Usage::default()
    };
    let now = Now::read();
    let admission = limits.admit(black_box(subjects), &ASK, now).now_or_never();
    admission
        .unwrap()
        .unwrap()
        .settle(&usage, Usd::from_pico(1_000_000_000));
}

fn admit(criterion: &mut Criterion) {
    for (name, algorithm) in [
        ("bucket", Algorithm::TokenBucket(1000)),
        ("window", Algorithm::SlidingWindow),
    ] {
        let limits = start(algorithm);
        let all = subjects("key", "user");
        criterion.bench_function(&format!("limits/{name}"), |bencher| {
            bencher.iter(|| one(limits, &all));
        });
        let meters: Vec<Arc<Meter>> = all
            .iter()
            .map(|one| limits.meter(one.kind, one.id))
            .collect();
        let mut held = all;
        for (one, meter) in held.iter_mut().zip(&meters) {
            one.meter = Some(meter);
        }
        criterion.bench_function(&format!("limits/{name}, meters held"), |bencher| {
            bencher.iter(|| one(limits, &held));
        });
    }
}

/// The time that so many requests take on each of one and of two threads: of callers that have nothing in common, and
/// of callers of one team who ask one provider for one model, where each waits for the other's counts.
fn threads(criterion: &mut Criterion) {
    for (name, common) in [("apart", 0), ("in common", 4)] {
        let limits = start(Algorithm::TokenBucket(1000));
        for count in [1, 2] {
            let name = format!("limits/{name}, each of {count} threads");
            criterion.bench_function(&name, |bencher| {
                bencher.iter_custom(|iterations| on(limits, count, common, iterations));
            });
        }
    }
}

fn on(limits: &'static Limits, count: usize, common: usize, iterations: u64) -> Duration {
    let barrier = Barrier::new(count + 1);
    thread::scope(|scope| {
        for number in 0..count {
            let barrier = &barrier;
            scope.spawn(move || {
                let ids: Vec<String> = (0..6).map(|id| format!("{id} of {number}")).collect();
                let mut all = subjects("", "");
                let own = all.len() - common;
                for (one, id) in all.iter_mut().zip(&ids).take(own) {
                    one.id = id;
                }
                barrier.wait();
                for _ in 0..iterations {
                    one(limits, &all);
                }
                barrier.wait();
            });
        }
        barrier.wait();
        let began = Instant::now();
        barrier.wait();
        began.elapsed()
    })
}

criterion_group!(benches, admit, threads);
criterion_main!(benches);
