//! A second candidate where the first takes unusually long (`routing.hedge`).

use std::time::{Duration, Instant};

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, config::Yaml, eventually, openai,
};

const RULES: &str = "routing: {retries: {max: 0}, breaker: {enabled: false}, \
                     hedge: {enabled: true, min_seconds: 0.1}}";

async fn gateway(one: &ScriptedUpstream, two: &ScriptedUpstream) -> TestGateway {
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and(RULES);
    TestGateway::with(&yaml).await
}

#[tokio::test]
async fn the_second_answers_where_the_first_stalls_and_the_first_is_let_go() {
    for stream in [false, true] {
        let one = ScriptedUpstream::start([Script::Stall]).await;
        let answer = match stream {
            false => Script::json(200, openai::completion("second")),
            true => Script::frames(openai::frames(3), Duration::ZERO),
        };
        let two = ScriptedUpstream::start([answer]).await;
        let gateway = gateway(&one, &two).await;
        let body = match stream {
            false => openai::chat("m"),
            true => openai::streamed("m"),
        };
        let began = Instant::now();
        let answer = gateway.call(Request::chat(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-provider"), Some("two"));
        assert!(answer.whole && began.elapsed() < Duration::from_secs(5));
        let left = one.wait("the first to be let go", |state| {
            state.exchanges[0].left.is_some()
        });
        left.await;
        let record = gateway.request_log(&answer).await;
        assert_eq!(
            record["attempts"].as_array().map(Vec::len),
            Some(1),
            "{record}"
        );
        assert_eq!(gateway.request_logs().len(), 1, "one request, one line");
    }
}

#[tokio::test]
async fn nobody_else_is_asked_where_the_first_is_fast() {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("first"))]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("second"))]).await;
    let gateway = gateway(&one, &two).await;
    for _ in 0..20 {
        let answer = gateway
            .call(Request::chat(openai::chat_of_size("m", 100 << 10)))
            .await;
        assert_eq!(
            (answer.status, answer.header("x-provider")),
            (200, Some("one"))
        );
    }
    assert_eq!((one.count(), two.count()), (20, 0));
}

#[tokio::test]
async fn where_the_second_fails_the_first_is_waited_for_within_its_own_time() {
    let one = ScriptedUpstream::start([Script::Stall]).await;
    let two = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let gateway = gateway(&one, &two).await;
    let began = Instant::now();
    let request = Request::chat(openai::streamed("m")).header("x-gateway-timeout", "1");
    let answer = gateway.call(request).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert_eq!(answer.openai_error()["source"], "one");
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!((one.count(), two.count()), (1, 1));
}

#[tokio::test]
async fn a_client_that_leaves_takes_both_along() {
    let one = ScriptedUpstream::start([Script::Stall]).await;
    let two = ScriptedUpstream::start([Script::Stall]).await;
    let gateway = gateway(&one, &two).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::chat("m")).bearer(crate::support::config::CLIENT_KEY))
        .await
        .unwrap();
    eventually("both were asked", async || {
        one.count() == 1 && two.count() == 1
    })
    .await;
    drop(client);
    one.wait("the first to end", |state| {
        state.exchanges[0].left.is_some()
    })
    .await;
    two.wait("the second to end", |state| {
        state.exchanges[0].left.is_some()
    })
    .await;
    eventually("its line", async || !gateway.request_logs().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gateway.request_logs().len(), 1, "one request, one line");
}

/// Does that after so long.
async fn slow(script: Script, seconds: f64) -> ScriptedUpstream {
    ScriptedUpstream::start([script.after(Duration::from_secs_f64(seconds))]).await
}

#[tokio::test]
async fn a_request_has_one_line_whoever_of_the_two_fails() {
    let good = || Script::json(200, openai::completion("hi"));
    let bad = || Script::json(400, openai::error("no"));
    for (first, second, status, provider) in [
        (bad(), good(), 200, "two"),
        (bad(), bad(), 400, "one"),
        (good(), bad(), 200, "one"),
    ] {
        let (one, two) = (slow(first, 0.4).await, slow(second, 0.6).await);
        let gateway = gateway(&one, &two).await;
        let answer = gateway.call(Request::chat(openai::chat("m"))).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-provider"), Some(provider));
        let record = gateway.request_log(&answer).await;
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["provider"], provider, "{record}");
        gateway
            .wait_metric("gateway_requests_in_flight", &[], |open| open < 0.5)
            .await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(gateway.request_logs().len(), 1, "one request, one line");
        let counted = gateway.metric("gateway_requests_total", &[]).await;
        assert!((counted - 1.0).abs() < 0.1, "{counted}");
    }
}

#[tokio::test]
async fn neither_of_the_two_asks_whom_the_other_asks() {
    let one = slow(Script::json(500, openai::error("no")), 0.4).await;
    let two = slow(Script::json(200, openai::completion("hi")), 0.8).await;
    let gateway = gateway(&one, &two).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((one.count(), two.count()), (1, 1));
}

#[tokio::test]
async fn the_repeats_of_both_are_counted_together() {
    let failing = || Script::json(500, openai::error("no"));
    let (one, two) = (slow(failing(), 0.3).await, slow(failing(), 0.3).await);
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and(
            "routing: {retries: {max: 2, base_seconds: 0.01}, breaker: {enabled: false}, \
             hedge: {enabled: true, min_seconds: 0.1}}",
        );
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(one.count() + two.count(), 4, "two first calls, two repeats");
    assert_eq!(gateway.request_logs().len(), 1, "one request, one line");
}
