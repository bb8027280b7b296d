//! `GET /v1/realtime`: the upgrade and every byte after it pass through.

use std::time::Duration;

use crate::support::{
    Http1, Request, ScriptedUpstream, TestGateway, config::single, upstream::refused_address,
    within,
};

fn upgrade(target: &str) -> Request {
    Request::get(target)
        .bearer("test-key")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "realtime")
}

async fn open() -> (ScriptedUpstream, TestGateway, Http1) {
    let upstream = ScriptedUpstream::start([]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut client = gateway.http1().await;
    client.send(&upgrade("/v1/realtime?model=m")).await.unwrap();
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(
        head.headers.get("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        head.headers
            .get("upgrade")
            .is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
    );
    (upstream, gateway, client)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_the_providers_key_is_used() {
    let (upstream, _gateway, mut client) = open().await;
    for text in ["\u{1}\u{5}hello", "second", &"long ".repeat(40_000)] {
        client.write(text.as_bytes()).await.unwrap();
        assert_eq!(client.read_raw(text.len()).await.unwrap(), text.as_bytes());
    }
    let sent = upstream.last();
    assert_eq!(sent.target, "/v1/realtime?model=m");
    assert_eq!(
        sent.header("authorization"),
        Some("Bearer provider-secret-one")
    );
    assert_eq!(
        sent.header("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    assert_eq!(sent.header("sec-websocket-protocol"), Some("realtime"));
}

#[tokio::test]
async fn a_quiet_connection_outlives_the_idle_timeout_of_answers() {
    let (_upstream, _gateway, mut client) = open().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    client.write(b"still there?").await.unwrap();
    assert_eq!(client.read_raw(12).await.unwrap(), &b"still there?"[..]);
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_providers_side() {
    let (upstream, _gateway, client) = open().await;
    drop(client);
    let closed = upstream.wait("the end", |state| state.exchanges[0].left.is_some());
    within(Duration::from_secs(2), "the provider's side closes", closed).await;
}

#[tokio::test]
async fn a_provider_that_leaves_closes_the_clients_side() {
    let (upstream, _gateway, mut client) = open().await;
    drop(upstream);
    assert!(client.closes_within(Duration::from_secs(2)).await);
}

#[tokio::test]
async fn an_upgrade_needs_a_key_a_model_and_a_provider() {
    let gateway = TestGateway::with(&single(&format!("http://{}/v1", refused_address()))).await;
    let mut stranger = upgrade("/v1/realtime?model=m");
    stranger
        .headers
        .0
        .retain(|(name, _)| name != "authorization");
    assert_eq!(gateway.call(stranger).await.status, 401);
    assert_eq!(
        gateway
            .call(upgrade("/v1/realtime?model=no-such-model"))
            .await
            .status,
        404
    );
    assert_eq!(gateway.call(upgrade("/v1/realtime")).await.status, 400);
    assert_eq!(
        gateway.call(upgrade("/v1/realtime?model=m")).await.status,
        502
    );
}

#[tokio::test]
async fn a_key_in_the_query_stays_behind() {
    let upstream = ScriptedUpstream::start([]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut request = upgrade("/v1/realtime?key=test-key&model=m");
    request
        .headers
        .0
        .retain(|(name, _)| name != "authorization");
    let mut client = gateway.http1().await;
    client.send(&request).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    assert_eq!(upstream.last().target, "/v1/realtime?model=m");
    let own = Some("Bearer provider-secret-one");
    assert_eq!(upstream.last().header("authorization"), own);
}
