//! Everything that can go wrong before a provider's first byte: the next candidate answers, or,
//! when there is none, the documented status; and the log says which fault it was.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, TestGateway, config::Yaml, openai, tls::Authority,
    upstream::refused_address, within,
};

/// What a fault has to look like.
struct Expected {
    status: u16,
    outcome: &'static str,
}

const UNREACHABLE: u16 = 502;
const TIMED_OUT: u16 = 504;

/// Calls a pool whose first provider has the fault, then that provider alone; each with a short
/// body and with a chunked one of more than 64 KiB, which take different ways through Pingora.
async fn fault(one: &str, more: &str, expected: Expected) -> (TestGateway, Answer) {
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("second"))]).await;
    let yaml = Yaml::new()
        .provider_with("one", one, more)
        .provider("two", &two.base_url())
        .pooled();
    let gateway = TestGateway::with(&yaml).await;

    let long = |model: &str| Request::chat(openai::chat_of_size(model, 100 << 10)).chunked(9_000);
    for request in [Request::chat(openai::chat("m")), long("m")] {
        let answer = gateway.call(request).await;
        assert_eq!(answer.status, 200, "the next candidate answers: {answer:?}");
        assert_eq!(answer.header("x-provider"), Some("two"));
        assert_eq!(answer.header("x-model"), Some("other-name"));
        assert_eq!(answer.header("x-gateway-attempts"), Some("2"));
        let record = gateway.request_log(&answer).await;
        outcomes(&record, &[("one", expected.outcome), ("two", "ok")]);
    }
    let mut last = None;
    for request in [long("one/m"), Request::chat(openai::chat("one/m"))] {
        let call = gateway.call(request);
        let alone = within(Duration::from_secs(5), "an answer", call).await;
        assert_eq!(alone.status, expected.status, "{alone:?}");
        assert_eq!(alone.openai_error()["source"], "one", "{alone:?}");
        let record = gateway.request_log(&alone).await;
        outcomes(&record, &[("one", expected.outcome)]);
        assert_eq!(record["status"], expected.status, "{record}");
        last = Some(alone);
    }
    let alone = last.expect("two calls");
    let labels = [("provider", "one"), ("outcome", expected.outcome)];
    gateway
        .wait_metric("gateway_upstream_attempts_total", &labels, |count| {
            count == 4.0
        })
        .await;
    (gateway, alone)
}

#[track_caller]
fn outcomes(record: &Value, expected: &[(&str, &str)]) {
    let attempts = record["attempts"]
        .as_array()
        .unwrap_or_else(|| panic!("no attempts: {record}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: Vec<(String, String)> = attempts
        .iter()
        .map(|attempt| (text(&attempt["provider"]), text(&attempt["outcome"])))
        .collect();
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(provider, outcome)| ((*provider).into(), (*outcome).into()))
        .collect();
    assert_eq!(found, expected, "{record}");
}

async fn scripted(script: Script, outcome: &'static str, status: u16) -> Answer {
    let one = ScriptedUpstream::start([script]).await;
    fault(&one.base_url(), "", Expected { status, outcome })
        .await
        .1
}

#[tokio::test]
async fn falls_back_when_the_connection_is_refused() {
    let one = format!("http://{}/v1", refused_address());
    fault(
        &one,
        "",
        Expected {
            status: UNREACHABLE,
            outcome: "refused",
        },
    )
    .await;
}

#[tokio::test]
async fn falls_back_when_the_connection_closes_at_once() {
    scripted(Script::CloseOnAccept, "reset", UNREACHABLE).await;
}

#[tokio::test]
async fn falls_back_when_the_connection_is_reset_before_the_head() {
    scripted(Script::ResetBeforeHead, "reset", UNREACHABLE).await;
}

#[tokio::test]
async fn falls_back_when_the_connection_closes_before_the_head() {
    scripted(Script::CloseBeforeHead, "reset", UNREACHABLE).await;
}

#[tokio::test]
async fn falls_back_when_the_head_stalls() {
    scripted(Script::Stall, "timeout", TIMED_OUT).await;
}

#[tokio::test]
async fn falls_back_when_the_head_drips_past_the_first_byte_timeout() {
    scripted(
        Script::SlowHead {
            pause: Duration::from_millis(100),
        },
        "timeout",
        TIMED_OUT,
    )
    .await;
}

#[tokio::test]
async fn falls_back_when_the_answer_is_not_http() {
    scripted(Script::Garbage, "garbage", UNREACHABLE).await;
}

#[tokio::test]
async fn falls_back_on_every_server_error() {
    for status in [500, 501, 502, 503, 504, 507, 520, 529, 599] {
        let answer = scripted(
            Script::json(status, openai::error("broken")),
            "http_error",
            502,
        )
        .await;
        assert_eq!(answer.openai_error()["provider_status"], status);
    }
}

#[tokio::test]
async fn falls_back_when_the_provider_refuses_its_key() {
    for status in [401, 403] {
        let answer = scripted(Script::json(status, openai::error("no")), "http_error", 502).await;
        assert_eq!(answer.openai_error()["provider_status"], status);
    }
}

#[tokio::test]
async fn falls_back_when_the_name_does_not_resolve() {
    let expected = Expected {
        status: UNREACHABLE,
        outcome: "dns",
    };
    fault("http://no-such-host.invalid:9/v1", "", expected).await;
}

#[tokio::test]
async fn falls_back_when_the_certificate_has_another_name() {
    let authority = Authority::new();
    let one = ScriptedUpstream::start_tls(&authority, "other.test", &[], []).await;
    let trust = format!(", tls: {{ca_file: \"{}\"}}", authority.ca_file().display());
    let expected = Expected {
        status: UNREACHABLE,
        outcome: "tls",
    };
    fault(&one.base_url_as("localhost"), &trust, expected).await;
    assert_eq!(one.count(), 0, "not a byte of the request was sent");
}

#[tokio::test]
async fn falls_back_when_the_certificate_is_not_trusted() {
    let one = ScriptedUpstream::start_tls(&Authority::new(), "localhost", &[], []).await;
    let expected = Expected {
        status: UNREACHABLE,
        outcome: "tls",
    };
    fault(&one.base_url_as("localhost"), "", expected).await;
    assert_eq!(one.count(), 0, "not a byte of the request was sent");
}

#[tokio::test]
async fn falls_back_when_the_tls_handshake_stalls() {
    let silent = ScriptedUpstream::start([Script::Stall]).await;
    let one = format!("https://localhost:{}/v1", silent.address.port());
    fault(
        &one,
        "",
        Expected {
            status: TIMED_OUT,
            outcome: "timeout",
        },
    )
    .await;
}

#[tokio::test]
async fn falls_back_on_429_and_passes_its_retry_after_on_when_nobody_is_left() {
    let limited = Script::json(429, openai::error("slow down")).with_header("retry-after", "17");
    let answer = scripted(limited, "http_error", 502).await;
    assert_eq!(answer.header("retry-after"), Some("17"));
    let error = answer.openai_error();
    assert_eq!(error["provider_status"], 429);
    assert!(
        error["message"].as_str().unwrap().contains("slow down"),
        "{error}"
    );
}

#[tokio::test]
async fn a_providers_429_stays_429_where_configured() {
    let limited = Script::json(429, openai::error("slow down")).with_header("retry-after", "17");
    let one = ScriptedUpstream::start([limited]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and("errors: {provider_rate_limit_status: 429}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("17"))
    );
    assert_eq!(answer.openai_error()["source"], "one");
}

#[tokio::test]
async fn a_providers_own_4xx_is_passed_on_and_never_retried() {
    for status in [400, 404, 422] {
        let one =
            ScriptedUpstream::start([Script::json(status, openai::error("your fault"))]).await;
        let two = ScriptedUpstream::start([Script::json(200, "{}")]).await;
        let yaml = crate::support::config::pair(&one.base_url(), &two.base_url());
        let gateway = TestGateway::with(&yaml).await;
        let answer = gateway.call(Request::chat(openai::chat("m"))).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let error = answer.openai_error();
        assert_eq!(error["source"], "one");
        assert!(
            error["message"].as_str().unwrap().contains("your fault"),
            "{error}"
        );
        assert_eq!((one.count(), two.count()), (1, 0));
    }
}

#[tokio::test]
async fn the_last_candidates_fault_decides_the_status() {
    let one = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let two = ScriptedUpstream::start([Script::Stall]).await;
    let yaml = crate::support::config::pair(&one.base_url(), &two.base_url());
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, TIMED_OUT, "{answer:?}");
    assert_eq!(answer.openai_error()["source"], "two");
    outcomes(
        &gateway.request_log(&answer).await,
        &[("one", "http_error"), ("two", "timeout")],
    );
}
