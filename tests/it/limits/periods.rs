//! What was spent outlives the process, and is one number wherever it is asked for.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::*;
use crate::support::{PATIENCE, eventually};

pub(super) const MASTER: &str = "sk-master-of-limits";

pub(super) async fn start(upstream: &ScriptedUpstream, data: &Path, more: &str) -> TestGateway {
    let yaml = yaml(
        upstream,
        "max_budget: 0.0001, budget_duration: yearly",
        more,
    )
    .replace("auth:\n", &format!("auth:\n  master_key: {MASTER}\n"));
    let builder = TestGateway::builder(&yaml).env("GATEWAY_DATA_DIR", &data.to_string_lossy());
    let gateway = builder.start().await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    gateway
}

pub(super) async fn stop(mut gateway: TestGateway) {
    gateway.signal(Signal::TERM);
    assert!(gateway.wait_exit(PATIENCE).await.is_some());
}

pub(super) async fn litellm(
    gateway: &TestGateway,
    method: &str,
    target: &str,
    body: Value,
) -> Value {
    let mut request = Request::new(method, target).bearer(MASTER);
    if !body.is_null() {
        request = request.header("content-type", "application/json");
        request.body = body.to_string().into();
    }
    let answer = gateway.admin_call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// How many requests that key is let in for before it is refused.
async fn count(gateway: &TestGateway, key: &str) -> usize {
    for count in 0..20 {
        let request = Request::post("/v1/chat/completions", priced()).bearer(key);
        match gateway.call(request).await.status {
            200 => {}
            429 => return count,
            other => panic!("{other}"),
        }
    }
    panic!("never refused")
}

pub(super) async fn is_known(gateway: &TestGateway, key: &str) {
    eventually("the key is known", async || {
        let models = Request::get("/v1/models").bearer(key);
        gateway.call(models).await.status == 200
    })
    .await;
}

/// What LiteLLM's clients are told that a key has spent, once it is that many requests' worth.
async fn shows(gateway: &TestGateway, key: &str, requests: usize) {
    let wanted = requests as f64 * COST;
    let target = format!("/key/info?key={key}");
    eventually("what was spent is shown", async || {
        let info = litellm(gateway, "GET", &target, Value::Null).await;
        (info["info"]["spend"].as_f64().unwrap() - wanted).abs() < 1e-12
    })
    .await;
}

#[tokio::test]
async fn a_restart_forgets_nothing_that_was_spent() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let gateway = start(&upstream, data.path(), "").await;
    let terms = json!({"max_budget": 0.0001, "budget_duration": "30d", "rpm_limit": 1000});
    let made = litellm(&gateway, "POST", "/key/generate", terms).await;
    let key = made["key"].as_str().unwrap().to_owned();
    is_known(&gateway, &key).await;
    for name in [&key, "test-key"] {
        for _ in 0..3 {
            let request = Request::post("/v1/chat/completions", priced()).bearer(name);
            assert_eq!(gateway.call(request).await.status, 200);
        }
    }
    shows(&gateway, &key, 3).await;
    stop(gateway).await;
    let gateway = start(&upstream, data.path(), "").await;
    is_known(&gateway, &key).await;
    // Three are spent, and five in all may be.
    assert_eq!(
        (
            count(&gateway, &key).await,
            count(&gateway, "test-key").await
        ),
        (2, 2)
    );
    shows(&gateway, &key, 5).await;
    // Killed, and what it had not yet settled is found by the next one.
    gateway.signal(Signal::KILL);
    drop(gateway);
    let gateway = start(&upstream, data.path(), "").await;
    is_known(&gateway, &key).await;
    assert_eq!(count(&gateway, &key).await, 0);
}

#[tokio::test]
async fn an_operator_says_what_was_spent() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let gateway = start(&upstream, data.path(), "").await;
    let made = litellm(
        &gateway,
        "POST",
        "/key/generate",
        json!({"max_budget": 0.0001}),
    )
    .await;
    let key = made["key"].as_str().unwrap().to_owned();
    is_known(&gateway, &key).await;
    assert_eq!(count(&gateway, &key).await, 5);
    shows(&gateway, &key, 5).await;
    litellm(
        &gateway,
        "POST",
        "/key/update",
        json!({"key": key, "spend": 0}),
    )
    .await;
    assert_eq!(count(&gateway, &key).await, 5);
    shows(&gateway, &key, 5).await;
    litellm(&gateway, "POST", "/global/spend/reset", Value::Null).await;
    assert_eq!(count(&gateway, &key).await, 5);
    // A key gets a budget later: what it has spent before counts.
    let made = litellm(
        &gateway,
        "POST",
        "/key/generate",
        json!({"rpm_limit": 1000}),
    )
    .await;
    let key = made["key"].as_str().unwrap().to_owned();
    is_known(&gateway, &key).await;
    for _ in 0..3 {
        let request = Request::post("/v1/chat/completions", priced()).bearer(&key);
        assert_eq!(gateway.call(request).await.status, 200);
    }
    shows(&gateway, &key, 3).await;
    litellm(
        &gateway,
        "POST",
        "/key/update",
        json!({"key": key, "max_budget": 0.0001}),
    )
    .await;
    eventually("the budget holds", async || {
        let request = Request::post("/v1/chat/completions", priced()).bearer(&key);
        gateway.call(request).await.status == 429
    })
    .await;
}

#[tokio::test]
async fn a_period_that_is_over_is_over_in_the_store_as_well() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let gateway = start(&upstream, data.path(), "").await;
    let terms = json!({"max_budget": 0.0001, "budget_duration": "5s", "rpm_limit": 1000});
    let made = litellm(&gateway, "POST", "/key/generate", terms).await;
    let key = made["key"].as_str().unwrap().to_owned();
    is_known(&gateway, &key).await;
    assert!(count(&gateway, &key).await >= 5);
    shows(&gateway, &key, 0).await;
    eventually("it may spend again", async || {
        let request = Request::post("/v1/chat/completions", priced()).bearer(&key);
        gateway.call(request).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_virtual_key_without_limits_has_the_usual_one_and_its_group_theirs() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let section = "rate_limiting: {default_key_rpm: 3}";
    let gateway = start(&upstream, data.path(), section).await;
    let made = litellm(&gateway, "POST", "/key/generate", json!({})).await;
    let key = made["key"].as_str().unwrap();
    is_known(&gateway, key).await;
    assert_eq!(count(&gateway, key).await, 3);
    let team = json!({"team_alias": "blue", "rpm_limit": 4});
    let team = litellm(&gateway, "POST", "/team/new", team).await;
    let said = json!({"team_id": team["team_id"], "rpm_limit": 100});
    let made = litellm(&gateway, "POST", "/key/generate", said).await;
    let key = made["key"].as_str().unwrap();
    is_known(&gateway, key).await;
    assert_eq!(count(&gateway, key).await, 4);
    let said = json!({"model_rpm_limit": {PRICED: 2}, "rpm_limit": 100});
    let made = litellm(&gateway, "POST", "/key/generate", said).await;
    let key = made["key"].as_str().unwrap();
    is_known(&gateway, key).await;
    assert_eq!(count(&gateway, key).await, 2);
}
