//! How providers are doing, as the admin port, the command line and the metrics say it.

use serde_json::{Value, json};

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, config::Yaml, eventually, openai,
};

async fn health(gateway: &TestGateway) -> Value {
    gateway.admin("/admin/health").await.json()["providers"].clone()
}

#[tokio::test]
async fn health_says_how_each_provider_key_and_model_is() {
    let answer = Script::json(200, openai::completion("hi"));
    let one = ScriptedUpstream::start([answer]).await;
    let two = ScriptedUpstream::start([Script::json(401, openai::error("who are you?"))]).await;
    let yaml = Yaml::open()
        .provider("one", &one.base_url())
        .and("routing: {retries: {budget_size: 7}, breaker: {consecutive_failures: 1}}");
    let yaml = yaml.build().replace(
        "providers:\n",
        &format!("providers:\n  two: {{base_url: \"{}\", api_keys: [canary-key-a, canary-key-b], models: [n]}}\n", two.base_url()),
    );
    let gateway = TestGateway::start(&yaml).await;
    let before = health(&gateway).await;
    assert_eq!(before["one"]["healthy"], true, "{before}");
    assert_eq!(before["one"]["targets"], json!({}), "{before}");
    assert_eq!(before["one"]["check"], "off", "{before}");
    assert_eq!(
        before["two"]["keys"],
        json!({"count": 2, "benched": []}),
        "{before}"
    );

    gateway.call(Request::chat(openai::chat("one/m"))).await;
    gateway.call(Request::chat(openai::chat("one/m"))).await;
    gateway.call(Request::chat(openai::chat("n"))).await;
    eventually("all is told", async || {
        health(&gateway).await["one"]["targets"]["m"]["tokens_last_minute"] != 0.0
    })
    .await;
    let after = health(&gateway).await;
    let target = &after["one"]["targets"]["m"];
    assert_eq!(target["breaker"], "closed", "{after}");
    assert_eq!(target["requests_last_minute"], 2.0, "{after}");
    assert_eq!(target["in_flight"], 0, "{after}");
    assert!(target["first_byte_ms"].is_number(), "{after}");
    assert_eq!(
        after["one"]["retry_budget"],
        json!({"left": 7.0, "size": 7}),
        "{after}"
    );
    let two = &after["two"];
    assert_eq!(two["healthy"], false, "{after}");
    assert_eq!(two["problems"], json!(["none of its keys worked of late"]));
    let benched = two["keys"]["benched"].as_array().unwrap();
    assert_eq!(
        (&benched[0]["key"], &benched[1]["key"]),
        (&json!(1), &json!(2))
    );
    assert!(
        benched[0]["seconds_left"].as_f64().unwrap() > 200.0,
        "{after}"
    );
    assert!(!after.to_string().contains("canary"), "{after}");
}

#[tokio::test]
async fn a_breaker_is_seen_open_then_half_open_then_closed() {
    let one = ScriptedUpstream::start([Script::json(500, openai::error("down"))]).await;
    let yaml = Yaml::open().provider("one", &one.base_url()).and(
        "routing: {retries: {max: 0}, breaker: {consecutive_failures: 1, cooldown_seconds: 1.5}}",
    );
    let gateway = TestGateway::with(&yaml).await;
    let labels = [("provider", "one"), ("model", "m")];
    let state = async |wanted: f64| {
        let is = |state| state == wanted;
        gateway
            .wait_metric("gateway_breaker_state", &labels, is)
            .await;
    };
    let seen = async || health(&gateway).await["one"]["targets"]["m"].clone();
    gateway.call(Request::chat(openai::chat("m"))).await;
    state(2.0).await;
    let open = seen().await;
    assert_eq!(open["breaker"], "open", "{open}");
    assert!(open["retry_in_seconds"].as_f64().unwrap() > 0.0, "{open}");
    state(1.0).await;
    let half = seen().await;
    assert_eq!(
        (&half["breaker"], &half["retry_in_seconds"]),
        (&json!("half_open"), &Value::Null)
    );
    one.follow([Script::json(200, openai::completion("hi"))]);
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    state(0.0).await;
    assert_eq!(seen().await["breaker"], "closed");
    // A provider that is gone is gone from the metrics.
    gateway.write_config(&Yaml::open().provider("other", &one.base_url()).build());
    gateway.wait_events("config_reloaded", 1).await;
    assert!(!gateway.metrics().await.contains("gateway_breaker_state{"));
}

#[tokio::test]
async fn the_command_prints_a_table_and_exits_with_one_where_somebody_is_ill() {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let yaml = Yaml::open()
        .provider("one", &one.base_url())
        .and("routing: {retries: {max: 0}, breaker: {consecutive_failures: 1}}")
        .and("auth: {master_key: the-master-key}");
    let mut gateway = TestGateway::with(&yaml).await;
    let config = gateway.config_path();
    let config = config.to_string_lossy();
    let call = || Request::post("/v1/chat/completions", openai::chat("m")).bearer("the-master-key");
    let arguments = ["provider", "health", "-c", &config];
    let well = gateway.run(&arguments).await;
    assert!(well.status.success(), "{}", well.output);
    assert!(
        well.output.contains("no model has been asked yet"),
        "{}",
        well.output
    );
    assert_eq!(gateway.call(call()).await.status, 200);
    one.follow([Script::json(500, openai::error("down"))]);
    gateway.call(call()).await;
    eventually("somebody is ill", async || {
        !gateway.run(&arguments).await.status.success()
    })
    .await;
    let ill = gateway.run(&arguments).await;
    assert_eq!(ill.status.code(), Some(1), "{}", ill.output);
    for words in [
        "not well",
        "127.0.0.1",
        "open, ",
        "2 requests",
        "one: m failed too often: nobody is sent there",
    ] {
        assert!(ill.output.contains(words), "{words}: {}", ill.output);
    }
    let ran = gateway.run(&[&arguments[..], &["--json"]].concat()).await;
    let said: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(
        said["providers"]["one"]["targets"]["m"]["breaker"], "open",
        "{said}"
    );

    assert!(gateway.run(&["stop", "-c", &config]).await.status.success());
    gateway.wait_exit(crate::support::PATIENCE).await;
    let gone = gateway.run(&arguments).await;
    assert_eq!(gone.status.code(), Some(4), "{}", gone.output);
    assert!(
        gone.output
            .contains("error: no gateway runs at http://127.0.0.1:"),
        "{}",
        gone.output
    );
}
