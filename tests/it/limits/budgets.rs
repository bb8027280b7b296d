//! What may be spent: hard and soft, in all, however many ask at once.

use std::time::Duration;

use super::*;
use crate::support::{Gate, all, eventually};

#[tokio::test]
async fn a_budget_is_refused_once_it_is_spent_and_says_so_as_litellm_does() {
    let (upstream, gateway) = limited("max_budget: 0.0001", "").await;
    let mut count = 0;
    let refused = loop {
        let answer = ask(&gateway, priced()).await;
        if answer.status != 200 {
            break answer;
        }
        count += 1;
        assert!(count < 10, "never refused");
    };
    // Four cost 88 millionths; the fifth is let in by what is left, and the last.
    assert_eq!((count, upstream.count()), (5, 5));
    assert_eq!(refused.status, 429, "{refused:?}");
    let error = refused.openai_error();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&"budget_exceeded".into(), &"budget_exceeded".into())
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("Budget has been exceeded! Current cost: 0.00011, Max budget: 0.0001."),
        "{message}"
    );
    // It never begins anew.
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(refused.header("retry-after"), None);
    // What costs something unknown is refused as well, and other keys are not.
    assert_eq!(ask(&gateway, openai::chat("m")).await.status, 429);
    let other = Request::post("/v1/chat/completions", priced()).bearer("other-key");
    assert_eq!(gateway.call(other).await.status, 200);
}

#[tokio::test]
async fn a_budget_with_a_period_says_when_it_begins_anew() {
    let (_upstream, gateway) = limited("max_budget: 0.00002, budget_duration: 3s", "").await;
    assert_eq!(ask(&gateway, priced()).await.status, 200);
    let refused = ask(&gateway, priced()).await;
    // The period may have ended between the two.
    let refused = match refused.status {
        200 => ask(&gateway, priced()).await,
        _ => refused,
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    let wait = wait_of(&refused);
    assert!((1..=3000).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(ask(&gateway, priced()).await.status, 200);
}

#[tokio::test]
async fn as_many_as_come_at_once_overspend_by_less_than_one_request() {
    for subject in [
        "global: {max_budget: 0.0003}",
        "models: {gpt-4.1: {max_budget: 0.0003}}",
        "users: {ada: {max_budget: 0.0003}}",
    ] {
        let section = format!("rate_limiting: {{{subject}}}");
        overspend_by_less_than_one(&section, PRICED).await;
    }
}

#[tokio::test]
async fn what_requests_will_cost_is_known_by_the_operators_own_prices() {
    let section =
        "rate_limiting: {users: {ada: {max_budget: 0.0003}}}\npricing: {file: prices.yaml}";
    overspend_by_less_than_one(section, "m").await;
}

/// Asks for `model`, which costs [`COST`], twenty times at once where 0.0003 dollars may be spent. By `prices.yaml`
/// beside the configuration `m` costs as much.
async fn overspend_by_less_than_one(section: &str, model: &str) {
    let answer = Script::json(200, openai::completion("hi")).after(Duration::from_millis(100));
    let upstream = ScriptedUpstream::start([answer]).await;
    let builder = TestGateway::builder(&yaml(&upstream, "", section));
    builder.write(
        "prices.yaml",
        "openai:\n  models:\n    m: {input: 2, output: 8}\n",
    );
    let gateway = builder.start().await;
    let mut answered = 0;
    for _ in 0..6 {
        let calls = (0..20).map(|_| gateway.call(Request::chat(priced_as(model))));
        let statuses = all(calls).await;
        answered += statuses
            .iter()
            .filter(|answer| answer.status == 200)
            .count();
        let is_told = |answer: &Answer| answer.status == 200 || answer.status == 429;
        assert!(statuses.iter().all(is_told), "{statuses:?}");
    }
    let spent = answered as f64 * COST;
    assert!(
        (0.0003..0.0003 + COST).contains(&spent),
        "{section}: {answered}"
    );
    assert_eq!(upstream.count(), answered, "{section}");
}

#[tokio::test]
async fn a_stream_is_not_cut_and_the_next_request_is_refused() {
    let gate = Gate::closed();
    let usage = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4.1","choices":[],"usage":{"prompt_tokens":3000,"completion_tokens":2000,"total_tokens":5000}}"#;
    let steps = vec![
        Step::Write(openai::frame("one")),
        Step::Wait(gate.clone()),
        Step::Write(openai::frame("two")),
        Step::Write(Bytes::from(format!("{usage}\n\n"))),
        Step::Write(openai::done()),
    ];
    let ending = crate::support::Ending::Whole;
    let upstream = ScriptedUpstream::start([Script::Stream { steps, ending }]).await;
    let gateway = TestGateway::start(&yaml(&upstream, "max_budget: 0.001", "")).await;
    let body = format!(
        r#"{{"model":"{PRICED}","stream":true,"stream_options":{{"include_usage":true}},"max_tokens":2,"messages":[]}}"#
    );
    let mut client = gateway.http1().await;
    client.send(&Request::chat(body.clone())).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    gate.open();
    let mut all = Vec::new();
    while let Some(piece) = client.piece().await.unwrap() {
        all.extend_from_slice(&piece.bytes);
    }
    assert!(
        all.ends_with(b"[DONE]\n\n"),
        "{}",
        String::from_utf8_lossy(&all)
    );
    // It cost 0.022 dollars.
    let refused = ask(&gateway, body.into()).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.text().contains("Current cost: 0.022,"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_webhook_hears_of_each_threshold_once_and_a_soft_budget_refuses_nobody() {
    let hook = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let section = format!(
        "rate_limiting: {{alerts: {{webhook_url: \"{}\", webhook_secret: hook-secret, thresholds_percent: [40, 100]}}}}",
        hook.base_url()
    );
    let (upstream, gateway) = limited("max_budget: 0.0001, soft_budget: 0.00006", &section).await;
    for status in [200, 200, 200, 200, 200, 429] {
        assert_eq!(ask(&gateway, priced()).await.status, status);
    }
    assert_eq!(upstream.count(), 5);
    hook.wait_for_requests(3).await;
    let told: Vec<serde_json::Value> = hook
        .exchanges()
        .iter()
        .map(|sent| {
            assert!(
                sent.header("webhook-signature")
                    .is_some_and(|text| text.starts_with("v1,"))
            );
            assert!(
                sent.header("webhook-id").is_some() && sent.header("webhook-timestamp").is_some()
            );
            serde_json::from_slice(&sent.body).unwrap()
        })
        .collect();
    let said = |event: &str, percent: u64| {
        told.iter()
            .any(|alert| alert["event"] == event && alert["threshold_percent"] == percent)
    };
    assert!(
        said("budget_threshold", 40) && said("budget_threshold", 100),
        "{told:?}"
    );
    assert!(said("soft_budget", 100), "{told:?}");
    assert!(
        told.iter()
            .all(|alert| alert["subject"] == "key" && alert["id"] == "app")
    );
    assert_eq!(ask(&gateway, priced()).await.status, 429);
    eventually("alerts are counted", async || {
        gateway
            .metric("gateway_budget_alerts_total", &[("result", "sent")])
            .await
            >= 3.0
    })
    .await;
    assert_eq!(hook.count(), 3);
}
