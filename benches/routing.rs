//! What it costs to find the first candidate: routes, conditions, strategy and health, by strategy and size
//! of the pool.
//!
//! `cargo bench --bench routing`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    hint::black_box,
    sync::{Arc, OnceLock},
    time::Instant,
};

use ai_gateway::{
    config::{Config, Pool, PoolTarget, Provider, Route, StrategyName, When},
    health::Health,
    routing::{facts::Facts, policy::Asking},
    snapshot::{self, Lasting},
    upstream::{discovery::Hosts, google::Tokens},
};
use criterion::{Criterion, criterion_group, criterion_main};

const BODY: &[u8] =
    br#"{"model": "m", "messages": [{"role": "user", "content": "Hello, how are you?"}]}"#;

fn config(strategy: StrategyName, count: usize) -> Config {
    let mut config = Config::default();
    let provider = Provider {
        kind: Some("openai".to_owned()),
        base_url: Some("http://127.0.0.1:1/v1".to_owned()),
        ..Provider::default()
    };
    config.providers.insert("p".to_owned(), provider);
    let target = |number: usize| PoolTarget {
        provider: "p".to_owned(),
        model: Some(format!("gpt-5-{number}")),
        weight: 1,
        priority: 0,
        rpm: Some(1000),
        tpm: None,
    };
    let pool = Pool {
        strategy: Some(strategy),
        targets: (0..count).map(target).collect(),
    };
    config.pools.insert("pool".to_owned(), pool);
    config.routes.push(Route {
        name: None,
        model: "m".to_owned(),
        when: When::default(),
        pool: Some("pool".to_owned()),
        split: Vec::new(),
        fallbacks: None,
        fallback_on: None,
        shadow: None,
        max_cost_per_request: None,
        cache: Default::default(),
    });
    config
}

fn select(criterion: &mut Criterion) {
    let strategies = [
        StrategyName::Weighted,
        StrategyName::RoundRobin,
        StrategyName::LeastBusy,
        StrategyName::Latency,
        StrategyName::Cost,
        StrategyName::Usage,
        StrategyName::Priority,
        StrategyName::PrefixAffinity,
    ];
    for count in [8, 1000] {
        for strategy in strategies {
            let (hosts, tokens, health) = (Hosts::default(), Tokens::default(), Health::default());
            let lasting = Lasting {
                hosts: &hosts,
                tokens: &tokens,
                health: &health,
                keys: &Arc::default(),
            };
            let Ok(snapshot) = snapshot::build(config(strategy, count), lasting) else {
                continue;
            };
            let prompt = OnceLock::new();
            let facts = Facts {
                own_tags: &[],
                key: None,
                team: None,
                headers: None,
                has_wishes: false,
                stream: false,
                body: BODY,
                prompt: &prompt,
            };
            let asking = Asking {
                router: &snapshot.router,
                rules: &snapshot.config.routing,
                facts: &facts,
                now: Instant::now(),
                deadline: None,
            };
            // Looked for in the body once a request.
            facts.prompt();
            let name = format!("{} of {count}", strategy.name());
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    let plan = snapshot.router.plan(Some("m"), None, &facts);
                    plan.map(|mut plan| black_box(asking.start(&mut plan))).ok()
                });
            });
        }
    }
}

criterion_group!(benches, select);
criterion_main!(benches);
