//! Heads and framings that lie: a 4xx or a close, no smuggled request, no connection left open.

use std::time::Duration;

use crate::support::{
    Http1, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    openai, within,
};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\n\
                    authorization: Bearer test-key\r\ncontent-type: application/json\r\n";

async fn scene() -> (ScriptedUpstream, TestGateway) {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = single(&upstream.base_url()).listen("body_idle_timeout_seconds: 1");
    (upstream, TestGateway::with(&yaml).await)
}

/// Sends these bytes; then there has to be a 4xx or a close, within a few seconds. Returns the
/// status, if there was an answer.
async fn refused(gateway: &TestGateway, bytes: &[u8], what: &str) -> Option<u16> {
    let mut client = gateway.http1().await;
    let _ = client.write(bytes).await;
    let limit = Duration::from_secs(5);
    let status = within(limit, what, client.answer())
        .await
        .ok()
        .map(|answer| answer.status);
    assert!(
        status.is_none_or(|status| (400..500).contains(&status)),
        "{what}: {status:?}"
    );
    status
}

async fn is_well(upstream: &ScriptedUpstream, gateway: &TestGateway) {
    assert_eq!(upstream.count(), 0, "no provider was called");
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |count| count == 0.0)
        .await;
}

#[tokio::test]
async fn a_length_longer_than_the_body_times_out() {
    let (upstream, gateway) = scene().await;
    let body = openai::chat("m");
    let wire = [HEAD.as_bytes(), b"content-length: 5000\r\n\r\n", &body[..]].concat();
    assert_eq!(refused(&gateway, &wire, "too few bytes").await, Some(408));
    is_well(&upstream, &gateway).await;
}

#[tokio::test]
async fn a_length_shorter_than_the_body_smuggles_nothing() {
    let (upstream, gateway) = scene().await;
    let wire = [
        HEAD.as_bytes(),
        b"content-length: 7\r\n\r\n",
        &openai::chat("m")[..],
    ]
    .concat();
    let mut client = gateway.http1().await;
    client.write(&wire).await.unwrap();
    let first = client.answer().await.unwrap();
    assert_eq!(first.status, 400, "seven bytes are not JSON: {first:?}");
    if let Ok(second) = client.answer().await {
        assert!(
            (400..500).contains(&second.status),
            "the rest is no request: {second:?}"
        );
    }
    is_well(&upstream, &gateway).await;
}

#[tokio::test]
async fn lengths_that_are_no_lengths_are_refused() {
    let (upstream, gateway) = scene().await;
    let body = openai::chat("m");
    for length in [
        "-1",
        "+71",
        "0x47",
        "71, 72",
        "many",
        "18446744073709551616",
        "",
    ] {
        let wire = format!("{HEAD}content-length: {length}\r\n\r\n");
        refused(&gateway, &[wire.as_bytes(), &body[..]].concat(), length).await;
    }
    let twice = format!(
        "{HEAD}content-length: 7\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    refused(
        &gateway,
        &[twice.as_bytes(), &body[..]].concat(),
        "two lengths",
    )
    .await;
    is_well(&upstream, &gateway).await;
}

#[tokio::test]
async fn both_framings_are_refused_or_read_as_chunked_and_closed() {
    let (upstream, gateway) = scene().await;
    let body = openai::chat("m");
    let chunked = crate::support::http::chunk(&body);
    for order in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    ] {
        let mut client = gateway.http1().await;
        let wire = [HEAD.as_bytes(), order.as_bytes(), &chunked, b"0\r\n\r\n"].concat();
        client.write(&wire).await.unwrap();
        let answer = client.answer().await.unwrap();
        match answer.status {
            200 => {
                assert_eq!(upstream.last().body, body, "read as chunked");
                assert_eq!(upstream.last().header("transfer-encoding"), None);
            }
            status => assert!((400..500).contains(&status), "{answer:?}"),
        }
        assert!(
            client.closes_within(Duration::from_secs(2)).await,
            "the connection closes"
        );
    }
}

#[tokio::test]
async fn broken_chunks_are_refused() {
    let (upstream, gateway) = scene().await;
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-5\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}",
        "2\r\n{}XX0\r\n\r\n",
    ] {
        let wire = format!("{HEAD}transfer-encoding: chunked\r\n\r\n{body}");
        refused(&gateway, wire.as_bytes(), body).await;
    }
    for coding in [
        "gzip, chunked",
        "chunked, identity",
        "xchunked",
        "chunked, chunked",
    ] {
        let wire = format!("{HEAD}transfer-encoding: {coding}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
        refused(&gateway, wire.as_bytes(), coding).await;
    }
    is_well(&upstream, &gateway).await;
}

#[tokio::test]
async fn oversized_and_malformed_heads_are_refused() {
    let (upstream, gateway) = scene().await;
    let line = "x".repeat(2 << 20);
    let many: String = (0..10_000)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    for (what, wire) in [
        (
            "one header of 2 MiB",
            format!("{HEAD}x-long: {line}\r\n\r\n"),
        ),
        ("ten thousand headers", format!("{HEAD}{many}\r\n")),
        (
            "a target of 2 MiB",
            format!("GET /{line} HTTP/1.1\r\nhost: a\r\n\r\n"),
        ),
        (
            "a NUL in a header",
            format!("{HEAD}x-nul: a\0b\r\ncontent-length: 0\r\n\r\n"),
        ),
        (
            "a header without a colon",
            format!("{HEAD}nonsense\r\ncontent-length: 0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            format!("{HEAD}content-length : 2\r\n\r\n{{}}"),
        ),
        ("not HTTP", "\x16\x03\x01\x02\x00\r\n\r\n".to_owned()),
        ("another protocol", "EHLO gateway.test\r\n\r\n".to_owned()),
        (
            "a future version",
            "GET /health HTTP/9.9\r\nhost: a\r\n\r\n".to_owned(),
        ),
    ] {
        refused(&gateway, wire.as_bytes(), what).await;
    }
    is_well(&upstream, &gateway).await;
}

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
    let started = std::time::Instant::now();
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
        let status = refused(&gateway, format!("{HEAD}{framing}").as_bytes(), framing).await;
        assert_eq!(status, Some(408), "{framing}");
    }
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
    let started = std::time::Instant::now();
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
    crate::support::eventually("a place is free again", async || {
        gateway
            .http1()
            .await
            .call(&Request::get("/health"))
            .await
            .is_ok()
    })
    .await;
}
