//! What was spent is one number: in headers of answers, in the log, in LiteLLM's routes and in refusals.

use serde_json::{Value, json};

use super::{periods::*, *};
use crate::support::{anthropic, eventually};

/// Seven tokens of a prompt, four of them cached, and two of an answer, by a model of Anthropic's.
const MODEL: &str = "claude-sonnet-4-5";

#[tokio::test]
async fn what_was_spent_is_the_same_wherever_it_is_told() {
    let upstream = ScriptedUpstream::start([Script::json(200, anthropic::message("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let yaml = Yaml::default()
        .key("app", "test-key", "")
        .provider_with("anthropic", upstream.base_url().trim_end_matches("/v1"), "")
        .build()
        .replace("auth:\n", &format!("auth:\n  master_key: {MASTER}\n"));
    let builder =
        TestGateway::builder(&yaml).env("GATEWAY_DATA_DIR", &data.path().to_string_lossy());
    let gateway = builder.start().await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    let team = json!({"team_alias": "blue", "max_budget": 100});
    let team = litellm(&gateway, "POST", "/team/new", team).await;
    litellm(
        &gateway,
        "POST",
        "/user/new",
        json!({"user_id": "ada", "auto_create_key": false}),
    )
    .await;
    let terms = json!({"team_id": team["team_id"], "user_id": "ada", "rpm_limit": 1000, "max_budget": 0.00015});
    let made = litellm(&gateway, "POST", "/key/generate", terms).await;
    let key = made["key"].as_str().unwrap().to_owned();
    is_known(&gateway, &key).await;
    let body = format!(
        r#"{{"model":"{MODEL}","max_tokens":2,"messages":[{{"role":"user","content":"hello"}}]}}"#
    );
    let mut told = 0.0;
    let mut logged = 0.0;
    let refused = loop {
        let request = Request::post("/v1/chat/completions", body.clone()).bearer(&key);
        let answer = gateway.call(request).await;
        if answer.status != 200 {
            break answer;
        }
        let cost: f64 = answer.header("x-gateway-cost").unwrap().parse().unwrap();
        assert!(cost > 0.0, "{answer:?}");
        told += cost;
        logged += gateway.request_log(&answer).await["cost_usd"]
            .as_f64()
            .unwrap();
        assert!(told < 0.001, "never refused");
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    let is_told = |number: &Value| (number.as_f64().unwrap() - told).abs() < 1e-12;
    assert!(is_told(&logged.into()), "{logged} {told}");
    let message = refused.text();
    let current = message.split("Current cost: ").nth(1).unwrap();
    let current: f64 = current.split(',').next().unwrap().parse().unwrap();
    assert!(is_told(&current.into()), "{current} {told}");

    let team = team["team_id"].as_str().unwrap();
    for (target, place) in [
        (format!("/key/info?key={key}"), "/info/spend"),
        (format!("/team/info?team_id={team}"), "/team_info/spend"),
        ("/user/info?user_id=ada".to_owned(), "/user_info/spend"),
        ("/spend/keys".to_owned(), "/0/spend"),
        ("/spend/users?user_id=ada".to_owned(), "/0/spend"),
        ("/spend/models".to_owned(), "/0/total_spend"),
        ("/global/spend".to_owned(), "/spend"),
    ] {
        let mut last = Value::Null;
        eventually(&format!("{target} tells what was spent"), async || {
            last = litellm(&gateway, "GET", &target, Value::Null).await;
            last.pointer(place)
                .is_some_and(|spend| spend.is_number() && is_told(spend))
        })
        .await;
    }
    let rows = litellm(
        &gateway,
        "GET",
        &format!("/spend/logs?api_key={key}"),
        Value::Null,
    )
    .await;
    let rows = rows.as_array().unwrap().iter();
    let sum: f64 = rows.filter_map(|row| row["spend"].as_f64()).sum();
    assert!(is_told(&sum.into()), "{sum} {told}");
}

#[tokio::test]
async fn a_models_budget_outlives_the_process_by_whichever_name_it_was_asked_for() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let data = tempfile::tempdir().unwrap();
    let section =
        "rate_limiting: {models: {gpt-4.1: {max_budget: 0.0001, budget_duration: yearly}}}";
    let body = |model: &str| priced_as(model);
    let gateway = start(&upstream, data.path(), section).await;
    for _ in 0..3 {
        let request = Request::post("/v1/chat/completions", body("openai/gpt-4.1"));
        assert_eq!(gateway.call(request.bearer("other-key")).await.status, 200);
    }
    stop(gateway).await;
    let gateway = start(&upstream, data.path(), section).await;
    let mut count = 0;
    for model in ["openai/gpt-4.1", "gpt-4.1"].iter().cycle() {
        let request = Request::post("/v1/chat/completions", body(model)).bearer("other-key");
        match gateway.call(request).await.status {
            200 => count += 1,
            status => {
                assert_eq!(status, 429);
                break;
            }
        }
        assert!(count < 10, "never refused");
    }
    // Three are spent, and five in all may be.
    assert_eq!(count, 2);
}
