//! What a refusal says to wait is enough, to the millisecond, whatever the limit.

use std::time::{Duration, Instant};

use super::*;

/// As much as is there, then a refusal; after the wait that it says the next one is let in.
async fn holds(limits: &str, burst_percent: u32, completion: String, at_most: usize) {
    let upstream = ScriptedUpstream::start([Script::json(200, completion)]).await;
    let section = format!("rate_limiting: {{burst_percent: {burst_percent}}}");
    let gateway = TestGateway::start(&yaml(&upstream, limits, &section)).await;
    let mut connection = gateway.http1().await;
    let mut refused = None;
    for _ in 0..=at_most {
        let answer = connection.call(&Request::chat(priced())).await.unwrap();
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap_or_else(|| panic!("{limits}: never refused"));
    assert_eq!(refused.status, 429, "{limits}: {refused:?}");
    let wait = wait_of(&refused);
    assert!((1..=8000).contains(&wait), "{limits}: {refused:?}");
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(wait)).await;
    let answer = connection.call(&Request::chat(priced())).await.unwrap();
    assert_eq!(
        answer.status,
        200,
        "{limits}: {:?} {answer:?}",
        began.elapsed()
    );
}

/// An answer that says to have used so many tokens.
fn using(tokens: u64) -> String {
    openai::completion("hi")
        .replace(
            "\"completion_tokens\":2",
            &format!("\"completion_tokens\":{tokens}"),
        )
        .replace(
            "\"total_tokens\":5",
            &format!("\"total_tokens\":{}", tokens + 3),
        )
}

#[tokio::test]
async fn of_requests_a_minute() {
    holds("rpm: 100", 1, using(2), 10).await;
}

#[tokio::test]
async fn of_requests_a_day() {
    // 173 at once, and one each five seconds.
    holds("rpd: 17280", 1, using(2), 180).await;
}

#[tokio::test]
async fn of_tokens_a_minute() {
    // A thousand at once and ten a second; what one used beyond that is waited for.
    holds("tpm: 600", 100, using(640), 3).await;
}

#[tokio::test]
async fn of_tokens_a_day() {
    holds("tpd: 8640000", 1, using(86_600), 3).await;
}

#[tokio::test]
async fn of_a_window_that_slides() {
    let section = "rate_limiting: {algorithm: sliding_window}";
    let (_upstream, gateway) = limited("rpm: 2", section).await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
    }
    let refused = ask(&gateway, openai::chat("m")).await;
    let wait = wait_of(&refused);
    assert!((59_000..=61_000).contains(&wait), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
}

#[tokio::test]
async fn of_requests_under_way() {
    let gate = crate::support::Gate::closed();
    let upstream = ScriptedUpstream::start([gated(&gate)]).await;
    let gateway = TestGateway::start(&yaml(&upstream, "max_parallel_requests: 1", "")).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    let refused = ask(&gateway, openai::streamed("m")).await;
    // Nobody knows when it ends, so that there is no exact time.
    assert_eq!(
        (
            refused.header("retry-after"),
            refused.header("retry-after-ms")
        ),
        (Some("1"), None)
    );
    gate.open();
    while client.piece().await.unwrap().is_some() {}
    assert_eq!(ask(&gateway, openai::streamed("m")).await.status, 200);
}
