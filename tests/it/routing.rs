//! How a request's model finds its provider.

use serde_json::Value;

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, assert_same_bytes, config::Yaml, openai,
};

struct Scene {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    gateway: TestGateway,
}

async fn scene() -> Scene {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("one"))]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("two"))]).await;
    let yaml = Yaml::new()
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", models: [m, \"wild-*\"], priority: 2}}\n  \
             two: {{base_url: \"{}/\", models: [m, only-two], priority: 1, allowed_models: [m, only-two, renamed]}}",
            one.base_url(),
            two.base_url(),
        ))
        .and("pools: {solo: [{provider: two, model: renamed}]}")
        .and("routes: [{model: \"routed-*\", pool: solo}]")
        .and("aliases: {fast: one/some-model, pooled: solo, plain: only-two}")
        .and("default_model: only-two");
    let gateway = TestGateway::with(&yaml).await;
    Scene { one, two, gateway }
}

#[tokio::test]
async fn each_way_to_name_a_model_finds_its_provider() {
    let scene = scene().await;
    for (asked, provider, served) in [
        ("one/m", "one", "m"),
        ("two/m", "two", "m"),
        ("one/org/deep-name", "one", "org/deep-name"),
        ("m", "two", "m"),
        ("only-two", "two", "only-two"),
        ("wild-card", "one", "wild-card"),
        ("routed-anything", "two", "renamed"),
        ("solo", "two", "renamed"),
        ("fast", "one", "some-model"),
        ("pooled", "two", "renamed"),
        ("plain", "two", "only-two"),
    ] {
        let body = openai::chat(asked);
        let answer = scene.gateway.call(Request::chat(body.clone())).await;
        assert_eq!(answer.status, 200, "{asked}: {answer:?}");
        assert_eq!(answer.header("x-provider"), Some(provider), "{asked}");
        assert_eq!(answer.header("x-model"), Some(served), "{asked}");
        let upstream = if provider == "one" {
            &scene.one
        } else {
            &scene.two
        };
        let expected = openai::with_model(&body, asked, served);
        assert_same_bytes(&upstream.last().body, &expected, asked);
        assert_eq!(upstream.last().target, "/v1/chat/completions");
        let record = scene.gateway.request_log(&answer).await;
        assert_eq!(record["model"], asked, "{record}");
        assert_eq!(record["served_model"], served, "{record}");
    }
}

#[tokio::test]
async fn a_request_without_a_model_gets_the_default() {
    let scene = scene().await;
    for body in [
        r#"{"messages":[]}"#,
        "{}",
        r#"{"messages":[{"model":"x"}],"model":null}"#,
    ] {
        let answer = scene.gateway.call(Request::chat(body)).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_eq!(answer.header("x-model-source"), Some("default"), "{body}");
        let sent: Value = serde_json::from_slice(&scene.two.last().body).unwrap();
        let mut expected: Value = serde_json::from_str(body).unwrap();
        expected["model"] = "only-two".into();
        assert_eq!(sent, expected, "{body}");
    }
}

#[tokio::test]
async fn only_the_top_level_model_is_replaced_wherever_it_stands() {
    let scene = scene().await;
    for (body, expected) in [
        (
            r#"{"messages":[{"model":"fast"}],"x":"\"model\":\"fast\"","model":"fast"}"#,
            r#"{"messages":[{"model":"fast"}],"x":"\"model\":\"fast\"","model":"some-model"}"#,
        ),
        (
            "{\n  \"model\" : \"fast\" ,\n  \"messages\" : [ ]\n}\n",
            "{\n  \"model\" : \"some-model\" ,\n  \"messages\" : [ ]\n}\n",
        ),
        (
            r#"{"mod\u0065l":"f\u0061st","n":1.0e+2}"#,
            r#"{"mod\u0065l":"some-model","n":1.0e+2}"#,
        ),
    ] {
        let answer = scene.gateway.call(Request::chat(body)).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_same_bytes(&scene.one.last().body, expected.as_bytes(), body);
    }
}

#[tokio::test]
async fn a_model_at_the_end_of_a_long_body_is_replaced() {
    let scene = scene().await;
    let filler = "lorem \\\"model\\\":\\\"fast\\\" ".repeat(20_000);
    let body = |model: &str| format!(r#"{{"messages":["{filler}"],"model":"{model}"}}"#);
    for request in [
        Request::chat(body("fast")),
        Request::chat(body("fast")).chunked(9_001),
    ] {
        let answer = scene.gateway.call(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_same_bytes(
            &scene.one.last().body,
            body("some-model").as_bytes(),
            "a long body",
        );
    }
}

#[tokio::test]
async fn a_model_outside_a_providers_allow_list_is_refused() {
    let scene = scene().await;
    let answer = scene
        .gateway
        .call(Request::chat(openai::chat("two/forbidden")))
        .await;
    assert!([400, 403, 404].contains(&answer.status), "{answer:?}");
    assert_eq!(scene.two.count(), 0);
}

#[tokio::test]
async fn a_provider_with_several_keys_uses_them_in_turn() {
    let one = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new().and(&format!(
        "providers: {{one: {{base_url: \"{}\", models: [m], api_keys: [key-a, key-b]}}}}",
        one.base_url()
    ));
    let gateway = TestGateway::with(&yaml).await;
    for _ in 0..4 {
        assert_eq!(
            gateway.call(Request::chat(openai::chat("m"))).await.status,
            200
        );
    }
    let used = |key: &str| {
        let exchanges = one.exchanges();
        exchanges
            .iter()
            .filter(|e| e.header("authorization") == Some(key))
            .count()
    };
    assert_eq!((used("Bearer key-a"), used("Bearer key-b")), (2, 2));
}

#[tokio::test]
async fn a_provider_without_a_key_is_sent_none() {
    let one = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new().and(&format!(
        "providers: {{one: {{base_url: \"{}\", models: [m]}}}}",
        one.base_url()
    ));
    let gateway = TestGateway::with(&yaml).await;
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    assert_eq!(one.last().header("authorization"), None);
}
