//! Limits and budgets as clients meet them: who is refused, when, and what is told.

mod budgets;
mod edge;
mod fleet;
mod matrix;
mod one_number;
mod periods;
mod rates;
mod routes;
mod shared;
mod waits;

use bytes::Bytes;

use crate::support::{
    Answer, Request, Script, ScriptedUpstream, Step, TestGateway, config::Yaml, openai,
};

/// A model whose price is known: a short answer costs 22 millionths of a dollar (3 tokens at 2 dollars a million,
/// 2 at 8).
const PRICED: &str = "gpt-4.1";
const COST: f64 = 0.000_022;

/// A provider that answers, and a gateway whose key `app` has these limits; `more` is at the top level.
async fn limited(of_key: &str, more: &str) -> (ScriptedUpstream, TestGateway) {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let gateway = TestGateway::start(&yaml(&upstream, of_key, more)).await;
    (upstream, gateway)
}

fn yaml(upstream: &ScriptedUpstream, of_key: &str, more: &str) -> String {
    let of_key = format!(", team: red, user: ada, limits: {{{of_key}}}");
    Yaml::default()
        .key("app", "test-key", &of_key)
        .key("other", "other-key", ", user: bob")
        .patient("openai", &upstream.base_url())
        .and(more)
        .build()
}

/// A chat with a priced model whose answer has two tokens at most.
fn priced() -> Bytes {
    priced_as(PRICED)
}

fn priced_as(model: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"model":"{model}","max_tokens":2,"messages":[{{"role":"user","content":"hello"}}]}}"#
    ))
}

async fn ask(gateway: &TestGateway, body: Bytes) -> Answer {
    gateway.call(Request::chat(body)).await
}

/// The number of milliseconds that a refusal says to wait.
#[track_caller]
fn wait_of(answer: &Answer) -> u64 {
    let ms = answer.header("retry-after-ms").expect("a time");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    let ms: u64 = ms.parse().expect("a number");
    assert_eq!(seconds, ms.div_ceil(1000), "{answer:?}");
    ms
}

/// An answer that begins, and ends when the gate opens.
fn gated(gate: &crate::support::Gate) -> Script {
    let steps = vec![
        Step::Write(openai::frame("one")),
        Step::Wait(gate.clone()),
        Step::Write(openai::frame("two")),
        Step::Write(openai::done()),
    ];
    Script::Stream {
        steps,
        ending: crate::support::Ending::Whole,
    }
}
