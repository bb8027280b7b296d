//! Clients that take their time, or more than their share of connections.

use std::time::{Duration, Instant};

use crate::support::{
    Http1, Request, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    eventually, openai,
};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\n\
                    authorization: Bearer test-key\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn a_slow_head_is_closed() {
    let upstream = ScriptedUpstream::start([]).await;
    let yaml = single(&upstream.base_url()).listen("head_timeout_seconds: 1");
    let gateway = TestGateway::with(&yaml).await;
    let mut silent = gateway.http1().await;
    assert!(
        silent.closes_within(Duration::from_secs(4)).await,
        "silent from the start"
    );
    let mut dripping = gateway.http1().await;
    let started = Instant::now();
    for byte in HEAD.bytes().cycle() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if dripping.write(&[byte]).await.is_err() {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "a dripping head goes on for ever"
        );
    }
    let mut kept = gateway.http1().await;
    assert_eq!(
        kept.call(&Request::get("/health")).await.unwrap().status,
        200
    );
    assert!(
        kept.closes_within(Duration::from_secs(4)).await,
        "silent after an answer"
    );
}

#[tokio::test]
async fn a_body_that_pauses_is_408() {
    let upstream = ScriptedUpstream::start([]).await;
    let yaml = single(&upstream.base_url()).listen("body_idle_timeout_seconds: 1");
    let gateway = TestGateway::with(&yaml).await;
    for framing in [
        "content-length: 100\r\n\r\n{",
        "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ] {
        let mut client = gateway.http1().await;
        client
            .write(format!("{HEAD}{framing}").as_bytes())
            .await
            .unwrap();
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 408, "{framing}");
        assert_eq!(answer.openai_error()["source"], "gateway");
    }
    let client = gateway.http2().await;
    let mut call = client
        .open(&Request::chat(openai::chat("m")), false)
        .await
        .unwrap();
    assert_eq!(call.status().await.unwrap(), 408, "over h2c");
    let record = gateway.wait_request(|record| record["status"] == 408).await;
    assert_eq!(
        record["attempts"].as_array().map(Vec::len),
        Some(0),
        "{record}"
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_body_that_drips_is_408() {
    let upstream = ScriptedUpstream::start([]).await;
    let yaml = single(&upstream.base_url()).listen("body_timeout_seconds: 1");
    let gateway = TestGateway::with(&yaml).await;
    let mut client = gateway.http1().await;
    client
        .write(format!("{HEAD}content-length: 100000\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let started = Instant::now();
    while client.write(b" ").await.is_ok() && started.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.answer().await.unwrap().status, 408);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn one_address_may_hold_only_so_many_connections() {
    let upstream = ScriptedUpstream::start([]).await;
    let yaml = Yaml::new().provider("one", &upstream.base_url());
    let gateway = TestGateway::with(&yaml.listen("connections_per_address: 5")).await;
    let mut held: Vec<Http1> = Vec::new();
    for number in 0..5 {
        let mut client = gateway.http1().await;
        let answer = client.call(&Request::get("/health")).await;
        assert_eq!(answer.unwrap().status, 200, "connection {number}");
        held.push(client);
    }
    let mut excess = gateway.http1().await;
    assert!(
        excess.call(&Request::get("/health")).await.is_err(),
        "the sixth is closed"
    );
    gateway
        .wait_metric("gateway_connections_rejected_total", &[], |count| {
            count >= 1.0
        })
        .await;
    held.pop();
    eventually("a place is free again", async || {
        gateway
            .http1()
            .await
            .call(&Request::get("/health"))
            .await
            .is_ok()
    })
    .await;
}
