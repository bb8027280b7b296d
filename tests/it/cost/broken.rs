//! What a stream has cost is known however it ends, and is asked for whether its client wants to know or not.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Ending, Gate, Request, Script, ScriptedUpstream, Step, TestGateway, config::single, openai,
};

const BARE: &str = r#"{"model":"m","stream":true,"temperature":0.7,"messages":[{"role":"user","content":"Tell me of the sea, please."}]}"#;
const USAGE: &str = "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":5,\"total_tokens\":19}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn said(text: &str) -> String {
    format!(
        "data: {{\"id\":\"1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    )
}

fn finished() -> String {
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        .into()
}

async fn serving(script: Script) -> (ScriptedUpstream, TestGateway) {
    let upstream = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    (upstream, gateway)
}

fn is_counted(record: &Value) {
    assert_eq!(record["estimated"], true, "{record}");
    let (input, output) = (&record["usage"]["input"], &record["usage"]["output"]);
    // "Tell me of the sea, please." and its frame; "The sea is wide and deep."
    assert!((8..=16).contains(&input.as_u64().unwrap()), "{record}");
    assert!((6..=9).contains(&output.as_u64().unwrap()), "{record}");
}

#[tokio::test]
async fn the_usage_of_a_stream_is_asked_for_and_kept_from_who_did_not_ask() {
    let frames = [said("Waves."), finished(), USAGE.into(), DONE.into()];
    let (upstream, gateway) = serving(Script::frames(frames, Duration::ZERO)).await;
    let answer = gateway.call(Request::chat(BARE)).await;
    let asked: Value = serde_json::from_slice(&upstream.last().body).unwrap();
    assert_eq!(asked["stream_options"]["include_usage"], true);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(text, [said("Waves."), finished(), DONE.into()].concat());
    let record = gateway.request_log(&answer).await;
    assert_eq!(
        (&record["usage"]["input"], &record["usage"]["output"]),
        (&14.into(), &5.into())
    );
    assert_eq!(record.get("estimated"), None);
}

#[tokio::test]
async fn a_stream_that_breaks_has_cost_what_it_said() {
    let frames = [said("The sea is wide"), said(" and deep.")];
    let (_upstream, gateway) = serving(Script::broken(frames, Ending::Truncate)).await;
    gateway.call(Request::chat(BARE)).await;
    let record = gateway
        .wait_request(|record| record["stream"] == true)
        .await;
    is_counted(&record);
}

#[tokio::test]
async fn a_stream_that_its_client_leaves_has_cost_what_it_said() {
    let steps = vec![
        Step::Write(said("The sea is wide and deep.").into()),
        Step::Wait(Gate::closed()),
    ];
    let script = Script::Stream {
        steps,
        ending: Ending::Whole,
    };
    let (_upstream, gateway) = serving(script).await;
    let mut client = gateway.http1().await;
    client.send(&Request::chat(BARE)).await.unwrap();
    client.head().await.unwrap();
    client.piece().await.unwrap();
    drop(client);
    let record = gateway.wait_request(|record| record["status"] == 499).await;
    is_counted(&record);
}

#[tokio::test]
async fn a_stream_without_usage_is_counted_in_either_dialect() {
    let frames = [said("The sea is wide and deep."), finished(), DONE.into()];
    let (_upstream, gateway) = serving(Script::frames(frames, Duration::ZERO)).await;
    let answer = gateway.call(Request::chat(BARE)).await;
    is_counted(&gateway.request_log(&answer).await);
    let messages = r#"{"model":"m","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"Tell me of the sea, please."}]}"#;
    let answer = gateway
        .call(Request::post("/v1/messages", messages).bearer("test-key"))
        .await;
    assert_eq!(answer.status, 200);
    is_counted(&gateway.request_log(&answer).await);
}

#[tokio::test]
async fn whoever_asked_for_the_usage_gets_it() {
    let frames = [said("Waves."), finished(), USAGE.into(), DONE.into()];
    let (upstream, gateway) = serving(Script::frames(frames, Duration::ZERO)).await;
    let body = openai::streamed("m");
    let answer = gateway.call(Request::chat(body.clone())).await;
    assert_eq!(upstream.last().body, body);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("prompt_tokens"), "{text}");
}
