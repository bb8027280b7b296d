//! What an address may do before it has shown a key.

use super::*;
use crate::support::{Gate, all, eventually};

#[tokio::test]
async fn an_address_that_sends_too_much_is_refused_before_its_key_is_looked_at() {
    let section = "rate_limiting: {edge: {requests_per_second: 5}}";
    let (upstream, gateway) = limited("", section).await;
    let guess = || Request::post("/v1/chat/completions", openai::chat("m")).bearer("a-guess");
    let answers = all((0..40).map(|_| gateway.call(guess()))).await;
    let count = |status: u16| answers.iter().filter(|one| one.status == status).count();
    assert!(
        count(401) >= 1 && count(429) >= 1,
        "{} {}",
        count(401),
        count(429)
    );
    assert_eq!(count(401) + count(429), 40);
    let refused = answers.iter().find(|one| one.status == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.openai_error()["code"], "rate_limit_exceeded");
    assert_eq!(upstream.count(), 0);
    // Those who look whether it lives are not clients.
    let looks = all((0..20).map(|_| gateway.call(Request::get("/health")))).await;
    assert!(looks.iter().all(|one| one.status == 200));
    eventually("a second is over", async || {
        ask(&gateway, openai::chat("m")).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_address_has_so_many_requests_under_way_also_through_a_child() {
    let gate = Gate::closed();
    let plain = Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([gated(&gate), plain]).await;
    let section = "rate_limiting: {edge: {parallel_per_address: 1}}";
    let gateway = TestGateway::start(&yaml(&upstream, "", section)).await;
    let mut client = gateway.http1().await;
    let request = Request::chat(openai::long_streamed("m")).chunked(8192);
    client.send(&request).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 429);
    gate.open();
    while client.piece().await.unwrap().is_some() {}
    eventually("the place is free", async || {
        ask(&gateway, openai::chat("m")).await.status == 200
    })
    .await;
}
