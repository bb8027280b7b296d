//! Requests that their clients mark with `Idempotency-Key` count once, however often they come.

use serde_json::json;

use super::{ask, chat, gateway, good, x_cache};
use crate::support::{Request, Script, ScriptedUpstream, TestGateway, all, config::Yaml, openai};

/// A request that chance answers.
fn marked(text: &str, mark: &str) -> Request {
    let mut body = ask(text);
    body["temperature"] = json!(1);
    chat(&body).header("idempotency-key", mark)
}

#[tokio::test]
async fn a_repeated_mark_is_given_the_first_answer() {
    let one = ScriptedUpstream::start([good("1"), good("2"), good("3")]).await;
    let yaml = Yaml::new().patient("one", &one.base_url());
    // Also where the cache is off.
    let gateway = TestGateway::with(&yaml).await;
    let first = gateway.call(marked("x", "a")).await;
    let again = gateway.call(marked("x", "a")).await;
    assert_eq!((x_cache(&first), x_cache(&again)), ("MISS", "HIT"));
    assert_eq!((&again.body, one.count()), (&first.body, 1));
    let other = gateway.call(marked("x", "b")).await;
    assert_eq!((x_cache(&other), one.count()), ("MISS", 2));
    let sent = one.last().headers.get("idempotency-key").map(str::to_owned);
    assert_eq!(sent, None, "it stays here");
}

#[tokio::test]
async fn another_body_under_the_same_mark_is_a_422() {
    let one = ScriptedUpstream::start([good("1")]).await;
    let gateway = gateway(&one).await;
    assert_eq!(gateway.call(marked("x", "a")).await.status, 200);
    let answer = gateway.call(marked("y", "a")).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "idempotency_key_reused");
    assert_eq!(one.count(), 1);
}

#[tokio::test]
async fn requests_under_way_with_one_mark_are_one_call() {
    let slow = Script::SlowHead {
        pause: std::time::Duration::from_millis(3),
    };
    let one = ScriptedUpstream::start([slow]).await;
    let gateway = gateway(&one).await;
    let mut calls: Vec<_> = (0..10).map(|_| gateway.call(marked("x", "a"))).collect();
    calls.push(gateway.call(marked("y", "a")));
    let answers = all(calls).await;
    let statuses = |wanted| {
        answers
            .iter()
            .filter(|answer| answer.status == wanted)
            .count()
    };
    // Whichever of the two bodies came first, the other one's requests are refused.
    let (good, refused) = (statuses(200), statuses(422));
    assert!(
        (good, refused) == (10, 1) || (good, refused) == (1, 10),
        "{good} {refused}"
    );
    assert_eq!(one.count(), 1);
}

#[tokio::test]
async fn a_mark_belongs_to_its_key() {
    let one = ScriptedUpstream::start([good("1"), good("2")]).await;
    let yaml = Yaml::new()
        .key("a", "key-a", ", team: t")
        .key("b", "key-b", ", team: t")
        .patient("one", &one.base_url());
    let gateway = TestGateway::with(&yaml).await;
    for (key, expected) in [("key-a", "MISS"), ("key-b", "MISS"), ("key-a", "HIT")] {
        let request = Request::post("/v1/chat/completions", ask("x").to_string())
            .bearer(key)
            .header("idempotency-key", "same");
        assert_eq!(x_cache(&gateway.call(request).await), expected, "{key}");
    }
}

#[tokio::test]
async fn a_failed_request_may_be_sent_again_under_its_mark() {
    let one =
        ScriptedUpstream::start([Script::json(500, openai::error("broken")), good("1")]).await;
    let gateway = gateway(&one).await;
    assert_eq!(gateway.call(marked("x", "a")).await.status, 502);
    let again = gateway.call(marked("x", "a")).await;
    assert_eq!((again.status, one.count()), (200, 2));
}

#[tokio::test]
async fn a_mark_must_be_of_use() {
    let one = ScriptedUpstream::start([good("1")]).await;
    let gateway = gateway(&one).await;
    let long = "x".repeat(300);
    assert_eq!(gateway.call(marked("x", &long)).await.status, 400);
}
