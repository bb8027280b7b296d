//! Corners where a request meets something that is rare: each was a defect once.

use std::time::Duration;

use crate::support::{
    Ending, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, pair, single},
    eventually, openai,
};

fn answering() -> Script {
    Script::json(200, openai::completion("hello"))
}

#[tokio::test]
async fn a_name_too_long_to_be_one_is_refused_and_kept_nowhere() {
    let upstream = ScriptedUpstream::start([answering()]).await;
    let yaml = single(&upstream.base_url()).and("default_model: m");
    let gateway = TestGateway::with(&yaml).await;
    let long = "m".repeat(1 << 20);
    let started = std::time::Instant::now();
    let in_body = gateway.call(Request::chat(openai::chat(&long))).await;
    assert!(started.elapsed() < Duration::from_secs(2));
    let hint = Request::chat(openai::chat("m")).header("x-gateway-provider", &long[..300]);
    for answer in [in_body, gateway.call(hint).await] {
        assert_eq!(answer.status, 400);
        assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
    }
    assert!(gateway.metrics().await.len() < 100_000);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_providers_default_model_is_no_way_around_a_keys_list() {
    let upstream = ScriptedUpstream::start([answering()]).await;
    let provider = format!(
        "providers: {{up: {{base_url: \"{}\", default_model: secret}}}}",
        upstream.base_url()
    );
    let yaml = Yaml::new()
        .key("narrow", "narrow-key", ", models: [m]")
        .and(&provider);
    let gateway = TestGateway::with(&yaml).await;
    let body = r#"{"provider":"up","messages":[]}"#;
    let request = Request::post("/v1/chat/completions", body).bearer("narrow-key");
    assert_eq!(gateway.call(request).await.status, 403);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_garbage() {
    let one = ScriptedUpstream::start([Script::json(101, "")]).await;
    let two = ScriptedUpstream::start([answering()]).await;
    let gateway = TestGateway::with(&pair(&one.base_url(), &two.base_url())).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
    let record = gateway.request_log(&answer).await;
    assert_eq!(record["attempts"][0]["outcome"], "garbage", "{record}");
}

#[tokio::test]
async fn realtime_without_an_upgrade_asks_no_provider() {
    let upstream = ScriptedUpstream::start([Script::Stall]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let request = Request::get("/v1/realtime?model=m").bearer("test-key");
    assert_eq!(gateway.call(request.clone()).await.status, 400);
    let over_h2c = gateway.http2().await.call(&request).await.unwrap();
    assert_eq!(over_h2c.status, 400);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_key_among_subprotocols_stays_here_on_every_route() {
    let upstream = ScriptedUpstream::start([answering()]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let request = Request::post("/v1/chat/completions", openai::chat("m"))
        .header("sec-websocket-protocol", "realtime")
        .header("sec-websocket-protocol", "openai-insecure-api-key.test-key");
    assert!(matches!(gateway.call(request).await.status, 200 | 401));
    let sent = gateway
        .call(Request::chat(openai::chat("m")).header(
            "sec-websocket-protocol",
            "realtime, openai-insecure-api-key.test-key",
        ))
        .await;
    assert_eq!(sent.status, 200);
    assert!(!upstream.last().everything().contains("openai-insecure"));
}

#[tokio::test]
async fn an_old_client_gets_no_chunks() {
    let script = Script::frames(openai::frames(3), Duration::from_millis(1));
    let upstream = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let body = openai::streamed("m");
    let mut client = gateway.http1().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nauthorization: Bearer test-key\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write(head.as_bytes()).await.unwrap();
    client.write(&body).await.unwrap();
    let head = client.head().await.unwrap();
    assert_eq!(head.headers.get("transfer-encoding"), None);
    let wanted = openai::frames(3).concat();
    assert_eq!(client.read_raw(wanted.len()).await.unwrap(), wanted);
}

#[tokio::test]
async fn a_delegated_request_counts_once() {
    let upstream = ScriptedUpstream::start([Script::Stall]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let client = gateway.http2().await;
    let call = client
        .send(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    upstream.wait_for_requests(1).await;
    let in_flight = gateway.metric("gateway_requests_in_flight", &[]).await;
    assert_eq!(in_flight, 1.0);
    call.reset();
    eventually("it is over", async || {
        gateway.metric("gateway_requests_in_flight", &[]).await == 0.0
    })
    .await;
}

/// More than the sockets between a provider and a client hold.
fn flood() -> Vec<bytes::Bytes> {
    let event = format!("data: {}\n\n", "x".repeat(64 << 10));
    vec![bytes::Bytes::from(event); 400]
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_the_providers_fault() {
    let script = Script::frames(flood(), Duration::ZERO);
    let upstream = ScriptedUpstream::start([script]).await;
    // `single` gives the provider a second between pieces.
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut length = 0;
    while let Some(piece) = client.piece().await.unwrap() {
        length += piece.bytes.len();
    }
    assert_eq!(length, flood().concat().len());
}

#[tokio::test]
async fn a_client_that_takes_nothing_counts_as_gone() {
    let script = Script::broken(flood(), Ending::Stall);
    let upstream = ScriptedUpstream::start([script]).await;
    let yaml = single(&upstream.base_url()).listen("write_timeout_seconds: 1");
    let gateway = TestGateway::with(&yaml).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    let record = gateway.wait_request(|record| record["status"] == 499).await;
    assert_eq!(record["attempts"][0]["outcome"], "client_gone", "{record}");
}
