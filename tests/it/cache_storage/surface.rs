//! The cache as its operators meet it: a restart, the admin port, the command line, the metrics, Redis behind TLS.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, TestGateway,
    config::Yaml,
    eventually, openai,
    redis::{RedisServer, free_port},
    tls::Authority,
};

/// The machine may be busy with other things.
const PATIENT: &str = "lookup_timeout_ms: 5000";

async fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await
}

fn yaml(one: &ScriptedUpstream, cache: &str) -> Yaml {
    Yaml::default()
        .key("ada", "test-key", ", team: red")
        .key("bob", "other-key", ", team: blue")
        .patient("one", &one.base_url())
        .and(&format!("cache: {{{cache}}}"))
}

async fn x_cache(gateway: &TestGateway, key: &str) -> String {
    let request = Request::post("/v1/chat/completions", openai::chat("m")).bearer(key);
    let answer = gateway.call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-cache").unwrap_or_default().to_owned()
}

async fn redis_is_up(gateway: &TestGateway) {
    let up = |count| count > 0.0;
    gateway
        .wait_metric("gateway_redis_servers_up", &[], up)
        .await;
}

#[tokio::test]
async fn hits_survive_a_restart() {
    let (one, redis) = (upstream().await, RedisServer::start(&[]).await);
    let yaml = yaml(
        &one,
        &format!("backend: redis, redis_url: '{}'", redis.url()),
    );
    let mut gateway = TestGateway::with(&yaml).await;
    redis_is_up(&gateway).await;
    assert_eq!(x_cache(&gateway, "test-key").await, "MISS");
    // Whatever waits to be written is written before the end.
    gateway.signal(Signal::TERM);
    assert!(gateway.wait_exit(Duration::from_secs(10)).await.is_some());
    let gateway = TestGateway::with(&yaml).await;
    redis_is_up(&gateway).await;
    assert_eq!(x_cache(&gateway, "test-key").await, "HIT");
    assert_eq!(one.count(), 1);
}

#[tokio::test]
async fn the_admin_port_and_the_command_line_say_what_is_kept_and_drop_it() {
    let one = upstream().await;
    let gateway = TestGateway::with(&yaml(&one, "max_entries: 100")).await;
    let both = async || {
        [
            x_cache(&gateway, "test-key").await,
            x_cache(&gateway, "other-key").await,
        ]
    };
    assert_eq!(both().await, ["MISS", "MISS"]);
    assert_eq!(both().await, ["HIT", "HIT"]);
    let stats = gateway.admin("/admin/cache").await.json();
    assert_eq!(stats["backend"], "memory", "{stats}");
    assert_eq!(stats["memory"]["entries"], 2, "{stats}");
    assert_eq!(stats["memory"]["max_entries"], 100, "{stats}");
    assert_eq!(stats["redis"], Value::Null, "{stats}");
    assert_eq!(stats["hits"]["memory"], 2, "{stats}");
    assert_eq!(stats["hit_rate"], 0.5, "{stats}");
    assert!(stats["saved_tokens"].as_u64().unwrap() > 0, "{stats}");
    for (metric, value) in [
        ("gateway_cache_hits_total", 2.0),
        ("gateway_cache_misses_total", 2.0),
        ("gateway_cache_entries", 2.0),
        ("gateway_cache_evictions_total", 0.0),
        ("gateway_redis_servers", 0.0),
    ] {
        assert_eq!(gateway.metric(metric, &[]).await, value, "{metric}");
    }
    assert!(gateway.metric("gateway_cache_bytes", &[]).await > 0.0);

    let config = gateway.config_path();
    let run = async |arguments: &[&str]| {
        let path = config.to_string_lossy();
        gateway
            .run(&[arguments, &["--config", &path]].concat())
            .await
    };
    let shown = run(&["cache", "stats"]).await;
    assert!(shown.status.success(), "{}", shown.output);
    assert!(shown.output.contains("2 memory"), "{}", shown.output);
    let shown = run(&["cache", "stats", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.output).unwrap();
    assert_eq!(shown["memory"]["entries"], 2, "{shown}");

    let dropped = run(&["cache", "purge", "--team", "red"]).await;
    assert!(
        dropped.output.contains("dropped: 1 in memory"),
        "{}",
        dropped.output
    );
    assert_eq!(both().await, ["MISS", "HIT"]);
    let dropped = run(&["cache", "purge", "--all", "--json"]).await;
    let dropped: Value = serde_json::from_str(&dropped.output).unwrap();
    assert_eq!(dropped, json!({"memory": 2, "redis": null}));
    assert_eq!(both().await, ["MISS", "MISS"]);
    for wrong in [
        &["cache", "purge"][..],
        &["cache", "purge", "--all", "--key", "ada"],
    ] {
        assert_eq!(run(wrong).await.status.code(), Some(2), "{wrong:?}");
    }
}

async fn purge(gateway: &TestGateway, body: &str) -> Answer {
    let request = Request::post("/admin/cache/purge", body.to_owned());
    gateway.admin_call(request).await
}

#[tokio::test]
async fn a_purge_takes_one_thing_at_a_time() {
    let one = upstream().await;
    let gateway = TestGateway::with(&yaml(&one, "")).await;
    assert_eq!(x_cache(&gateway, "test-key").await, "MISS");
    for wrong in [
        "",
        "{}",
        "{\"teem\": \"red\"}",
        "{\"all\": true, \"key\": \"ada\"}",
    ] {
        let answer = purge(&gateway, wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    for (right, count) in [
        ("{\"key\": \"bob\"}", 0),
        ("{\"model\": \"m\"}", 1),
        ("{\"all\": true}", 0),
    ] {
        let answer = purge(&gateway, right).await;
        assert_eq!(answer.status, 200, "{right}: {answer:?}");
        assert_eq!(answer.json()["memory"], count, "{right}");
    }
}

#[tokio::test]
async fn redis_that_is_away_is_told_of_and_costs_nothing() {
    let one = upstream().await;
    let cache = format!(
        "backend: tiered, redis_url: 'redis://:canary-password@127.0.0.1:{}'",
        free_port()
    );
    let gateway = TestGateway::with(&yaml(&one, &cache)).await;
    assert_eq!(x_cache(&gateway, "test-key").await, "MISS");
    assert_eq!(x_cache(&gateway, "test-key").await, "HIT");
    eventually("the log tells", async || {
        gateway.logs().contains("it is left alone until it answers")
    })
    .await;
    let path = gateway.config_path();
    let path = path.to_string_lossy();
    let dropped = gateway
        .run(&["cache", "purge", "--all", "--config", &path])
        .await;
    assert_eq!(dropped.status.code(), Some(1), "{}", dropped.output);
    assert!(
        dropped.output.contains("dropped: 1 in memory"),
        "{}",
        dropped.output
    );
    assert!(
        dropped.output.contains("is still given"),
        "{}",
        dropped.output
    );
    let shown = gateway.run(&["config", "show", "--config", &path]).await;
    assert!(shown.output.contains("redis_url"), "{}", shown.output);
    let said = [gateway.logs(), shown.output, gateway.metrics().await].concat();
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn redis_behind_tls() {
    let (one, authority) = (upstream().await, Authority::new());
    let files = authority.files("localhost");
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let port = free_port();
    let arguments = [
        "--tls-port".to_owned(),
        port.to_string(),
        "--tls-cert-file".to_owned(),
        path(&files.certificate),
        "--tls-key-file".to_owned(),
        path(&files.key),
        "--tls-ca-cert-file".to_owned(),
        path(&authority.ca_file()),
        "--tls-auth-clients".to_owned(),
        "no".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let redis = RedisServer::start(&arguments).await;
    let cache = format!("backend: redis, redis_url: 'rediss://localhost:{port}', {PATIENT}");
    let gateway = TestGateway::builder(&yaml(&one, &cache).build())
        .env("SSL_CERT_FILE", &path(&authority.ca_file()))
        .start()
        .await;
    redis_is_up(&gateway).await;
    assert_eq!(x_cache(&gateway, "test-key").await, "MISS");
    eventually("it is written", async || {
        // The limits keep something there too.
        let answers: Vec<String> = redis.ask(&["KEYS", "gateway:answer:*"]).await;
        answers.len() == 1
    })
    .await;
    assert_eq!(x_cache(&gateway, "test-key").await, "HIT");
}
