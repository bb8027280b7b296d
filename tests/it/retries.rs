//! The same candidate again: for which answers, after how long, and when not.

use std::time::{Duration, Instant};

use crate::support::{
    Answer, Ending, Http1, Request, Script, ScriptedUpstream, TestGateway, config::Yaml, openai,
};

struct Scene {
    one: ScriptedUpstream,
    gateway: TestGateway,
}

/// A gateway with one provider; `retries` such as `max: 1`.
async fn scene(scripts: impl IntoIterator<Item = Script>, retries: &str) -> Scene {
    let one = ScriptedUpstream::start(scripts).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and(&format!("routing: {{retries: {{{retries}}}}}"));
    let gateway = TestGateway::with(&yaml).await;
    Scene { one, gateway }
}

const FAST: &str = "base_seconds: 0.005, max_seconds: 0.02";

fn good() -> Script {
    Script::json(200, openai::completion("hi"))
}

fn failing(status: u16) -> Script {
    Script::json(status, openai::error("no"))
}

fn chat() -> Request {
    Request::chat(openai::chat("m"))
}

async fn timed(scene: &Scene) -> (Answer, Duration) {
    let started = Instant::now();
    let answer = scene.gateway.call(chat()).await;
    (answer, started.elapsed())
}

#[tokio::test]
async fn nothing_is_retried_that_is_the_requests_own_fault() {
    for status in [400, 404, 413, 422] {
        let scene = scene([failing(status), good()], FAST).await;
        let answer = scene.gateway.call(chat()).await;
        assert_eq!(
            (answer.status, scene.one.count()),
            (status, 1),
            "{answer:?}"
        );
        assert_eq!(answer.header("x-gateway-attempts"), Some("1"));
    }
}

#[tokio::test]
async fn what_may_pass_is_retried() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        let scene = scene([failing(status), good()], FAST).await;
        let answer = scene.gateway.call(chat()).await;
        assert_eq!(
            (answer.status, scene.one.count()),
            (200, 2),
            "{status}: {answer:?}"
        );
        assert_eq!(answer.text(), openai::completion("hi"), "{status}");
        assert_eq!(answer.header("x-gateway-attempts"), Some("2"), "{status}");
        let log = scene.gateway.request_log(&answer).await;
        assert_eq!(log["attempts"].as_array().unwrap().len(), 2, "{log}");
    }
}

#[tokio::test]
async fn a_connection_that_fails_and_a_timeout_are_retried() {
    for script in [
        Script::CloseOnAccept,
        Script::ResetBeforeHead,
        Script::Garbage,
        Script::Stall,
    ] {
        let scene = scene([script, good()], FAST).await;
        for request in [
            chat(),
            Request::chat(openai::chat_of_size("m", 100 << 10)).chunked(9_000),
        ] {
            let answer = scene.gateway.call(request).await;
            assert_eq!(answer.text(), openai::completion("hi"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn there_are_as_many_retries_as_configured() {
    for max in [0, 1, 2] {
        let scene = scene([failing(500)], &format!("max: {max}, {FAST}")).await;
        let answer = scene.gateway.call(chat()).await;
        assert_eq!(
            (answer.status, scene.one.count()),
            (502, 1 + max),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn only_the_classes_that_are_listed_are_retried() {
    let retries = format!("{FAST}, on: [rate_limit]");
    for (status, calls) in [(429, 2), (500, 1)] {
        let scene = scene([failing(status), good()], &retries).await;
        scene.gateway.call(chat()).await;
        assert_eq!(scene.one.count(), calls, "{status}");
    }
}

#[tokio::test]
async fn a_retry_waits_as_long_as_the_provider_asks_for() {
    for status in [429, 503] {
        let wait = failing(status).with_header("retry-after", "1");
        let scene = scene([wait, good()], FAST).await;
        let (answer, took) = timed(&scene).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let bounds = Duration::from_millis(950)..Duration::from_millis(2500);
        assert!(bounds.contains(&took), "{status}: {took:?}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_cap() {
    let wait = failing(429).with_header("retry-after", "60");
    let retries = format!("{FAST}, retry_after_cap_seconds: 3");
    let scene = scene([wait, good()], &retries).await;
    let (answer, took) = timed(&scene).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!((answer.status, scene.one.count()), (502, 1), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn nobody_waits_longer_than_the_clients_deadline() {
    let wait = failing(429).with_header("retry-after", "20");
    let scene = scene([wait, good()], FAST).await;
    let started = Instant::now();
    let answer = scene
        .gateway
        .call(chat().header("x-gateway-timeout", "1"))
        .await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!((answer.status, scene.one.count()), (502, 1), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("20"));
    assert_eq!(scene.one.last().header("x-gateway-timeout"), None);
}

#[tokio::test]
async fn the_clients_deadline_ends_an_attempt() {
    let one = ScriptedUpstream::start([Script::Stall]).await;
    let gateway = TestGateway::with(&Yaml::new().patient("one", &one.base_url())).await;
    for request in [chat(), Request::chat(openai::streamed("m"))] {
        let started = Instant::now();
        let answer = gateway
            .call(request.header("x-gateway-timeout", "0.5"))
            .await;
        let took = started.elapsed();
        assert_eq!(answer.status, 504, "{answer:?}");
        let bounds = Duration::from_millis(450)..Duration::from_millis(1500);
        assert!(bounds.contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_the_gateway_waits_costs_no_further_call() {
    let wait = failing(429).with_header("retry-after", "1");
    let scene = scene([wait], FAST).await;
    let long = Request::chat(openai::chat_of_size("m", 100 << 10)).chunked(9_000);
    for (turn, request) in [chat(), Request::chat(openai::streamed("m")), long]
        .iter()
        .enumerate()
    {
        let mut client: Http1 = scene.gateway.http1().await;
        client.send(request).await.unwrap();
        let finished = |state: &crate::support::upstream::State| {
            let exchange = state.exchanges.get(turn);
            exchange.is_some_and(|exchange| exchange.finished.is_some())
        };
        scene.one.wait("its answer is given", finished).await;
        drop(client);
    }
    // Nothing can be waited for: the calls must not come.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(scene.one.count(), 3);
    let records = scene.gateway.wait_events("request", 3).await;
    assert!(
        records.iter().all(|record| record["status"] == 499),
        "{records:?}"
    );
}

#[tokio::test]
async fn nothing_is_retried_after_the_first_byte() {
    for ending in [Ending::Truncate, Ending::Reset, Ending::Stall] {
        let stream = Script::broken([openai::frame("a")], ending);
        let scene = scene([stream, Script::HalfPlain { ending }, good()], FAST).await;
        let answer = scene
            .gateway
            .call(Request::chat(openai::streamed("m")))
            .await;
        assert_eq!(answer.text().matches("\"a\"").count(), 1, "{answer:?}");
        assert!(answer.text().contains("\"source\":\"one\""), "{answer:?}");
        let answer = scene.gateway.call(chat()).await;
        assert!(!answer.whole, "{answer:?}");
        assert_eq!(scene.one.count(), 2, "{ending:?}");
    }
}

#[tokio::test]
async fn retries_end_where_the_budget_does() {
    let retries = format!("max: 3, budget_size: 4, budget_ratio: 0, {FAST}");
    let one = ScriptedUpstream::start([failing(500)]).await;
    let yaml = Yaml::new().provider("one", &one.base_url()).and(&format!(
        "routing: {{retries: {{{retries}}}, breaker: {{enabled: false}}}}"
    ));
    let gateway = TestGateway::with(&yaml).await;
    for _ in 0..10 {
        assert_eq!(gateway.call(chat()).await.status, 502);
    }
    assert_eq!(one.count(), 14, "ten requests and four retries");
}

/// Two providers in a pool, `one` first; `retries` such as `max: 1`.
async fn pair(
    one: impl IntoIterator<Item = Script>,
    two: impl IntoIterator<Item = Script>,
    routing: &str,
) -> (ScriptedUpstream, ScriptedUpstream, TestGateway) {
    let one = ScriptedUpstream::start(one).await;
    let two = ScriptedUpstream::start(two).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .pooled()
        .and(&format!("routing: {{{routing}}}"));
    let gateway = TestGateway::with(&yaml).await;
    (one, two, gateway)
}

#[tokio::test]
async fn one_that_wants_to_be_left_alone_is_and_the_other_is_asked_again() {
    let fast = format!("retries: {{{FAST}}}");
    let alone = |seconds: &str| failing(429).with_header("retry-after", seconds);
    let (one, two, gateway) = pair([alone("20")], [failing(500), good()], &fast).await;
    let answer = gateway.call(chat()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((one.count(), two.count()), (1, 2));

    // Longer than anybody waits: the first one may do better all the same.
    let (one, two, gateway) = pair([failing(500), good()], [alone("60")], &fast).await;
    let answer = gateway.call(chat()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((one.count(), two.count()), (2, 1));
}

#[tokio::test]
async fn nobody_is_asked_whom_fallback_on_excludes_whatever_is_left_of_the_budget() {
    for retries in ["max: 0", "budget_size: 0"] {
        let routing = format!("fallback_on: [connection], retries: {{{retries}, {FAST}}}");
        let (one, two, gateway) = pair([failing(500)], [good()], &routing).await;
        let answer = gateway.call(chat()).await;
        assert_eq!((one.count(), two.count()), (1, 0), "{retries}: {answer:?}");
        let said = answer.openai_error()["message"].to_string();
        assert!(said.contains("no"), "its own words: {said}");
    }
}

#[tokio::test]
async fn a_target_is_asked_once_wherever_its_name_stands() {
    let one = ScriptedUpstream::start([failing(500)]).await;
    let two = ScriptedUpstream::start([failing(500)]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .and("routes: [{model: m, pool: both}]")
        .and(
            "pools: {both: {strategy: priority, targets: [{provider: one}, {provider: two, model: x}]}, \
             again: [{provider: two, model: x}]}",
        )
        .and("routing: {retries: {max: 0}, fallbacks: {m: [again, two/x]}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(chat()).await;
    assert_eq!((one.count(), two.count()), (1, 1), "{answer:?}");
    assert_eq!(answer.header("x-gateway-attempts"), Some("2"));
}

#[tokio::test]
async fn a_name_without_an_address_is_no_reason_not_to_ask_the_other_again() {
    let one = ScriptedUpstream::start([failing(500), good()]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", "http://nowhere.invalid/v1")
        .pooled()
        .and(&format!("routing: {{retries: {{{FAST}}}}}"));
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(chat()).await;
    assert_eq!((answer.status, one.count()), (200, 2), "{answer:?}");
    let log = gateway.request_log(&answer).await;
    let outcomes: Vec<_> = log["attempts"].as_array().unwrap().iter().collect();
    assert!(
        outcomes.iter().any(|call| call["outcome"] == "dns"),
        "{log}"
    );
}

#[tokio::test]
async fn the_log_the_metrics_and_the_headers_name_nobody_who_was_not_asked() {
    let one = ScriptedUpstream::start([failing(500)]).await;
    let two = ScriptedUpstream::start([failing(500)]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .and("pools: {p: [{provider: one, model: x}], q: [{provider: two, model: x}]}")
        .and("routes: [{model: m, pool: p, fallbacks: [q]}]")
        .and("routing: {retries: {budget_size: 0}}");
    let gateway = TestGateway::with(&yaml).await;
    // It is known to fail.
    gateway.call(Request::chat(openai::chat("q"))).await;
    let answer = gateway.call(chat()).await;
    assert_eq!(
        (one.count(), two.count()),
        (1, 1),
        "no budget for the other"
    );
    assert_eq!(answer.header("x-provider"), Some("one"), "{answer:?}");
    assert_eq!(answer.header("x-gateway-pool"), Some("p"), "{answer:?}");
    let log = gateway.request_log(&answer).await;
    assert_eq!(
        (&log["provider"], &log["served_model"]),
        (&"one".into(), &"x".into()),
        "{log}"
    );
    for provider in ["one", "two"] {
        let labels = [("provider", provider)];
        let counted = gateway.metric("gateway_requests_total", &labels).await;
        assert!((counted - 1.0).abs() < 0.1, "{provider}: {counted}");
    }
}

#[tokio::test]
async fn a_pooled_connection_that_is_dead_is_replaced_once() {
    let slow = good().after(Duration::from_millis(300));
    let scene = scene([slow], "max: 0").await;
    // As many connections, and all of them close when they are used again.
    let calls = (0..5).map(|_| scene.gateway.call(chat()));
    for answer in crate::support::all(calls).await {
        assert_eq!(answer.status, 200);
    }
    scene.one.follow([Script::CloseBeforeHead]);
    let answer = scene.gateway.call(chat()).await;
    assert_eq!((answer.status, scene.one.count()), (502, 7), "{answer:?}");
}
