//! Every route that reaches a provider goes through the same door; what reaches none counts as a request.

use super::*;
use crate::support::{Gate, eventually, http::Framing};

const EMBEDDINGS: &str = r#"{"model":"m","input":"hello"}"#;
const MESSAGES: &str =
    r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}"#;

#[tokio::test]
async fn every_route_counts() {
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"m","messages":[]}"#),
        ("/v1/completions", r#"{"model":"m","prompt":"hello"}"#),
        ("/v1/embeddings", EMBEDDINGS),
        ("/v1/responses", r#"{"model":"m","input":"hello"}"#),
        ("/v1/messages", MESSAGES),
        ("/v1/messages/count_tokens", MESSAGES),
        (
            "/api/chat",
            r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#,
        ),
        (
            "/v1beta/models/m:generateContent",
            r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}"#,
        ),
        (
            "/v1beta/models/m:countTokens",
            r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}"#,
        ),
    ] {
        let (_upstream, gateway) = limited("rpm: 1", "").await;
        let request = || Request::post(path, body).bearer("test-key");
        let first = gateway.call(request()).await;
        assert_ne!(first.status, 429, "{path}: {first:?}");
        let is_given_back = first.status >= 400;
        let second = gateway.call(request().framed(Framing::Chunked(7))).await;
        assert_eq!(
            second.status == 429,
            !is_given_back,
            "{path}: {first:?} {second:?}"
        );
        assert!(!is_given_back, "{path}: {first:?}");
        assert!(second.header("retry-after").is_some(), "{path}: {second:?}");
    }
}

#[tokio::test]
async fn routes_that_ask_nobody_are_free() {
    let (_upstream, gateway) = limited("rpm: 1", "").await;
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
    for path in ["/v1/models", "/v1/models/m", "/api/tags", "/health"] {
        let answer = gateway.call(Request::get(path).bearer("test-key")).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_websocket_takes_a_place_for_as_long_as_it_stands() {
    let (_upstream, gateway) = limited("max_parallel_requests: 1", "").await;
    let upgrade = || {
        Request::get("/v1/realtime?model=m")
            .bearer("test-key")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let mut socket = gateway.http1().await;
    socket.send(&upgrade()).await.unwrap();
    assert_eq!(socket.head().await.unwrap().status, 101);
    assert_eq!(gateway.call(upgrade()).await.status, 429);
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 429);
    drop(socket);
    eventually("the place is free", async || {
        ask(&gateway, openai::chat("m")).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_answer_from_the_cache_counts_as_a_request_and_costs_nothing() {
    let limits = "rpm: 3, tpm: 2000, max_budget: 0.0001";
    let (upstream, gateway) = limited(limits, "cache: {enabled: true}").await;
    for (status, cache) in [(200, "MISS"), (200, "HIT"), (200, "HIT")] {
        let answer = ask(&gateway, priced()).await;
        assert_eq!(
            (answer.status, answer.header("x-cache")),
            (status, Some(cache))
        );
        let cost = answer.header("x-gateway-cost");
        assert_eq!(cost, (cache == "HIT").then_some("0"), "{answer:?}");
    }
    let refused = ask(&gateway, priced()).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.text().contains("requests per minute"),
        "{refused:?}"
    );
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn whoever_is_given_the_answer_of_another_counts_as_a_request() {
    let gate = Gate::closed();
    let upstream = ScriptedUpstream::start([gated(&gate)]).await;
    let yaml = yaml(&upstream, "rpm: 3, tpm: 5000", "cache: {enabled: true}");
    let gateway = TestGateway::start(&yaml).await;
    let request = || Request::chat(openai::streamed("m"));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.http1().await;
        client.send(&request()).await.unwrap();
        assert_eq!(client.head().await.unwrap().status, 200);
        clients.push(client);
    }
    assert_eq!(gateway.call(request()).await.status, 429);
    gate.open();
    for mut client in clients {
        while client.piece().await.unwrap().is_some() {}
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn two_that_race_take_one_place() {
    let slow = Script::json(200, openai::completion("slow"));
    let slow = slow.after(std::time::Duration::from_millis(900));
    let one = ScriptedUpstream::start([slow]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("fast"))]).await;
    let yaml = Yaml::default()
        .key("app", "test-key", ", limits: {rpm: 2, max_parallel_requests: 1}")
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .pooled()
        .and("routing: {hedge: {enabled: true, min_seconds: 0.1}, retries: {max: 0}, breaker: {enabled: false}}");
    let gateway = TestGateway::with(&yaml).await;
    for status in [200, 200, 429] {
        let answer = ask(&gateway, openai::chat("m")).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}
