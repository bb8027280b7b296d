//! A target that keeps failing is left alone for a while, asked once, and taken back.

use std::time::{Duration, Instant};

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, TestGateway, all, config::Yaml, eventually, openai,
};

/// Opens after three failures, for a second.
const BREAKER: &str = "breaker: {consecutive_failures: 3, cooldown_seconds: 1}";

fn good() -> Script {
    Script::json(200, openai::completion("hi"))
}

fn failing() -> Script {
    Script::json(500, openai::error("broken"))
}

fn chat() -> Request {
    Request::chat(openai::chat("m"))
}

/// One provider that fails, with its breaker open.
async fn open() -> (ScriptedUpstream, TestGateway, Instant) {
    let one = ScriptedUpstream::start([failing()]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and(&format!("routing: {{retries: {{max: 0}}, {BREAKER}}}"));
    let gateway = TestGateway::with(&yaml).await;
    for _ in 0..3 {
        assert_eq!(gateway.call(chat()).await.status, 502);
    }
    let opened = Instant::now();
    is_unavailable(&gateway.call(chat()).await);
    assert_eq!(one.count(), 3, "an open breaker costs no call");
    (one, gateway, opened)
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "provider_unavailable");
    let wait = answer.header("retry-after").map(str::parse::<u32>);
    assert!(matches!(wait, Some(Ok(1..=2))), "{answer:?}");
}

/// Waits until the breaker lets a probe through.
async fn cooldown(opened: Instant) {
    let end = opened + Duration::from_millis(1100);
    tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
}

/// As many requests at the same time, and how many of them were answered.
async fn at_once(gateway: &TestGateway, count: usize) -> usize {
    let answers = all((0..count).map(|_| gateway.call(chat()))).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        is_unavailable(answer);
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn one_probe_goes_out_after_the_cooldown_and_closes_the_breaker() {
    let (one, gateway, opened) = open().await;
    // Slow enough for all others to come while it is under way.
    let slow = Script::SlowHead {
        pause: Duration::from_millis(10),
    };
    one.follow([slow, good()]);
    cooldown(opened).await;
    assert_eq!(at_once(&gateway, 8).await, 1, "the probe's request");
    assert_eq!(one.count(), 4, "exactly one probe");
    assert_eq!(at_once(&gateway, 8).await, 8, "closed again");
    assert_eq!(one.count(), 12);
}

#[tokio::test]
async fn a_probe_that_fails_opens_the_breaker_again() {
    let (one, gateway, opened) = open().await;
    cooldown(opened).await;
    let probe = gateway.call(chat()).await;
    assert_eq!((probe.status, one.count()), (502, 4), "{probe:?}");
    is_unavailable(&gateway.call(chat()).await);
    assert_eq!(one.count(), 4, "one failure is enough after a cooldown");
}

#[tokio::test]
async fn a_probe_whose_client_leaves_does_not_keep_the_breaker_open() {
    let (one, gateway, opened) = open().await;
    one.follow([Script::Stall, good()]);
    cooldown(opened).await;
    let mut client = gateway.http1().await;
    client.send(&chat()).await.unwrap();
    one.wait_for_requests(4).await;
    drop(client);
    eventually("another probe", async || {
        gateway.call(chat()).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_success_in_between_keeps_the_breaker_closed() {
    let scripts = [failing(), failing(), good()].into_iter().cycle().take(12);
    let one = ScriptedUpstream::start(scripts).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and(&format!("routing: {{retries: {{max: 0}}, {BREAKER}}}"));
    let gateway = TestGateway::with(&yaml).await;
    for turn in 0..12 {
        let expected = if turn % 3 == 2 { 200 } else { 502 };
        let answer = gateway.call(chat()).await;
        assert_eq!(answer.status, expected, "{turn}: {answer:?}");
    }
}

#[tokio::test]
async fn a_high_rate_of_failures_opens_the_breaker_without_a_row_of_them() {
    let one = ScriptedUpstream::start([failing(), good()].into_iter().cycle().take(100)).await;
    let yaml = Yaml::new().provider("one", &one.base_url()).and(
        "routing: {retries: {max: 0}, breaker: {failure_rate: 0.4, min_requests: 10, window_seconds: 30}}",
    );
    let gateway = TestGateway::with(&yaml).await;
    let mut statuses = Vec::new();
    for _ in 0..14 {
        statuses.push(gateway.call(chat()).await.status);
    }
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    assert!((10..=12).contains(&one.count()), "{statuses:?}");
}

#[tokio::test]
async fn the_requests_own_faults_do_not_open_the_breaker() {
    for status in [400, 404, 422] {
        let wrong = Script::json(status, openai::error("your fault"));
        let one = ScriptedUpstream::start([wrong]).await;
        let yaml = Yaml::new()
            .provider("one", &one.base_url())
            .and(&format!("routing: {{{BREAKER}}}"));
        let gateway = TestGateway::with(&yaml).await;
        for _ in 0..6 {
            assert_eq!(gateway.call(chat()).await.status, status);
        }
        assert_eq!(one.count(), 6);
    }
}

#[tokio::test]
async fn a_clients_own_deadline_says_nothing_about_the_provider() {
    let stream = Script::broken([openai::frame("a")], crate::support::Ending::Stall);
    for (script, body) in [
        (Script::Stall, openai::chat("m")),
        (stream, openai::streamed("m")),
    ] {
        let one = ScriptedUpstream::start([script]).await;
        let yaml = Yaml::new()
            .patient("one", &one.base_url())
            .and(&format!("routing: {{retries: {{max: 0}}, {BREAKER}}}"));
        let gateway = TestGateway::with(&yaml).await;
        for _ in 0..4 {
            let request = Request::chat(body.clone()).header("x-gateway-timeout", "0.1");
            let answer = gateway.call(request).await;
            assert!(answer.text().contains("X-Gateway-Timeout"), "{answer:?}");
        }
        assert_eq!(one.count(), 4);
        one.follow([good()]);
        let answer = gateway.call(chat()).await;
        assert_eq!(answer.status, 200, "another client: {answer:?}");
    }
}

#[tokio::test]
async fn the_log_says_who_failed_who_took_over_and_who_is_back() {
    let one = ScriptedUpstream::start([failing()]).await;
    let two = ScriptedUpstream::start([good()]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .and(
            "pools: {both: {strategy: priority, targets: [{provider: one, priority: 1}, \
             {provider: two, priority: 2}]}}",
        )
        .and("routes: [{model: m, pool: both}]")
        .and(&format!("routing: {{{BREAKER}}}"));
    let gateway = TestGateway::builder(&yaml.build())
        .env("GATEWAY_LOG_FORMAT", "text")
        .start()
        .await;
    let has = |words: [&str; 2]| {
        let logs = gateway.logs();
        let mut lines = logs.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    for _ in 0..4 {
        assert_eq!(gateway.call(chat()).await.status, 200);
    }
    eventually("a line of the failure", async || {
        has(["provider=one", "status=unhealthy"])
    })
    .await;
    eventually("a line of the next", async || has(["failover to=two", ""])).await;
    one.follow([good()]);
    eventually("a line of the recovery", async || {
        assert_eq!(gateway.call(chat()).await.status, 200);
        has(["provider=one", "status=recovered"])
    })
    .await;
    assert!(!has(["provider=two", "status=unhealthy"]));
}

#[tokio::test]
async fn a_target_that_comes_back_takes_one_probe_then_its_share() {
    const TURNS: usize = 200;
    let one = ScriptedUpstream::start([failing()]).await;
    let two = ScriptedUpstream::start([good()]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .and("pools: {both: {targets: [{provider: one}, {provider: two}]}}")
        .and("routes: [{model: m, pool: both}]")
        .and(&format!("routing: {{{BREAKER}}}"));
    let gateway = TestGateway::with(&yaml).await;
    let served = async |count: usize| {
        for _ in 0..count {
            assert_eq!(gateway.call(chat()).await.status, 200);
        }
    };
    while one.count() < 3 {
        served(1).await;
    }
    let opened = Instant::now();
    served(20).await;
    assert_eq!(one.count(), 3, "left alone while its breaker is open");
    // Slow enough for all others to come while the probe is under way.
    let slow = Script::SlowHead {
        pause: Duration::from_millis(10),
    };
    one.follow([slow, good()]);
    cooldown(opened).await;
    let answers = all((0..16).map(|_| gateway.call(chat()))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(one.count(), 4, "exactly one probe");
    served(TURNS).await;
    let share = one.count() - 4;
    assert!(
        (TURNS * 4 / 10..=TURNS * 6 / 10).contains(&share),
        "{share} of {TURNS}"
    );
}
