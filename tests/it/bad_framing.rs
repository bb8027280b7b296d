//! Heads and framings that lie: a 4xx or a close, no smuggled request, no connection left open.

use std::time::Duration;

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, config::single, openai, within,
};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\n\
                    authorization: Bearer test-key\r\ncontent-type: application/json\r\n";

async fn scene() -> (ScriptedUpstream, TestGateway) {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = single(&upstream.base_url())
        .listen("body_idle_timeout_seconds: 1, head_timeout_seconds: 2");
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
    let body = openai::chat("m");
    let wire = [
        HEAD.as_bytes(),
        b"content-length: 7\r\n\r\n",
        &body[..],
        b"\r\n\r\n",
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
async fn a_length_that_lies_over_h2c_is_refused_or_reset() {
    let (upstream, gateway) = scene().await;
    for length in ["5", "5000"] {
        let request = Request::chat(openai::chat("m"))
            .chunked(20)
            .header("content-length", length);
        let client = gateway.http2().await;
        if let Ok(answer) = client.call(&request).await {
            assert!((400..500).contains(&answer.status), "{length}: {answer:?}");
        }
    }
    is_well(&upstream, &gateway).await;
}
