//! `max_cost_per_request`: candidates that would cost too much are passed over; where none is left the
//! request is refused, with the estimate.

use serde_json::json;

use crate::support::{Request, Script, ScriptedUpstream, TestGateway, config::Yaml, openai};

async fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start([Script::json(200, openai::completion("x"))]).await
}

fn ask(model: &str, max_tokens: u64) -> Request {
    let body = json!({"model": model, "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "x".repeat(4000)}]});
    Request::chat(body.to_string())
}

#[tokio::test]
async fn the_dear_one_is_passed_over_and_the_cheap_one_asked() {
    let (one, two) = (upstream().await, upstream().await);
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", kind: openai")
        .provider_with("two", &two.base_url(), ", kind: openai")
        .and(
            "pools: {p: {strategy: priority, targets: [{provider: one, model: gpt-5-pro}, \
             {provider: two, model: gpt-5-nano}]}}",
        )
        .and("routing: {max_cost_per_request: 0.01, retries: {max: 0}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(ask("p", 1000)).await;
    assert_eq!(
        (answer.status, answer.header("x-model")),
        (200, Some("gpt-5-nano")),
        "{answer:?}"
    );
    assert_eq!((one.count(), two.count()), (0, 1));
}

#[tokio::test]
async fn where_all_are_too_dear_the_estimate_is_told_and_nobody_is_asked() {
    let one = upstream().await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", kind: openai")
        .and("pools: {p: [{provider: one, model: gpt-5-pro}]}")
        .and("routing: {max_cost_per_request: 0.01, retries: {max: 0}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(ask("p", 10_000)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let error = answer.openai_error();
    assert_eq!(error["code"], "max_cost_exceeded");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("0.01 USD") && message.contains("max_tokens"),
        "{message}"
    );
    // Naming the provider is no way around it.
    for named in [
        ask("one/gpt-5-pro", 10_000),
        ask("gpt-5-pro", 10_000).header("x-gateway-provider", "one"),
    ] {
        let answer = gateway.call(named).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.openai_error()["code"], "max_cost_exceeded");
    }
    assert_eq!(one.count(), 0);
    // What nobody knows the price of is let through.
    let answer = gateway.call(ask("one/m", 10_000)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_client_may_lower_the_limit_and_each_of_several_answers_costs() {
    let one = upstream().await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", kind: openai")
        .and("pools: {p: [{provider: one, model: gpt-4o}]}")
        .and("routing: {max_cost_per_request: 0.1, retries: {max: 0}}");
    let gateway = TestGateway::with(&yaml).await;
    let status = async |limit: &str, answers: u64| {
        let body = json!({"model": "p", "max_tokens": 1000, "n": answers,
            "messages": [{"role": "user", "content": "hello"}]});
        let request = Request::chat(body.to_string()).header("x-gateway-max-cost", limit);
        gateway.call(request).await
    };
    assert_eq!(status("0.05", 1).await.status, 200);
    let refused = status("0.001", 1).await;
    assert_eq!((refused.status, one.count()), (400, 1), "{refused:?}");
    assert_eq!(refused.openai_error()["code"], "max_cost_exceeded");
    let refused = status("0.05", 10).await;
    assert_eq!(refused.openai_error()["code"], "max_cost_exceeded");
    // The operator's own limit stands.
    assert_eq!(status("100", 20).await.status, 400);
    let wrong = status("cheap", 1).await;
    assert_eq!((wrong.status, one.count()), (400, 1), "{wrong:?}");
    assert_eq!(wrong.openai_error()["code"], "invalid_body");
}
