//! Providers are asked whether they are there, and left out while they are not.

use std::time::Duration;

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, config::Yaml, eventually, openai,
};

const ACTIVE: &str = "health_check: {active: true, interval_seconds: 0.2, timeout_seconds: 0.5}";
const INACTIVE: &str = "health_check: {interval_seconds: 0.2}";

fn good(text: &str) -> Script {
    Script::json(200, openai::completion(text))
}

fn failing() -> Script {
    Script::json(503, openai::error("busy"))
}

fn yaml(one: &ScriptedUpstream, two: &ScriptedUpstream, check: &str) -> Yaml {
    Yaml::new()
        .provider("one", &one.base_url())
        .provider("two", &two.base_url())
        .pooled()
        .and(&format!(
            "routing: {{retries: {{max: 0}}, breaker: {{enabled: false}}, {check}}}"
        ))
}

/// `one` and `two` in a pool, `one` first.
async fn scene(one: Script, two: Script) -> (ScriptedUpstream, ScriptedUpstream, TestGateway) {
    let one = ScriptedUpstream::start([one]).await;
    let two = ScriptedUpstream::start([two]).await;
    let gateway = TestGateway::with(&yaml(&one, &two, ACTIVE)).await;
    (one, two, gateway)
}

/// Waits until the log has said that so often.
async fn said(gateway: &TestGateway, text: &str, times: usize) {
    eventually(text, async || gateway.logs().matches(text).count() >= times).await;
}

/// Requests that are no checks.
fn chats(upstream: &ScriptedUpstream) -> usize {
    let exchanges = upstream.exchanges();
    exchanges.iter().filter(|it| it.method == "POST").count()
}

/// Who serves, and how many had to be asked.
async fn served_by(gateway: &TestGateway) -> (String, String) {
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    (header("x-provider"), header("x-gateway-attempts"))
}

fn by(provider: &str, attempts: &str) -> (String, String) {
    (provider.to_owned(), attempts.to_owned())
}

#[tokio::test]
async fn a_provider_that_stops_listening_is_left_out_until_it_is_back() {
    let (one, _two, gateway) = scene(good("one"), good("two")).await;
    let address = one.address;
    assert_eq!(served_by(&gateway).await, by("one", "1"));
    drop(one);
    said(&gateway, "provider=one status=unhealthy reason=refused", 1).await;
    for _ in 0..3 {
        assert_eq!(served_by(&gateway).await, by("two", "1"));
    }
    let one = ScriptedUpstream::start_at(address, [good("one")]).await;
    said(&gateway, "provider=one status=recovered", 1).await;
    assert_eq!(served_by(&gateway).await, by("one", "1"));
    assert_eq!(chats(&one), 1);
    assert!(!gateway.logs().contains("provider=two"));
}

#[tokio::test]
async fn no_request_is_sent_to_a_provider_that_is_down() {
    let (one, _two, gateway) = scene(failing(), good("two")).await;
    said(&gateway, "provider=one status=unhealthy reason=http_503", 1).await;
    for _ in 0..5 {
        assert_eq!(served_by(&gateway).await, by("two", "1"));
    }
    assert_eq!(chats(&one), 0);
    let checks = one.exchanges();
    let check = checks.first().unwrap();
    assert_eq!((&*check.method, &*check.target), ("GET", "/v1/models"));
    let key = check.header("authorization");
    assert_eq!(key, Some("Bearer provider-secret-one"));
}

#[tokio::test]
async fn a_check_speaks_the_providers_own_version_of_http() {
    let one = ScriptedUpstream::start_h2c([good("one")]).await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", http_version: http2")
        .and(&format!("routing: {{{ACTIVE}}}"));
    let gateway = TestGateway::with(&yaml).await;
    let checks = one.wait_for_requests(4).await;
    assert!(checks.iter().all(|check| check.protocol == "HTTP/2"));
    assert!(!gateway.logs().contains("status=unhealthy"));
}

#[tokio::test]
async fn a_provider_that_says_no_is_up() {
    let no = Script::json(401, openai::error("who are you?"));
    let (one, two, gateway) = scene(no, good("two")).await;
    one.wait_for_requests(4).await;
    two.wait_for_requests(4).await;
    assert!(!gateway.logs().contains("status=unhealthy"));
}

#[tokio::test]
async fn where_all_are_down_requests_are_tried_nevertheless() {
    let (one, two, gateway) = scene(failing(), failing()).await;
    said(&gateway, "status=unhealthy", 2).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!((chats(&one), chats(&two)), (1, 1));
}

#[tokio::test]
async fn a_reload_switches_checks_on_and_off() {
    let one = ScriptedUpstream::start([failing()]).await;
    let two = ScriptedUpstream::start([good("two")]).await;
    let gateway = TestGateway::with(&yaml(&one, &two, INACTIVE)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(one.count(), 0, "nobody is asked");
    assert_eq!(served_by(&gateway).await, by("two", "2"));
    gateway.write_config(&yaml(&one, &two, ACTIVE).build());
    said(&gateway, "provider=one status=unhealthy", 1).await;
    assert_eq!(served_by(&gateway).await, by("two", "1"));
    gateway.write_config(&yaml(&one, &two, INACTIVE).build());
    eventually("it is asked again", async || {
        served_by(&gateway).await == by("two", "2")
    })
    .await;
}
