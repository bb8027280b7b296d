//! Canaries: the client's key never reaches a provider, and no secret reaches a client, a log, a
//! metric or an admin answer, whatever fails.

use std::time::Duration;

use crate::support::{
    Answer, Ending, Request, Script, ScriptedUpstream, TestGateway, openai,
    upstream::refused_address,
};

const CLIENT: &str = "client-canary-81f3";
const MASTER: &str = "master-canary-5d20";
const PROVIDER: &str = "sk-provider-canary-c7a9";
const SECOND: &str = "sk-second-canary-0b4e";
const HEADER: &str = "cf-header-canary-2e66";
const SECRETS: [&str; 5] = [CLIENT, MASTER, PROVIDER, SECOND, HEADER];

fn yaml(one: &str) -> String {
    format!(
        "listen: {{port: 0, admin_port: 0}}\n\
         auth: {{keys: [{{name: app, key: {CLIENT}}}], master_key: {MASTER}}}\n\
         telemetry: {{log: {{level: trace}}}}\n\
         routing: {{retries: {{max: 0}}, breaker: {{enabled: false}}, key_bench_seconds: 0}}\n\
         providers:\n  one:\n    base_url: \"{one}\"\n    api_keys: [{PROVIDER}, {SECOND}]\n    \
         headers: {{CF-Access-Client-Secret: {HEADER}}}\n    models: [m]\n    \
         timeouts: {{connect_seconds: 1, first_byte_seconds: 1, idle_seconds: 1}}\n"
    )
}

#[track_caller]
fn holds_none(text: &str, what: &str) {
    for secret in SECRETS {
        if let Some(at) = text.find(secret) {
            let around = text.get(at.saturating_sub(200)..(at + 100).min(text.len()));
            panic!("`{secret}` is in {what}: …{}…", around.unwrap_or(text));
        }
    }
}

/// Every output of the gateway but the answers to clients.
async fn outputs_hold_none(gateway: &TestGateway) {
    for target in [
        "/",
        "/metrics",
        "/admin/metrics",
        "/health",
        "/admin/health",
        "/admin/config",
        "/admin/providers",
        "/admin",
        "/no-such-page",
    ] {
        for key in [None, Some(MASTER), Some("wrong")] {
            let mut request = Request::get(target);
            if let Some(key) = key {
                request = request.bearer(key);
            }
            let mut client = crate::support::Http1::connect(gateway.admin_address).await;
            let answer = client.call(&request).await.unwrap();
            holds_none(&answer.everything(), &format!("{target} of the admin port"));
        }
    }
    for target in ["/health", "/ready", "/live", "/v1/models", "/no-such-route"] {
        for request in [
            Request::get(target),
            Request::get(target).bearer(CLIENT),
            Request::get(target).bearer(MASTER),
        ] {
            let answer = gateway.call(request).await;
            holds_none(&answer.everything(), target);
        }
    }
    holds_none(&gateway.metrics().await, "the metrics");
    holds_none(&gateway.logs(), "the logs");
    let config = gateway.config_path();
    let config = config.to_string_lossy();
    let checked = gateway.run(&["config", "check", &config]).await;
    assert!(checked.status.success(), "{}", checked.output);
    holds_none(&checked.output, "`config check`");
}

/// One request for each way to send a key.
fn requests(body: &bytes::Bytes) -> Vec<Request> {
    let post = |target: &str| Request::post(target, body.clone());
    let chat = "/v1/chat/completions";
    vec![
        post(chat).bearer(CLIENT),
        post(chat).header("x-api-key", CLIENT),
        post(chat).header("api-key", CLIENT),
        post(chat).header("x-goog-api-key", CLIENT),
        post(&format!("{chat}?key={CLIENT}")),
        post(&format!("{chat}?alt=sse&key={CLIENT}&x=1")),
        post(chat)
            .bearer(CLIENT)
            .header("x-api-key", CLIENT)
            .header("api-key", CLIENT),
        post(chat)
            .bearer(CLIENT)
            .header("proxy-authorization", &format!("Bearer {CLIENT}")),
    ]
}

async fn nothing_leaks(one: &ScriptedUpstream, expected: u16) -> Vec<Answer> {
    let gateway = TestGateway::start(&yaml(&one.base_url())).await;
    let mut answers = Vec::new();
    for request in requests(&openai::chat("m")) {
        let answer = gateway.call(request.clone()).await;
        assert_eq!(answer.status, expected, "{request:?}: {answer:?}");
        let h2c = gateway.http2().await.call(&request).await.unwrap();
        assert_eq!(h2c.status, expected, "{request:?}: {h2c:?}");
        answers.extend([answer, h2c]);
    }
    for answer in &answers {
        holds_none(&answer.everything(), "an answer");
    }
    gateway.wait_events("request", answers.len()).await;
    for exchange in one.exchanges() {
        let sent = exchange.everything();
        assert!(
            !sent.contains(CLIENT),
            "the client's key reached the provider: {sent}"
        );
        assert!(
            !sent.contains(MASTER),
            "the master key reached the provider: {sent}"
        );
        let authorization: Vec<&str> = exchange.headers.all("authorization").collect();
        assert_eq!(authorization.len(), 1, "{sent}");
        let own = [format!("Bearer {PROVIDER}"), format!("Bearer {SECOND}")];
        assert!(own.iter().any(|key| key == authorization[0]), "{sent}");
        assert_eq!(
            exchange.header("cf-access-client-secret"),
            Some(HEADER),
            "{sent}"
        );
    }
    outputs_hold_none(&gateway).await;
    answers
}

/// An upstream that says all it was told, as careless ones do in their errors.
fn telltale(status: u16) -> Script {
    let message = format!("Not expected: {PROVIDER} or {SECOND}; header {HEADER}");
    Script::json(status, openai::error(&message)).with_header("retry-after", "1")
}

#[tokio::test]
async fn no_secret_leaks_when_all_is_well() {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    nothing_leaks(&one, 200).await;
}

#[tokio::test]
async fn no_secret_leaks_when_the_provider_repeats_it_in_an_error_of_ours() {
    for status in [401, 403, 429, 500] {
        let one = ScriptedUpstream::start([telltale(status)]).await;
        nothing_leaks(&one, 502).await;
    }
}

#[tokio::test]
async fn no_secret_leaks_when_the_provider_repeats_it_in_an_error_passed_on() {
    let one = ScriptedUpstream::start([telltale(400)]).await;
    nothing_leaks(&one, 400).await;
}

#[tokio::test]
async fn no_secret_leaks_when_the_provider_breaks() {
    for (script, status) in [
        (Script::ResetBeforeHead, 502),
        (Script::Garbage, 502),
        (Script::broken([openai::frame("a")], Ending::Truncate), 200),
    ] {
        let one = ScriptedUpstream::start([script]).await;
        nothing_leaks(&one, status).await;
    }
}

#[tokio::test]
async fn no_secret_leaks_when_the_provider_cannot_be_reached() {
    let gateway = TestGateway::start(&yaml(&format!("http://{}/v1", refused_address()))).await;
    for request in requests(&openai::chat("m")) {
        let answer = gateway.call(request).await;
        assert_eq!(answer.status, 502);
        holds_none(&answer.everything(), "an answer");
    }
    outputs_hold_none(&gateway).await;
}

#[tokio::test]
async fn no_secret_leaks_when_the_request_is_bad() {
    let one = ScriptedUpstream::start([]).await;
    let gateway = TestGateway::start(&yaml(&one.base_url())).await;
    for body in [
        "{",
        "[]",
        r#"{"model":"no-such-model"}"#,
        r#"{"messages":[]}"#,
    ] {
        for request in requests(&bytes::Bytes::from(body)) {
            let answer = gateway.call(request).await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            holds_none(&answer.everything(), "an answer");
        }
    }
    let mut half = gateway.http1().await;
    let head = format!(
        "POST /v1/chat/completions?key={CLIENT} HTTP/1.1\r\nx-api-key: {CLIENT}\r\nbroken\r\n\r\n"
    );
    half.write(head.as_bytes()).await.unwrap();
    assert!(half.closes_within(Duration::from_secs(5)).await);
    assert_eq!(one.count(), 0);
    outputs_hold_none(&gateway).await;
}

#[tokio::test]
async fn a_wrong_key_is_neither_logged_nor_repeated() {
    let one = ScriptedUpstream::start([]).await;
    let gateway = TestGateway::start(&yaml(&one.base_url())).await;
    let almost = format!("{CLIENT}-with-a-typo");
    let answer = gateway
        .call(Request::post("/v1/chat/completions", openai::chat("m")).bearer(&almost))
        .await;
    assert_eq!(answer.status, 401);
    holds_none(&answer.everything(), "the answer");
    gateway.request_log(&answer).await;
    holds_none(&gateway.logs(), "the logs");
}

#[tokio::test]
async fn a_config_error_shows_no_secret() {
    let yaml = format!(
        "{}    no_such_option: {PROVIDER}\n",
        yaml("http://127.0.0.1:1/v1")
    );
    let refused = TestGateway::builder(&yaml)
        .try_start()
        .await
        .err()
        .expect("an unknown key");
    holds_none(&refused.output, "the start-up error");
}
