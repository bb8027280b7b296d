//! Bodies over the limit: 413 in the caller's shape, no call to a provider, and a connection that
//! is usable afterwards or cleanly closed.

use std::time::Duration;

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    openai,
};

const LIMIT: usize = 1 << 20;

async fn limited() -> (ScriptedUpstream, TestGateway) {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = single(&upstream.base_url()).listen("max_body_bytes: 1MiB");
    let gateway = TestGateway::with(&yaml).await;
    (upstream, gateway)
}

fn is_too_large(answer: &Answer) {
    assert_eq!((answer.status, answer.whole), (413, true), "{answer:?}");
    assert_eq!(answer.openai_error()["source"], "gateway");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let (upstream, gateway) = limited().await;
    let body = openai::chat_of_size("m", LIMIT);
    for request in [
        Request::chat(body.clone()),
        Request::chat(body.clone()).chunked(60_000),
    ] {
        assert_eq!(gateway.call(request.clone()).await.status, 200);
        assert_eq!(
            gateway.http2().await.call(&request).await.unwrap().status,
            200
        );
    }
    assert_eq!(upstream.count(), 4);
}

#[tokio::test]
async fn one_byte_over_the_limit_is_refused_over_http1() {
    let (upstream, gateway) = limited().await;
    let body = openai::chat_of_size("m", LIMIT + 1);
    for request in [
        Request::chat(body.clone()),
        Request::chat(body.clone()).chunked(60_000),
    ] {
        let mut client = gateway.http1().await;
        is_too_large(&client.call(&request).await.unwrap());
        match client.call(&Request::chat(openai::chat("m"))).await {
            Ok(answer) => assert_eq!(answer.status, 200, "usable: {answer:?}"),
            Err(_) => assert!(client.closes_within(Duration::from_secs(1)).await),
        }
    }
    assert!(
        upstream
            .exchanges()
            .iter()
            .all(|exchange| exchange.body.len() < 1000)
    );
}

#[tokio::test]
async fn one_byte_over_the_limit_is_refused_over_h2c_and_the_connection_goes_on() {
    let (upstream, gateway) = limited().await;
    let body = openai::chat_of_size("m", LIMIT + 1);
    let client = gateway.http2().await;
    for request in [
        Request::chat(body.clone()),
        Request::chat(body.clone()).chunked(60_000),
    ] {
        is_too_large(&client.call(&request).await.unwrap());
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        client
            .call(&Request::chat(openai::chat("m")))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body_is_sent() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = TestGateway::with(&Yaml::new().provider("one", &upstream.base_url())).await;
    let mut client = gateway.http1().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer test-key\r\n\
                content-type: application/json\r\ncontent-length: 33554433\r\n\r\n";
    client.write(head.as_bytes()).await.unwrap();
    is_too_large(&client.answer().await.unwrap());
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn an_endless_chunked_body_is_refused_at_the_limit() {
    let (upstream, gateway) = limited().await;
    let body = vec![b' '; 8 * LIMIT];
    let answer = gateway.call(Request::chat(body).chunked(60_000)).await;
    is_too_large(&answer);
    assert_eq!(upstream.count(), 0);
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |count| count == 0.0)
        .await;
}
