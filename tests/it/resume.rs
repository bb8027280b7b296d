//! Streams that break: gone on with by another provider (`routing.resume`), or begun anew where the client
//! has seen nothing (`routing.hold_until_first_event`).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::{
    Answer, Ending, Http1, Request, Script, ScriptedUpstream, Step, TestGateway, anthropic,
    config::{CLIENT_KEY, Yaml},
    eventually, openai, sse,
};

/// As a provider says it, word by word; with a space at the end of each.
const WORDS: [&str; 8] = [
    "The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "dog.",
];

fn text() -> String {
    WORDS.concat()
}

/// A whole stream of OpenAI's, with usage at its end.
fn openai_frames(words: &[&str], usage: (u64, u64)) -> Vec<Bytes> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "m-2026", "choices": choices, "usage": usage});
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value, finish: Value| {
        chunk(
            json!([{"index": 0, "delta": delta, "finish_reason": finish}]),
            Value::Null,
        )
    };
    let mut frames = vec![delta(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    frames.extend(
        words
            .iter()
            .map(|word| delta(json!({"content": word}), Value::Null)),
    );
    frames.push(delta(json!({}), json!("stop")));
    let (input, output) = usage;
    frames.push(chunk(
        json!([]),
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}),
    ));
    frames.push(openai::done());
    frames
}

/// A whole stream of Anthropic's.
fn anthropic_frames(words: &[&str]) -> Vec<Bytes> {
    let mut frames = anthropic::start();
    frames.extend(words.iter().map(|word| anthropic::delta(word)));
    frames.extend(anthropic::end());
    frames
}

async fn gateway(
    one: &ScriptedUpstream,
    two: &ScriptedUpstream,
    kind: &str,
    rules: &str,
) -> TestGateway {
    let kind = match kind {
        "openai" => String::new(),
        kind => format!(", kind: {kind}"),
    };
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider_with("two", &two.base_url(), &kind)
        .pooled()
        .and(&format!(
            "routing: {{retries: {{max: 0}}, breaker: {{enabled: false}}, {rules}}}"
        ));
    TestGateway::with(&yaml).await
}

fn ask() -> Request {
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "say it"}]});
    Request::chat(body.to_string())
}

/// What an SDK makes of a stream of chunks.
#[derive(Debug, PartialEq)]
struct Heard {
    text: String,
    finish: Option<String>,
    usage: Option<(u64, u64)>,
    is_done: bool,
    ids: usize,
    error: Option<Value>,
}

fn hear(answer: &Answer) -> Heard {
    let mut heard = Heard {
        text: String::new(),
        finish: None,
        usage: None,
        is_done: false,
        ids: 0,
        error: None,
    };
    let mut ids = std::collections::BTreeSet::new();
    for event in sse::events(&answer.body) {
        if event.data == "[DONE]" {
            assert!(!heard.is_done, "the end comes once");
            heard.is_done = true;
            continue;
        }
        let chunk = event.json();
        if let Some(error) = chunk.get("error") {
            heard.error = Some(error.clone());
            continue;
        }
        ids.insert(chunk["id"].to_string());
        let choice = &chunk["choices"][0];
        heard
            .text
            .push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if let Some(reason) = choice["finish_reason"].as_str() {
            assert!(heard.finish.is_none(), "the reason comes once");
            heard.finish = Some(reason.to_owned());
        }
        if let Some(usage) = chunk["usage"].as_object() {
            let count = |name: &str| usage[name].as_u64().unwrap();
            heard.usage = Some((count("prompt_tokens"), count("completion_tokens")));
        }
    }
    heard.ids = ids.len();
    heard
}

/// How many of the words a stream of so many frames holds.
fn said(frames: usize) -> usize {
    frames.saturating_sub(1).min(WORDS.len())
}

#[tokio::test]
async fn a_stream_cut_at_any_event_loses_no_text_and_repeats_none() {
    let whole = openai_frames(&WORDS, (10, 8));
    for ending in [Ending::Reset, Ending::Truncate, Ending::Stall] {
        // Stalls cost a second each.
        let step = if matches!(ending, Ending::Stall) {
            4
        } else {
            1
        };
        for cut in (1..whole.len() - 1).step_by(step) {
            let rest = openai_frames(&WORDS[said(cut)..], (14, 5));
            let one =
                ScriptedUpstream::start([Script::broken(whole[..cut].to_vec(), ending)]).await;
            let two = ScriptedUpstream::start([Script::broken(rest, Ending::Whole)]).await;
            let gateway = gateway(&one, &two, "openai", "resume: true").await;
            let answer = gateway.call(ask()).await;
            let what = format!("cut at {cut}, {ending:?}: {}", answer.text());
            let heard = hear(&answer);
            assert_eq!(heard.text, text(), "{what}");
            assert_eq!(heard.error, None, "{what}");
            assert!(heard.is_done && answer.whole && heard.ids == 1, "{what}");
            assert_eq!(heard.finish.as_deref(), Some("stop"), "{what}");
            let is_said = cut > WORDS.len() + 1;
            assert_eq!(two.count(), usize::from(!is_said), "{what}");
            if is_said {
                continue;
            }
            assert_eq!(heard.usage, Some((14, 5)), "{what}");
            let asked: Value = serde_json::from_slice(&two.last().body).unwrap();
            let last = asked["messages"]
                .as_array()
                .unwrap()
                .last()
                .unwrap()
                .clone();
            match said(cut) {
                0 => assert_eq!(last["role"], "user"),
                words => {
                    let begun = WORDS[..words].concat();
                    assert_eq!(
                        last,
                        json!({"role": "assistant", "content": begun}),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn what_both_providers_counted_is_added() {
    let mut begun = openai_frames(&WORDS[..3], (10, 3));
    begun.truncate(4);
    // Some count as they go.
    begun.push(openai_frames(&[], (10, 3))[2].clone());
    let one = ScriptedUpstream::start([Script::broken(begun, Ending::Reset)]).await;
    let rest = openai_frames(&WORDS[3..], (14, 5));
    let two = ScriptedUpstream::start([Script::broken(rest, Ending::Whole)]).await;
    let gateway = gateway(&one, &two, "openai", "resume: true").await;
    let heard = hear(&gateway.call(ask()).await);
    assert_eq!((heard.text, heard.usage), (text(), Some((24, 8))));
}

#[tokio::test]
async fn another_vendor_goes_on_in_its_own_dialect() {
    for cut in 1..=WORDS.len() {
        let whole = openai_frames(&WORDS, (10, 8));
        let one =
            ScriptedUpstream::start([Script::broken(whole[..cut].to_vec(), Ending::Reset)]).await;
        // The space at the end is not shown to Anthropic, so that it says it again.
        let words = &WORDS[said(cut)..];
        let again = format!(" {}", words.first().unwrap_or(&""));
        let mut words: Vec<&str> = words.to_vec();
        if said(cut) > 0 && !words.is_empty() {
            words[0] = &again;
        }
        let two =
            ScriptedUpstream::start([Script::broken(anthropic_frames(&words), Ending::Whole)])
                .await;
        let gateway = gateway(&one, &two, "anthropic", "resume: true").await;
        let answer = gateway.call(ask()).await;
        let heard = hear(&answer);
        assert_eq!(heard.text, text(), "cut at {cut}: {}", answer.text());
        assert_eq!(heard.error, None);
        let asked: Value = serde_json::from_slice(&two.last().body).unwrap();
        let last = asked["messages"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        if said(cut) > 0 {
            assert_eq!(last["role"], "assistant", "{asked}");
            assert!(!last.to_string().contains(" \"}"), "{last}");
        }
    }
}

#[tokio::test]
async fn an_anthropic_caller_has_one_message() {
    let whole = anthropic_frames(&WORDS);
    let one = ScriptedUpstream::start([Script::broken(whole[..5].to_vec(), Ending::Reset)]).await;
    let two = ScriptedUpstream::start([Script::broken(
        openai_frames(&WORDS[3..], (14, 5)),
        Ending::Whole,
    )])
    .await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", kind: anthropic")
        .provider("two", &two.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, breaker: {enabled: false}, resume: true}");
    let gateway = TestGateway::with(&yaml).await;
    let mut body = anthropic::messages("m");
    body["stream"] = json!(true);
    let answer = gateway
        .call(Request::post("/v1/messages", body.to_string()).bearer(CLIENT_KEY))
        .await;
    let events: Vec<Value> = sse::events(&answer.body)
        .iter()
        .map(|event| event.json())
        .collect();
    let kinds = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    let begun = whole
        .iter()
        .take(5)
        .filter(|frame| frame.starts_with(b"event: content_block_delta"))
        .count();
    assert_eq!(kinds("message_start"), 1, "{events:?}");
    assert_eq!(kinds("content_block_start"), 1, "{events:?}");
    assert_eq!(kinds("content_block_stop"), 1, "{events:?}");
    assert_eq!(kinds("message_stop"), 1, "{events:?}");
    let said: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(said, WORDS[..begun].concat() + &WORDS[3..].concat());
}

#[tokio::test]
async fn where_nobody_can_go_on_the_stream_ends_with_an_error() {
    let whole = openai_frames(&WORDS, (10, 8));
    let one = ScriptedUpstream::start([Script::broken(whole[..4].to_vec(), Ending::Reset)]).await;
    let two = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let gateway = gateway(&one, &two, "openai", "resume: true").await;
    let answer = gateway.call(ask()).await;
    let heard = hear(&answer);
    assert_eq!(heard.text, WORDS[..3].concat());
    assert_eq!(heard.error.unwrap()["source"], "two");
    assert_eq!((one.count(), two.count()), (1, 1));
    let record = gateway.request_log(&answer).await;
    assert_eq!(
        record["attempts"].as_array().map(Vec::len),
        Some(2),
        "{record}"
    );
}

#[tokio::test]
async fn the_first_byte_of_a_stream_is_the_first_providers() {
    let whole = openai_frames(&WORDS, (10, 8));
    let one = ScriptedUpstream::start([Script::broken(whole[..4].to_vec(), Ending::Reset)]).await;
    let rest = Script::broken(openai_frames(&WORDS[3..], (14, 5)), Ending::Whole);
    let two = ScriptedUpstream::start([rest.after(Duration::from_millis(700))]).await;
    let gateway = gateway(&one, &two, "openai", "resume: true").await;
    let answer = gateway.call(ask()).await;
    assert_eq!(hear(&answer).text, text());
    let record = gateway.request_log(&answer).await;
    let [first_byte, whole] =
        ["first_byte_ms", "latency_ms"].map(|name| record[name].as_u64().unwrap());
    assert!(first_byte + 600 < whole, "{record}");
}

#[tokio::test]
async fn several_may_break_one_after_the_other() {
    let whole = |from: usize| openai_frames(&WORDS[from..], (1, 1));
    let one = ScriptedUpstream::start([
        Script::broken(whole(0)[..3].to_vec(), Ending::Reset),
        Script::broken(whole(4), Ending::Whole),
    ])
    .await;
    let two =
        ScriptedUpstream::start([Script::broken(whole(2)[..3].to_vec(), Ending::Reset)]).await;
    let gateway = gateway(
        &one,
        &two,
        "openai",
        "resume: true, fallbacks: {m: [one/again]}",
    )
    .await;
    let heard = hear(&gateway.call(ask()).await);
    assert_eq!((heard.text, heard.error), (text(), None));
}

#[tokio::test]
async fn a_tool_call_under_way_is_not_gone_on_with() {
    let call = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0,
        "delta": {"role": "assistant", "tool_calls": [{"index": 0, "id": "t", "type": "function",
            "function": {"name": "f", "arguments": "{\"a\":"}}]}, "finish_reason": null}]});
    let frame = Bytes::from(format!("data: {call}\n\n"));
    let one = ScriptedUpstream::start([Script::broken([frame], Ending::Reset)]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("x"))]).await;
    let gateway = gateway(&one, &two, "openai", "resume: true").await;
    let heard = hear(&gateway.call(ask()).await);
    assert!(heard.error.is_some(), "{heard:?}");
    assert_eq!(two.count(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_ends_it_all() {
    let whole = openai_frames(&WORDS, (10, 8));
    let one = ScriptedUpstream::start([Script::broken(whole[..4].to_vec(), Ending::Stall)]).await;
    let two = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = gateway(&one, &two, "openai", "resume: true").await;
    let call =
        tokio::time::timeout(std::time::Duration::from_millis(400), gateway.call(ask())).await;
    assert!(call.is_err(), "it stalls");
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(two.count(), 0, "nobody is asked for nobody");
}

#[tokio::test]
async fn nothing_is_seen_of_a_stream_that_breaks_before_its_first_word() {
    let head = &openai_frames(&WORDS, (10, 8))[..1];
    for ending in [Ending::Reset, Ending::Truncate] {
        let one = ScriptedUpstream::start([Script::broken(head.to_vec(), ending)]).await;
        let two = ScriptedUpstream::start([Script::broken(
            openai_frames(&WORDS, (10, 8)),
            Ending::Whole,
        )])
        .await;
        let held = gateway(&one, &two, "openai", "hold_until_first_event: true").await;
        let answer = held.call(ask()).await;
        let heard = hear(&answer);
        assert_eq!(
            (heard.text, heard.error),
            (text(), None),
            "{}",
            answer.text()
        );
        assert_eq!(answer.header("x-provider"), Some("two"));

        // Where nobody is left the client gets a status.
        let one = ScriptedUpstream::start([Script::broken(head.to_vec(), ending)]).await;
        let two = ScriptedUpstream::start([Script::json(500, "{}")]).await;
        let held = gateway(&one, &two, "openai", "hold_until_first_event: true").await;
        let answer = held.call(ask()).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_eq!(answer.openai_error()["source"], "two");
    }
}

#[tokio::test]
async fn an_answer_that_is_held_comes_whole() {
    let one = ScriptedUpstream::start([Script::frames(
        openai_frames(&WORDS, (10, 8)),
        std::time::Duration::from_millis(5),
    )])
    .await;
    let two = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let gateway = gateway(
        &one,
        &two,
        "openai",
        "hold_until_first_event: true, resume: true",
    )
    .await;
    let heard = hear(&gateway.call(ask()).await);
    assert_eq!(
        (heard.text.as_str(), heard.usage, two.count()),
        (text().as_str(), Some((10, 8)), 0)
    );
}

#[tokio::test]
async fn thoughts_are_content_and_the_client_never_gets_two_streams_in_one() {
    for thoughts in [3, 300] {
        let thought = anthropic::event(&json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "thinking_delta", "thinking": "well "}}));
        let mut begun = vec![
            anthropic::start()[0].clone(),
            anthropic::event(&json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "thinking", "thinking": "", "signature": ""}})),
        ];
        begun.extend(std::iter::repeat_n(thought, thoughts));
        let mut steps = Vec::new();
        for frame in begun {
            steps.push(Step::Write(frame));
            steps.push(Step::Pause(Duration::from_millis(1)));
        }
        let ending = Ending::Truncate;
        let one = ScriptedUpstream::start([Script::Stream { steps, ending }]).await;
        let whole = Script::broken(anthropic_frames(&WORDS), Ending::Whole);
        let two = ScriptedUpstream::start([whole]).await;
        let kind = ", kind: anthropic";
        let yaml = Yaml::new()
            .provider_with("one", &one.base_url(), kind)
            .provider_with("two", &two.base_url(), kind)
            .pooled()
            .and("routing: {retries: {max: 0}, hold_until_first_event: true}");
        let gateway = TestGateway::with(&yaml).await;
        let mut body = anthropic::messages("m");
        body["stream"] = json!(true);
        let answer = gateway
            .call(Request::post("/v1/messages", body.to_string()).bearer(CLIENT_KEY))
            .await;
        let count = |what: &str| answer.text().matches(what).count();
        assert_eq!(count("event: message_start"), 1, "{thoughts}: {answer:?}");
        assert_eq!(count("event: error"), 1, "{thoughts}: {answer:?}");
        assert_eq!(count("thinking_delta"), thoughts, "all that was thought");
        assert_eq!(two.count(), 0);
    }
}

#[tokio::test]
async fn a_client_that_is_slow_and_leaves_leaves_nothing_behind() {
    // The provider breaks off while the gateway waits for the client to read: what the system's buffers hold
    // is not known, so that many sizes are tried.
    const PIECE: usize = 16 << 10;
    let text = "x".repeat(PIECE);
    let two = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let scripts = (150..230).step_by(4).map(|pieces| {
        let frames = vec![openai::frame(&text); pieces];
        Script::broken(frames, Ending::Truncate)
    });
    let count = 20;
    let one = ScriptedUpstream::start(scripts).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, breaker: {enabled: false}, resume: true}");
    let gateway = TestGateway::with(&yaml).await;
    let mut clients = Vec::new();
    for _ in 0..count {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = Http1::over(socket.connect(gateway.address).await.unwrap());
        client.send(&ask()).await.unwrap();
        client.head().await.unwrap();
        clients.push(client);
    }
    // Until nothing moves any more.
    let written = || one.exchanges().iter().map(|call| call.writes.len()).sum();
    let mut before: usize = 0;
    eventually("all wait for their clients", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::mem::replace(&mut before, written()) == before
    })
    .await;
    drop(clients);
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |open| open < 0.5)
        .await;
    let records = gateway.wait_events("request", count).await;
    assert_eq!(records.len(), count, "one request, one line");
}

/// The frames of a recorded stream, and the text that each adds.
fn recorded(file: &str, exchange: usize) -> Vec<(Bytes, String)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/recordings")
        .join(file);
    let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let body = recording["exchanges"][exchange]["response"]["body_text"]
        .as_str()
        .unwrap();
    let frames = body.replace("\r\n", "\n");
    let frames = frames
        .split_inclusive("\n\n")
        .filter(|frame| frame.contains("data:"));
    let text = |frame: &str| {
        let data = frame.lines().find_map(|line| line.strip_prefix("data:"))?;
        let event: Value = serde_json::from_str(data.trim()).ok()?;
        let said = event["choices"][0]["delta"]["content"].as_str();
        said.or(event["delta"]["text"].as_str()).map(str::to_owned)
    };
    frames
        .map(|frame| {
            (
                Bytes::from(frame.to_owned()),
                text(frame).unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn recorded_streams_cut_at_every_event_are_gone_on_with() {
    for (kind, file, exchange) in [
        (
            "groq",
            "groq/chat-completions-parallel-tool-calls-single-turn-streaming.json",
            1,
        ),
        (
            "mistral",
            "mistral/chat-completions-parallel-tool-calls-single-turn-streaming.json",
            1,
        ),
        (
            "anthropic",
            "anthropic/messages-function-calling-anthropic-claude-ha-multi-turn-streaming-conversations.json",
            3,
        ),
    ] {
        let frames = recorded(file, exchange);
        let whole: String = frames.iter().map(|(_, text)| text.as_str()).collect();
        assert!(whole.len() > 20 && frames.len() > 5, "{file}: {whole}");
        for cut in 1..frames.len() {
            let said: String = frames[..cut]
                .iter()
                .map(|(_, text)| text.as_str())
                .collect();
            let begun: Vec<Bytes> = frames[..cut]
                .iter()
                .map(|(frame, _)| frame.clone())
                .collect();
            let one = ScriptedUpstream::start([Script::broken(begun, Ending::Reset)]).await;
            let rest = openai_frames(&[&whole[said.len()..]], (14, 5));
            let two = ScriptedUpstream::start([Script::broken(rest, Ending::Whole)]).await;
            let yaml = Yaml::new()
                .provider_with("one", &one.base_url(), &format!(", kind: {kind}"))
                .provider("two", &two.base_url())
                .pooled()
                .and("routing: {retries: {max: 0}, breaker: {enabled: false}, resume: true}");
            let gateway = TestGateway::with(&yaml).await;
            let answer = gateway.call(ask()).await;
            let heard = hear(&answer);
            let what = format!("{file} cut at {cut}: {}", answer.text());
            assert_eq!(heard.text, whole, "{what}");
            assert_eq!(heard.error, None, "{what}");
            assert!(
                heard.is_done && heard.finish.is_some() && answer.whole,
                "{what}"
            );
            assert!(heard.ids <= 1, "{what}");
            if two.count() > 0 {
                let (input, output) = heard.usage.unwrap();
                assert!(input >= 14 && output >= 5, "{what}");
            }
        }
    }
}
