//! Answers that are given again: from the cache, and from a call that is under way.

mod coalescing;
mod idempotency;
mod replay;
mod rules;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::{Request, Script, ScriptedUpstream, TestGateway, config::Yaml, openai};

/// A gateway with the cache on, and one provider of model `m`.
async fn gateway(one: &ScriptedUpstream) -> TestGateway {
    gateway_with(one, "").await
}

/// The same with more settings of the cache.
async fn gateway_with(one: &ScriptedUpstream, settings: &str) -> TestGateway {
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .and(&format!("cache: {{{settings}}}"));
    TestGateway::with(&yaml).await
}

fn good(text: &str) -> Script {
    Script::json(200, openai::completion(text))
}

/// What a chat says.
fn ask(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

fn chat(body: &Value) -> Request {
    Request::chat(body.to_string())
}

/// The same, streamed.
fn streamed(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = true.into();
    body
}

/// A whole stream of these words, with its usage.
fn frames(words: &[&str]) -> Vec<Bytes> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": choices, "usage": usage});
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let mut frames: Vec<_> = words
        .iter()
        .map(|word| {
            let delta = json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]);
            chunk(delta, Value::Null)
        })
        .collect();
    let end = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    frames.push(chunk(end, Value::Null));
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
    frames.push(chunk(json!([]), usage));
    frames.push(openai::done());
    frames
}

/// How an answer came about.
#[track_caller]
fn x_cache(answer: &crate::support::Answer) -> &str {
    answer.header("x-cache").unwrap_or("none")
}
