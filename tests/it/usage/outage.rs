//! A store that goes away for a while: requests go on, and everything lands afterwards.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{
    Http1, Request, Script, ScriptedUpstream, TestGateway,
    config::Yaml,
    database::{Looker, new_postgres},
    eventually, openai,
    relay::Relay,
};

/// A gateway whose way to its Postgres can be cut.
struct Scene {
    gateway: TestGateway,
    way: Relay,
    url: String,
    _upstream: ScriptedUpstream,
}

async fn scene(more: &str) -> Option<Scene> {
    let url = new_postgres().await?;
    let (user, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let way = Relay::to(server.parse().unwrap()).await;
    let cut_url = format!("{user}@{}/{name}", way.address);
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let yaml = Yaml::new().provider("one", &upstream.base_url()).and(more);
    let gateway = TestGateway::builder(&yaml.build())
        .env("GATEWAY_DATABASE_URL", &cut_url)
        .start()
        .await;
    Some(Scene {
        gateway,
        way,
        url,
        _upstream: upstream,
    })
}

/// Asks at a steady rate; gives back how long each answer took, all of which were good.
async fn ask(address: SocketAddr, count: u32, every: Duration) -> Vec<Duration> {
    let mut client = Http1::connect(address).await;
    let request = Request::chat(openai::chat("m"));
    let mut took = Vec::new();
    let begun = Instant::now();
    for turn in 0..count {
        tokio::time::sleep_until((begun + every * turn).into()).await;
        let sent = Instant::now();
        let answer = client.call(&request).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        took.push(sent.elapsed());
    }
    took
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

/// How many requests are sent while the store is away, and how many a second. `make outage` says ten minutes
/// at 500.
fn outage() -> (u32, u32) {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let rate = number("OUTAGE_RATE").unwrap_or(100);
    (number("OUTAGE_SECONDS").unwrap_or(5) * rate, rate)
}

#[tokio::test]
async fn requests_go_on_while_the_store_is_away_and_all_of_them_land_afterwards() {
    let Some(scene) = scene("").await else { return };
    let (away, rate) = outage();
    let (gateway, every) = (&scene.gateway, Duration::from_secs(1) / rate);
    let settled = "gateway_usage_rows_settled_total";
    let before = median(ask(gateway.address, 100, every).await);
    gateway
        .wait_metric(settled, &[], |settled| settled > 99.5)
        .await;
    scene.way.cut();
    let meanwhile = median(ask(gateway.address, away, every).await);
    assert!(
        meanwhile < before * 3 + Duration::from_millis(2),
        "{meanwhile:?} after {before:?}"
    );
    let failures = "gateway_usage_settle_failures_total";
    assert!(gateway.metric(failures, &[]).await > 0.5);
    assert!(gateway.metric(settled, &[]).await < 110.0);
    let bytes = gateway.metric("gateway_usage_journal_bytes", &[]).await;
    assert!(bytes > f64::from(away) * 100.0, "{bytes} bytes wait");
    // It is gone and comes back, once more.
    scene.way.mend();
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.way.cut();
    scene.way.mend();
    let (back, all) = (Instant::now(), i64::from(away) + 100);
    let left = async || f64::from(away) + 99.5 - gateway.metric(settled, &[]).await;
    while left().await > 0.0 {
        let patience = Duration::from_secs(15 + u64::from(away) / 500);
        assert!(back.elapsed() < patience, "{} rows wait", left().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!(
        "{away} requests at {rate} a second: {meanwhile:?} each ({before:?} before), {bytes} bytes of journal, \
         settled {:?} after the store was back",
        back.elapsed()
    );
    let store = Looker::at_url(&scene.url).await;
    assert_eq!(store.number("SELECT COUNT(*) FROM requests").await, all);
    let counted = store.number("SELECT SUM(requests) FROM usage_hours").await;
    assert_eq!(counted, all);
    let said: Vec<_> = gateway
        .logs()
        .lines()
        .filter(|line| line.contains("wait in the journal"))
        .map(str::to_owned)
        .collect();
    assert!(!said.is_empty() && said.len() < 4, "{said:#?}");
}

#[tokio::test]
async fn a_connection_that_goes_silent_in_the_middle_of_a_batch_does_not_stop_settlement() {
    let Some(scene) = scene("").await else { return };
    let gateway = &scene.gateway;
    ask(gateway.address, 5, Duration::ZERO).await;
    let settled = "gateway_usage_rows_settled_total";
    gateway
        .wait_metric(settled, &[], |settled| settled > 4.5)
        .await;
    scene.way.silence("req_");
    ask(gateway.address, 5, Duration::ZERO).await;
    eventually("the batch is on its way", async || {
        !scene.way.is_silencing()
    })
    .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    ask(gateway.address, 5, Duration::ZERO).await;
    gateway
        .wait_metric(settled, &[], |settled| settled > 14.5)
        .await;
    let store = Looker::at_url(&scene.url).await;
    assert_eq!(store.number("SELECT COUNT(*) FROM requests").await, 15);
}

#[tokio::test]
async fn a_full_journal_costs_rows_and_no_requests() {
    let Some(scene) = scene("usage: {journal_max_bytes: 40000}").await else {
        return;
    };
    let gateway = &scene.gateway;
    scene.way.cut();
    ask(gateway.address, 600, Duration::ZERO).await;
    let dropped = gateway
        .metric("gateway_usage_rows_dropped_total", &[])
        .await;
    let written = gateway
        .metric("gateway_usage_rows_written_total", &[])
        .await;
    assert!(dropped > 100.0 && written > 100.0, "{dropped} {written}");
    assert!((dropped + written - 600.0).abs() < 0.5);
    let bytes = gateway.metric("gateway_usage_journal_bytes", &[]).await;
    assert!(bytes <= 40_000.0, "{bytes}");
    scene.way.mend();
    let settled = "gateway_usage_rows_settled_total";
    gateway
        .wait_metric(settled, &[], |settled| settled > written - 0.5)
        .await;
    ask(gateway.address, 1, Duration::ZERO).await;
    gateway
        .wait_metric(settled, &[], |settled| settled > written + 0.5)
        .await;
    let store = Looker::at_url(&scene.url).await;
    let kept = store.number("SELECT COUNT(*) FROM requests").await;
    assert_eq!(kept as f64, written + 1.0);
    let said = gateway.logs().matches("rows of usage are dropped").count();
    assert_eq!(said, 1, "{}", gateway.logs());
}
