//! What goes on for long: requests of all kinds while providers fail (`make soak`), and while everything else does,
//! too (`make chaos`). `ENDURANCE_SECONDS` says how long, and `ENDURANCE_RATE` how many requests a second.

mod disturb;
mod load;
mod provider;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::support::{
    TestGateway,
    config::Yaml,
    database::{Looker, new_postgres, sqlite_in},
    redis::RedisServer,
    relay::Relay,
};
use disturb::Scene;
use load::{Seen, load};
use provider::Provider;

/// By how much a process may grow from the third minute of ten to the last.
const MAX_GROWTH_KIB: u64 = 2048;
/// Of a hundred requests so many may fail where one provider of two does now and then.
const MAX_FAILED_PERCENT: u64 = 3;

fn number(name: &str, usual: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn span() -> Duration {
    Duration::from_secs(number("ENDURANCE_SECONDS", 20))
}

fn rate() -> u32 {
    u32::try_from(number("ENDURANCE_RATE", 1000)).unwrap()
}

/// Two providers, the first of which fails now and then.
fn yaml(one: &Provider, two: &Provider) -> Yaml {
    Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .and("pools: {both: {strategy: weighted, targets: [{provider: one}, {provider: two}]}}")
        .and("routes: [{model: m, pool: both}]")
        .and("routing: {retries: {max: 2}}")
        .and("telemetry: {log: {requests: off}}")
}

/// The gateway's memory, second by second, until the load is over.
async fn watched(gateway: &TestGateway, load: impl Future<Output = Seen>) -> (Seen, Vec<u64>) {
    let mut memory = Vec::new();
    tokio::pin!(load);
    loop {
        tokio::select! {
            seen = &mut load => return (seen, memory),
            () = tokio::time::sleep(Duration::from_secs(1)) => memory.push(gateway.resident_kib()),
        }
    }
}

/// How much it grew from three tenths of the time to the end: medians of a tenth each.
fn growth(memory: &[u64]) -> u64 {
    let tenth = (memory.len() / 10).max(1);
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or(0)
    };
    let before = median(&memory[(3 * tenth).min(memory.len() - 1)..(4 * tenth).min(memory.len())]);
    let after = median(&memory[memory.len() - tenth..]);
    eprintln!("endurance: {before} KiB, then {after} KiB");
    after.saturating_sub(before)
}

/// Every request that somebody has an answer of is in the store, once.
async fn all_landed(gateway: &TestGateway, store: &Looker, seen: &Seen) {
    let settled = async || {
        let written = gateway
            .metric("gateway_usage_rows_written_total", &[])
            .await;
        let settled = gateway
            .metric("gateway_usage_rows_settled_total", &[])
            .await;
        (written, settled)
    };
    let begun = Instant::now();
    while settled().await.0 > settled().await.1 + 0.5 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{:?}",
            settled().await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let dropped = gateway
        .metric("gateway_usage_rows_dropped_total", &[])
        .await;
    assert!(dropped < 0.5, "{dropped} rows were dropped");
    let rows = store.all("SELECT id FROM requests").await;
    let kept: HashSet<String> = rows.iter().map(|row| row.text("id").unwrap()).collect();
    assert_eq!(kept.len(), rows.len(), "one id twice");
    let ids = std::mem::take(&mut *seen.ids.lock().unwrap());
    let lost: Vec<_> = ids.iter().filter(|id| !kept.contains(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {:?}",
        lost.len(),
        ids.len(),
        lost.first()
    );
    let counted = store.number("SELECT SUM(requests) FROM usage_hours").await;
    assert_eq!(counted, i64::try_from(rows.len()).unwrap());
    eprintln!(
        "endurance: {} answered requests, {} rows",
        ids.len(),
        rows.len()
    );
}

fn report(seen: &Seen) {
    let [well, failed, left] = [&seen.well, &seen.failed, &seen.left]
        .map(|count| count.load(std::sync::atomic::Ordering::Relaxed));
    eprintln!("endurance: {well} right, {failed} failed and said so, {left} clients left");
    let wrong = seen.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        failed * 100 <= (well + failed) * MAX_FAILED_PERCENT,
        "{failed} of {well} failed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn ten_minutes_of_faults_leave_nothing_behind() {
    let (one, two) = (Provider::start(50).await, Provider::start(0).await);
    let yaml = yaml(&one, &two).and("cache: {max_bytes: 4MiB}");
    let gateway = TestGateway::with(&yaml).await;
    let (seen, memory) = watched(&gateway, load(gateway.address, rate(), span())).await;
    report(&seen);
    let store = Looker::at(&sqlite_in(&super::usage::data_of(&gateway))).await;
    all_landed(&gateway, &store, &seen).await;
    let growth = growth(&memory);
    assert!(growth <= MAX_GROWTH_KIB, "grew by {growth} KiB: {memory:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make chaos`"]
async fn chaos_leaves_no_wrong_answer_and_loses_no_row() {
    let Some(url) = new_postgres().await else {
        return;
    };
    let (user, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let way = Relay::to(server.parse().unwrap()).await;
    let redis = RedisServer::start(&[]).await;
    let (one, two) = (Provider::start(50).await, Provider::start(0).await);
    let yaml = yaml(&one, &two)
        .and(&format!(
            "cache: {{max_bytes: 4MiB, redis_url: \"{}\"}}",
            redis.url()
        ))
        .and("rate_limiting: {global: {rpm: 6000000}}")
        .build()
        .replace(
            "auth:\n",
            &format!("auth:\n  master_key: {}\n", disturb::MASTER),
        );
    let gateway = TestGateway::builder(&yaml)
        .env(
            "GATEWAY_DATABASE_URL",
            &format!("{user}@{}/{name}", way.address),
        )
        .start()
        .await;
    let mut scene = Scene::new(&gateway, way, redis, yaml);
    let running = watched(&gateway, load(gateway.address, rate(), span()));
    let (seen, memory) = tokio::select! {
        done = running => done,
        never = scene.disturb() => match never {},
    };
    scene.mend().await;
    report(&seen);
    all_landed(&gateway, &Looker::at_url(&url).await, &seen).await;
    scene.tell();
    let growth = growth(&memory);
    assert!(growth <= MAX_GROWTH_KIB, "grew by {growth} KiB: {memory:?}");
}
