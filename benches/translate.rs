//! What translation costs: a request of 1 MB from one dialect to another, parse and print included, and
//! one event of a stream, for each pair of dialects that matters most.
//!
//! `cargo bench --bench translate`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use ai_gateway::{
    chat::{
        json,
        target::{Operation, Quirks, Target},
    },
    dialects::{
        Call, Dialect, Route, by_name,
        emulate::Emulation,
        translate::{self, Transcoder},
    },
};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

const EVENTS: usize = 1000;

fn dialect(name: &str) -> &'static dyn Dialect {
    by_name(name).unwrap_or(&ai_gateway::dialects::openai_chat::OpenAiChat)
}

/// An agent's conversation of about 1 MB: files that were read, and what was said of them.
fn conversation() -> Value {
    let page = "A line of a file, with \"quotes\" and\n a tab\t, as files have them; naïve façades — too. ".repeat(20);
    let mut messages = vec![json!({"role": "user", "content": "Fix the test."})];
    for turn in 0..250 {
        let id = format!("toolu_{turn}");
        messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": "I read the next file."},
            {"type": "tool_use", "id": id, "name": "read_file", "input": {"path": "src/main.rs", "line": turn}}]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": page.repeat(2)}]}]}));
    }
    json!({"model": "m", "max_tokens": 1000, "messages": messages, "tools": [
        {"name": "read_file", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}]})
}

fn translated(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let quirks = Quirks::default();
    let target = Target {
        model: "m",
        quirks: &quirks,
        operation: Operation::Generate,
    };
    let asked = json::parse(body)
        .ok()
        .and_then(|value| dialect(from).read_request(value, &Route::default()).ok())
        .unwrap_or_default();
    translate::request(asked.request, dialect(from), dialect(to), &target)
        .map(|translated| translated.written.body)
        .unwrap_or_default()
}

fn requests(criterion: &mut Criterion) {
    let anthropic = conversation().to_string().into_bytes();
    let openai = translated(&anthropic, "anthropic", "openai_chat");
    assert!(
        anthropic.len() > 1_000_000 && openai.len() > 1_000_000,
        "{}",
        anthropic.len()
    );
    criterion.bench_function("1 MB anthropic to openai_chat", |bencher| {
        bencher.iter(|| {
            black_box(translated(
                black_box(&anthropic),
                "anthropic",
                "openai_chat",
            ))
        });
    });
    criterion.bench_function("1 MB openai_chat to anthropic", |bencher| {
        bencher.iter(|| black_box(translated(black_box(&openai), "openai_chat", "anthropic")));
    });
}

fn openai_event(number: usize) -> Bytes {
    Bytes::from(format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"system_fingerprint\":\"fp\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    ))
}

fn anthropic_event(number: usize) -> Bytes {
    let data = match number {
        0 => {
            json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}}})
        }
        1 => {
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        }
        _ => {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": format!(" word{number}")}})
        }
    };
    Bytes::from(format!(
        "event: {}\ndata: {data}\n\n",
        data.get("type").and_then(Value::as_str).unwrap_or_default()
    ))
}

fn streams(criterion: &mut Criterion) {
    let sources: [(&str, Vec<Bytes>); 2] = [
        ("openai_chat", (0..EVENTS).map(openai_event).collect()),
        ("anthropic", (0..EVENTS).map(anthropic_event).collect()),
    ];
    for (from, events) in sources {
        for to in ["openai_chat", "anthropic", "gemini", "openai_responses"] {
            let name = format!("{EVENTS} events {from} to {to}");
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    let call = Call::default();
                    let (from, to) = (dialect(from), dialect(to));
                    let mut transcoder =
                        Transcoder::new(from, to, &call, Emulation::default(), (true, true));
                    let mut out = Vec::new();
                    for event in &events {
                        out.clear();
                        let _ = transcoder.push(event.clone(), &mut out);
                    }
                    black_box(out)
                });
            });
        }
    }
}

criterion_group!(benches, requests, streams);
criterion_main!(benches);
