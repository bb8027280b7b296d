//! Somebody else instead: by the class of the failure, another key, another model, another dialect.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, TestGateway, anthropic, config::Yaml, openai, sse,
};

struct Scene {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    gateway: TestGateway,
}

/// `one` serves `m`, `two` serves `big`; `routing` such as `fallbacks: {m: [big]}`.
async fn scene(one: Script, two: Script, more: &str, routing: &str) -> Scene {
    let one = ScriptedUpstream::start([one]).await;
    let two = ScriptedUpstream::start([two]).await;
    let yaml = Yaml::new()
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", api_key: key-one, models: [m]}}\n  \
             two: {{base_url: \"{}\", api_key: key-two, models: [big]{more}}}",
            one.base_url(),
            two.base_url(),
        ))
        .and(&format!(
            "routing: {{retries: {{base_seconds: 0.005, max_seconds: 0.02}}, {routing}}}"
        ));
    let gateway = TestGateway::with(&yaml).await;
    Scene { one, two, gateway }
}

const TO_BIG: &str = "fallbacks: {m: [big]}";

fn good() -> Script {
    Script::json(200, openai::completion("hi"))
}

fn chat() -> Request {
    Request::chat(openai::chat("m"))
}

/// What a recorded provider answered.
fn recorded(name: &str) -> (u16, Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/recordings/");
    let text = std::fs::read_to_string(format!("{folder}{name}.json")).expect("the recording");
    let recording: Value = serde_json::from_str(&text).expect("JSON");
    let response = &recording["exchanges"][0]["response"];
    let status = response["status"].as_u64().expect("a status");
    (status as u16, response["body"].clone())
}

fn context_length_exceeded() -> Script {
    let error = json!({"error": {
        "message": "This model's maximum context length is 128000 tokens. However, your messages \
                    resulted in 150000 tokens. Please reduce the length of the messages.",
        "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}});
    Script::json(400, error.to_string())
}

fn content_policy_violation() -> Script {
    let error = json!({"error": {
        "message": "This request has been blocked by our content filters.",
        "type": "invalid_request_error", "param": null, "code": "content_policy_violation"}});
    Script::json(400, error.to_string())
}

#[track_caller]
fn served_by_two(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
    assert_eq!(answer.header("x-model"), Some("big"), "{answer:?}");
    assert_eq!(answer.header("x-gateway-attempts"), Some("2"), "{answer:?}");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_larger_model() {
    let (status, body) = recorded(
        "openrouter/chat-completions-real-error-scenarios-openrouter-clau-dles-context-length-exceeded-errors",
    );
    for script in [
        context_length_exceeded(),
        Script::json(status, body.to_string()),
    ] {
        let routing = "context_window_fallbacks: {m: [big]}";
        let scene = scene(script, good(), "", routing).await;
        let answer = scene.gateway.call(chat()).await;
        served_by_two(&answer);
        assert_eq!((scene.one.count(), scene.two.count()), (1, 1));
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_nowhere_without_a_larger_model() {
    let scene = scene(
        context_length_exceeded(),
        good(),
        "",
        "default_fallbacks: []",
    )
    .await;
    let answer = scene.gateway.call(chat()).await;
    assert_eq!((answer.status, scene.one.count()), (400, 1), "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "context_length_exceeded");
    assert_eq!(scene.two.count(), 0);
}

#[tokio::test]
async fn a_larger_model_is_for_prompts_that_are_too_long_alone() {
    let failing = Script::json(500, openai::error("broken"));
    let routing = "context_window_fallbacks: {m: [big]}";
    let scene = scene(failing, good(), "", routing).await;
    let answer = scene.gateway.call(chat()).await;
    assert_eq!((answer.status, scene.two.count()), (502, 0), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_by_content_policy_goes_elsewhere_only_where_it_is_listed() {
    let refused = scene(content_policy_violation(), good(), "", TO_BIG).await;
    let answer = refused.gateway.call(chat()).await;
    assert_eq!((answer.status, refused.one.count()), (400, 1), "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "content_policy_violation");
    assert_eq!(refused.two.count(), 0);

    let listed = format!("{TO_BIG}, fallback_on: [content_policy]");
    let scene = scene(content_policy_violation(), good(), "", &listed).await;
    served_by_two(&scene.gateway.call(chat()).await);
}

#[tokio::test]
async fn a_bad_request_never_goes_elsewhere() {
    for status in [400, 404, 422] {
        let wrong = Script::json(status, openai::error("your fault"));
        let scene = scene(wrong, good(), "", TO_BIG).await;
        let answer = scene.gateway.call(chat()).await;
        assert_eq!(
            (answer.status, scene.two.count()),
            (status, 0),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_goes_to_the_default_fallback_at_once() {
    for (status, wait) in [(429, Some("20")), (500, None), (503, Some("20"))] {
        let mut failing = Script::json(status, openai::error("broken"));
        if let Some(wait) = wait {
            failing = failing.with_header("retry-after", wait);
        }
        let scene = scene(failing, good(), "", "default_fallbacks: [big]").await;
        let started = std::time::Instant::now();
        served_by_two(&scene.gateway.call(chat()).await);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "{status}: {took:?}");
    }
}

#[tokio::test]
async fn a_fallback_may_speak_another_dialect() {
    let failing = Script::json(503, openai::error("busy"));
    let plain = Script::json(200, anthropic::message("hi"));
    let words = vec![anthropic::delta("hel"), anthropic::delta("lo")];
    let frames = [anthropic::start(), words, anthropic::end()].concat();
    let scene = scene(failing, plain, ", kind: anthropic", TO_BIG).await;

    let answer = scene.gateway.call(chat()).await;
    served_by_two(&answer);
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["message"]["content"], "hi", "{answer:?}");
    assert_eq!(answer.json()["object"], "chat.completion");

    scene.two.follow([Script::frames(frames, Duration::ZERO)]);
    let answer = scene
        .gateway
        .call(Request::chat(openai::streamed("m")))
        .await;
    served_by_two(&answer);
    let events = sse::events(&answer.body);
    let (done, chunks) = events.split_last().expect("events");
    assert_eq!(done.data, "[DONE]");
    let text: String = chunks
        .iter()
        .filter_map(|event| {
            let chunk = event.json();
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            let text = chunk["choices"][0]["delta"]["content"].as_str();
            text.map(str::to_owned)
        })
        .collect();
    assert_eq!(text, "hello");
    assert_eq!(scene.two.last().target, "/v1/messages");
}

#[tokio::test]
async fn a_key_that_is_refused_is_followed_by_the_next_and_never_used_again() {
    for (status, said) in [
        (401, "Incorrect API key provided."),
        (
            403,
            "Your API key does not have permission to use the specified resource.",
        ),
    ] {
        let refused = Script::json(status, openai::error(said));
        let one = ScriptedUpstream::start([refused, good()]).await;
        let yaml = Yaml::new()
            .and(&format!(
                "providers: {{one: {{base_url: \"{}\", models: [m], api_keys: [key-a, key-b]}}}}",
                one.base_url()
            ))
            .and("routing: {retries: {base_seconds: 5}}");
        let gateway = TestGateway::with(&yaml).await;
        let started = std::time::Instant::now();
        for _ in 0..6 {
            let answer = gateway.call(chat()).await;
            assert_eq!(answer.text(), openai::completion("hi"), "{answer:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(1), "at once");
        let exchanges = one.exchanges();
        let keys: Vec<_> = exchanges
            .iter()
            .map(|exchange| exchange.header("authorization"))
            .collect();
        assert_eq!(keys.len(), 7, "{keys:?}");
        assert!(keys[1..].iter().all(|key| *key != keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn a_provider_whose_only_key_is_refused_is_left_for_another() {
    let refused = Script::json(401, openai::error("Incorrect API key provided."));
    let scene = scene(refused, good(), "", TO_BIG).await;
    served_by_two(&scene.gateway.call(chat()).await);
    for _ in 0..3 {
        let answer = scene.gateway.call(chat()).await;
        assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
    }
    assert_eq!(
        (scene.one.count(), scene.two.count()),
        (1, 4),
        "a key that is refused is not tried again"
    );
}

#[tokio::test]
async fn the_only_key_is_refused_and_nobody_else_is_there() {
    let refused = Script::json(401, openai::error("Incorrect API key provided."));
    let scene = scene(refused, good(), "", "default_fallbacks: []").await;
    let answer = scene.gateway.call(chat()).await;
    assert_eq!((answer.status, scene.one.count()), (502, 1), "{answer:?}");
    let error = answer.openai_error();
    assert_eq!(
        (&error["source"], &error["provider_status"]),
        (&json!("one"), &json!(401)),
        "{error}"
    );
}

#[tokio::test]
async fn no_key_is_benched_for_longer_than_the_cap_whatever_its_provider_says() {
    let refused = Script::json(401, openai::error("who are you?"))
        .with_header("retry-after", "18446744073709549568");
    let scene = scene(refused, good(), "", "key_bench_cap_seconds: 90").await;
    let answer = scene.gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let health = scene.gateway.admin("/admin/health").await.json();
    let benched = &health["providers"]["one"]["keys"]["benched"][0];
    let left = benched["seconds_left"].as_f64().unwrap();
    assert!((80.0..=90.0).contains(&left), "{health}");
}

#[tokio::test]
async fn each_key_is_tried_once_even_where_none_is_benched() {
    let refused = || Script::json(401, openai::error("no such key"));
    let one = ScriptedUpstream::start([refused()]).await;
    let two = ScriptedUpstream::start([good()]).await;
    let yaml = Yaml::new()
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", api_keys: [key-a, key-b, key-c], models: [m]}}\n  \
             two: {{base_url: \"{}\", api_key: key-two, models: [big]}}",
            one.base_url(),
            two.base_url(),
        ))
        .and("routing: {key_bench_seconds: 0, fallbacks: {m: [big]}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(chat()).await;
    assert_eq!(
        (answer.status, answer.header("x-provider")),
        (200, Some("two"))
    );
    assert_eq!((one.count(), two.count()), (3, 1));
}

#[tokio::test]
async fn a_pool_that_is_a_fallback_is_asked_for_the_clients_model() {
    let one = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let two = ScriptedUpstream::start([good()]).await;
    let yaml = Yaml::new()
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", api_key: key-one, models: [m]}}\n  \
             two: {{base_url: \"{}\", api_key: key-two, models: [big]}}",
            one.base_url(),
            two.base_url(),
        ))
        .and("pools: {reserve: [{provider: two}]}")
        .and("routing: {fallbacks: {m: [reserve]}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(chat()).await;
    assert_eq!(
        (answer.status, answer.header("x-model")),
        (200, Some("m")),
        "{answer:?}"
    );
    let asked: Value = serde_json::from_slice(&two.last().body).unwrap();
    assert_eq!(asked["model"], "m");
}

#[tokio::test]
async fn a_client_may_name_its_own_fallbacks_among_what_it_may_use() {
    let one = ScriptedUpstream::start([Script::json(500, openai::error("no"))]).await;
    let two = ScriptedUpstream::start([good()]).await;
    let yaml = Yaml::new()
        .key("small", "small-key", ", models: [m]")
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", models: [m]}}\n  two: {{base_url: \"{}\", models: [big]}}",
            one.base_url(),
            two.base_url(),
        ))
        .and("routing: {retries: {max: 0}, fallbacks: {n: [m]}}");
    let gateway = TestGateway::with(&yaml).await;
    let ask = |names: &str| chat().header("x-gateway-fallbacks", names);
    for names in ["big", "one/other, two/big"] {
        let answer = gateway.call(ask(names)).await;
        assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
        assert_eq!(two.last().header("x-gateway-fallbacks"), None);
    }
    let answer = gateway.call(ask("bigg")).await;
    assert_eq!((answer.status, two.count()), (404, 2), "{answer:?}");
    assert!(answer.text().contains("big"), "{answer:?}");
    let body = openai::chat("m");
    let limited = Request::post("/v1/chat/completions", body).bearer("small-key");
    let answer = gateway
        .call(limited.header("x-gateway-fallbacks", "big"))
        .await;
    assert_eq!((answer.status, two.count()), (403, 2), "{answer:?}");
}
