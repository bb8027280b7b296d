//! Requests and tokens in a time, and requests at once.

use std::time::Duration;

use super::*;
use crate::support::{Gate, Http1, eventually};

#[tokio::test]
async fn a_key_has_its_requests_a_minute_and_headers_say_how_many_are_left() {
    let (upstream, gateway) = limited("rpm: 3", "").await;
    for left in ["2", "1", "0"] {
        let answer = ask(&gateway, openai::chat("m")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-limit"), Some("3"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
        assert!(answer.header("x-ratelimit-reset-requests").is_some());
    }
    let refused = ask(&gateway, openai::chat("m")).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let error = refused.openai_error();
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert_eq!(error["type"], "rate_limit_error");
    assert_eq!(error["source"], "gateway");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("3 requests per minute")
    );
    assert!((1..=20_000).contains(&wait_of(&refused)), "{refused:?}");
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(upstream.count(), 3);
    // Somebody else is not concerned.
    let other = Request::post("/v1/chat/completions", openai::chat("m")).bearer("other-key");
    assert_eq!(gateway.call(other).await.status, 200);
    let metric = [("subject", "key"), ("limit", "rpm")];
    assert_eq!(
        gateway
            .metric("gateway_limit_refusals_total", &metric)
            .await,
        1.0
    );
}

#[tokio::test]
async fn anthropics_clients_are_told_in_their_words() {
    let (_upstream, gateway) = limited("rpm: 1", "").await;
    let body = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}"#;
    let request = || Request::post("/v1/messages", body).bearer("test-key");
    let answer = gateway.call(request()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.header("anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    let refused = gateway.call(request()).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["type"]),
        (429, &"rate_limit_error".into())
    );
    assert!(
        refused
            .header("anthropic-ratelimit-requests-reset")
            .is_some_and(|at| at.ends_with('Z'))
    );
    assert!(wait_of(&refused) > 0);
}

#[tokio::test]
async fn who_waits_exactly_as_long_as_told_is_let_in() {
    for algorithm in [
        "algorithm: token_bucket, burst_percent: 1",
        "algorithm: token_bucket, burst_percent: 2",
    ] {
        let section = format!("rate_limiting: {{{algorithm}}}");
        let (_upstream, gateway) = limited("rpm: 100", &section).await;
        for _ in 0..4 {
            assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
            let mut refused = ask(&gateway, openai::chat("m")).await;
            while refused.status == 200 {
                refused = ask(&gateway, openai::chat("m")).await;
            }
            let wait = wait_of(&refused);
            assert!((1..=600).contains(&wait), "{wait}");
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}

#[tokio::test]
async fn requests_a_day_are_counted_over_a_day() {
    let (_upstream, gateway) = limited("rpd: 2", "").await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
    }
    let refused = ask(&gateway, openai::chat("m")).await;
    assert_eq!(refused.status, 429);
    // A bucket of two a day has the next one after half a day.
    let hours = wait_of(&refused) / 3_600_000;
    assert!((11..=12).contains(&hours), "{refused:?}");
}

#[tokio::test]
async fn tokens_are_reserved_before_and_counted_as_the_provider_does_after() {
    let gate = Gate::closed();
    let plain = Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([gated(&gate), plain]).await;
    let gateway = TestGateway::start(&yaml(&upstream, "tpm: 1000", "")).await;
    let body = |stream: bool| {
        let rest = r#""max_tokens":600,"messages":[{"role":"user","content":"hello"}]}"#;
        Bytes::from(format!(r#"{{"model":"m","stream":{stream},{rest}"#))
    };
    let mut client = gateway.http1().await;
    client.send(&Request::chat(body(true))).await.unwrap();
    let head = client.head().await.unwrap();
    let left: u64 = head
        .headers
        .get("x-ratelimit-remaining-tokens")
        .unwrap()
        .parse()
        .unwrap();
    assert!((350..400).contains(&left), "{left}");
    let refused = ask(&gateway, body(false)).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.text().contains("1000 tokens per minute"),
        "{refused:?}"
    );
    gate.open();
    while client.piece().await.unwrap().is_some() {}
    // The stream had no usage: nothing of what was reserved was used. The next ones have five tokens each.
    for _ in 0..5 {
        let answer = ask(&gateway, body(false)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_one_after_the_other_is_none_too_many() {
    let gate = Gate::closed();
    let plain = Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([gated(&gate), plain]).await;
    let gateway = TestGateway::start(&yaml(&upstream, "max_parallel_requests: 1", "")).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    client.head().await.unwrap();
    let refused = ask(&gateway, openai::chat("m")).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1"))
    );
    assert!(refused.text().contains("1 requests at once"), "{refused:?}");
    gate.open();
    while client.piece().await.unwrap().is_some() {}
    for _ in 0..30 {
        let answer = ask(&gateway, openai::chat("m")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Translated, over HTTP/2, in a stream: whoever serves it, the place is free with its last byte.
    let h2 = gateway.http2().await;
    let anthropic =
        r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}"#;
    for _ in 0..10 {
        let request = Request::post("/v1/messages", anthropic).bearer("test-key");
        assert_eq!(gateway.call(request.clone()).await.status, 200);
        let answer = h2.call(&request).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn everything_that_a_request_belongs_to_may_be_limited() {
    for (section, whose) in [
        ("per_user_rpm: 1", "this user"),
        ("users: {ada: {rpm: 1}}", "this user"),
        ("teams: {red: {rpm: 1}}", "this team"),
        ("per_model_rpm: 1", "this model"),
        ("models: {m: {rpm: 1}}", "this model"),
        ("global_rpm: 1", "the gateway"),
        ("tags: {batch: {rpm: 1}}", "this tag"),
    ] {
        let (upstream, gateway) =
            limited("rpm: 50", &format!("rate_limiting: {{{section}}}")).await;
        let request = Request::chat(openai::chat("m")).header("x-gateway-tags", "a, batch");
        assert_eq!(gateway.call(request.clone()).await.status, 200, "{section}");
        let refused = gateway.call(request).await;
        assert_eq!(refused.status, 429, "{section}");
        assert!(refused.text().contains(whose), "{section}: {refused:?}");
        assert_eq!(upstream.count(), 1, "{section}");
        let other =
            Request::post("/v1/chat/completions", openai::chat("gpt-5")).bearer("other-key");
        let is_free = !section.starts_with("global");
        assert_eq!(
            gateway.call(other).await.status == 200,
            is_free,
            "{section}"
        );
    }
}

#[tokio::test]
async fn a_provider_over_its_limit_is_passed_over_until_nobody_is_left() {
    let answer = || Script::json(200, openai::completion("hi"));
    let (one, two) = (
        ScriptedUpstream::start([answer()]).await,
        ScriptedUpstream::start([answer()]).await,
    );
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", limits: {rpm: 2}")
        .provider_with(
            "two",
            &two.base_url(),
            ", limits: {rpm: 1, max_parallel_requests: 1}",
        )
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    for provider in ["one", "one", "two"] {
        let answer = ask(&gateway, openai::chat("m")).await;
        assert_eq!(
            (answer.status, answer.header("x-provider")),
            (200, Some(provider))
        );
    }
    let refused = ask(&gateway, openai::chat("m")).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.text().contains("this provider"), "{refused:?}");
    // Whichever comes back first.
    assert!((1..=30_000).contains(&wait_of(&refused)), "{refused:?}");
    assert_eq!((one.count(), two.count()), (2, 1));
}

#[tokio::test]
async fn a_providers_place_is_free_with_the_last_byte_of_its_answer() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let limits = ", limits: {max_parallel_requests: 1}";
    let yaml = Yaml::new().provider_with("one", &upstream.base_url(), limits);
    let gateway = TestGateway::with(&yaml).await;
    for _ in 0..30 {
        assert_eq!(ask(&gateway, openai::chat("m")).await.status, 200);
    }
}

#[tokio::test]
async fn what_fails_before_it_is_answered_is_given_back() {
    let failure = Script::json(500, openai::error("no"));
    let plain = Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([failure.clone(), failure, plain]).await;
    let limits = "rpm: 1, max_parallel_requests: 1";
    let gateway = TestGateway::start(&yaml(&upstream, limits, "")).await;
    for status in [502, 502, 200, 429] {
        let answer = ask(&gateway, openai::chat("m")).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn what_its_client_leaves_before_anything_came_is_given_back() {
    let stall = Script::Stall;
    let plain = Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([stall, plain]).await;
    let limits = "rpm: 1, tpm: 100000, max_parallel_requests: 1";
    let yaml = Yaml::default()
        .key("app", "test-key", &format!(", limits: {{{limits}}}"))
        .patient("openai", &upstream.base_url());
    let gateway = TestGateway::with(&yaml).await;
    let mut client: Http1 = gateway.http1().await;
    client
        .send(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    upstream.wait_for_requests(1).await;
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 429);
    drop(client);
    eventually("the place is free", async || {
        ask(&gateway, openai::chat("m")).await.status == 200
    })
    .await;
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 429);
}

#[tokio::test]
async fn limits_change_with_the_configuration_and_what_was_used_stays_used() {
    let (upstream, gateway) = limited("rpm: 2", "").await;
    for status in [200, 200, 429] {
        assert_eq!(ask(&gateway, openai::chat("m")).await.status, status);
    }
    gateway.write_config(&yaml(&upstream, "rpm: 1000", ""));
    eventually("the new limit holds", async || {
        ask(&gateway, openai::chat("m")).await.status == 200
    })
    .await;
    let section = "rate_limiting: {enabled: false}";
    gateway.write_config(&yaml(&upstream, "rpm: 0", section));
    eventually("nothing is limited", async || {
        let answer = ask(&gateway, openai::chat("m")).await;
        answer.status == 200 && answer.header("x-ratelimit-limit").is_none()
    })
    .await;
}
