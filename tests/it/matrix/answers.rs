//! What answers tell, and what of an answer survives into the next turn.

use ai_gateway::{
    chat::{
        extra::{Extra, Opaque},
        part::{Citation, Content, Media, MediaKind, Part, Source, Text, Thinking, ToolCall},
        request::ChatRequest,
        response::{ChatResponse, Choice, Finish, FinishReason, TokenLogprob},
        target::{Operation, Quirks, Target},
        usage::Usage,
    },
    dialects::{
        Call, Dialect, by_name,
        emulate::Emulation,
        scan::Places,
        translate::{self, Transcoder},
    },
    providers::catalog,
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    ASKED_FOR, BACKS, Back,
    features::{parts, user, with},
    read,
};

/// Something that an answer tells.
pub(super) struct Told {
    pub(super) name: &'static str,
    answer: fn() -> ChatResponse,
    is_there: fn(&ChatResponse) -> bool,
}

/// Something that a model made and wants back with the next turn.
pub(super) struct Turn {
    pub(super) name: &'static str,
    /// What this back end made, or `None` where it makes no such thing.
    made: fn(&str) -> Option<Part>,
    /// Whether the next request goes to whoever made it.
    is_maker: bool,
}

fn said(parts: Vec<Part>) -> ChatResponse {
    let calls = parts.iter().any(Part::is_tool_call);
    let reason = if calls {
        FinishReason::ToolCalls
    } else {
        FinishReason::Stop
    };
    ChatResponse {
        choices: vec![Choice {
            parts,
            finish: Some(Finish::new(reason)),
            ..Choice::default()
        }],
        usage: Some(Usage {
            input: 100,
            output: 50,
            ..Usage::default()
        }),
        ..ChatResponse::default()
    }
}

fn ended(reason: FinishReason) -> ChatResponse {
    let mut answer = said(vec![Part::text("well")]);
    answer.choices[0].finish = Some(Finish::new(reason));
    answer
}

fn used(change: impl FnOnce(&mut Usage)) -> ChatResponse {
    let mut answer = said(vec![Part::text("well")]);
    change(answer.usage.as_mut().unwrap());
    answer
}

fn call() -> Part {
    Part::new(Content::ToolCall(ToolCall {
        id: Some("call_1".into()),
        name: "look".into(),
        arguments: "{\"a\":\"b\"}".into(),
        ..ToolCall::default()
    }))
}

fn has(answer: &ChatResponse, is_it: fn(&Content) -> bool) -> bool {
    let mut parts = answer.choices.iter().flat_map(|choice| &choice.parts);
    parts.any(|part| is_it(&part.content))
}

fn reason(answer: &ChatResponse) -> Option<FinishReason> {
    let choice = answer.choices.first()?;
    Some(choice.finish.as_ref()?.given(choice.has_tool_calls()))
}

fn usage(answer: &ChatResponse) -> Usage {
    answer.usage.unwrap_or_default()
}

#[expect(clippy::too_many_lines, reason = "one row a kind of answer")]
pub(super) fn answers() -> Vec<Told> {
    let row = |name, answer: fn() -> ChatResponse, is_there: fn(&ChatResponse) -> bool| Told {
        name,
        answer,
        is_there,
    };
    vec![
        row(
            "text and calls of tools",
            || said(vec![Part::text("well"), call(), call()]),
            |answer| {
                let calls = answer.choices[0]
                    .parts
                    .iter()
                    .filter(|part| part.is_tool_call());
                calls.count() == 2
                    && reason(answer) == Some(FinishReason::ToolCalls)
                    && has(answer, |content| matches!(content, Content::Text(_)))
            },
        ),
        row(
            "thoughts",
            || {
                let thinking = Thinking {
                    text: "hm".into(),
                    ..Thinking::default()
                };
                let thought = Part::new(Content::Thinking(thinking));
                said(vec![thought, Part::text("well")])
            },
            |answer| {
                has(
                    answer,
                    |content| matches!(content, Content::Thinking(own) if own.text == "hm"),
                )
            },
        ),
        row(
            "refusals",
            || said(vec![Part::new(Content::Refusal("I will not".into()))]),
            |answer| has(answer, |content| matches!(content, Content::Refusal(_))),
        ),
        row(
            "citations",
            || {
                let citation = Citation {
                    url: Some("https://example.com".into()),
                    title: Some("a page".into()),
                    ..Citation::default()
                };
                let text = Text {
                    text: "well".into(),
                    citations: vec![citation],
                    ..Text::default()
                };
                said(vec![Part::new(Content::Text(text))])
            },
            |answer| {
                has(answer, |content| match content {
                    Content::Text(text) => {
                        let mut urls = text.citations.iter().map(|one| one.url.as_deref());
                        urls.any(|url| url == Some("https://example.com"))
                    }
                    _ => false,
                })
            },
        ),
        row(
            "images",
            || {
                let image = Media {
                    kind: MediaKind::Image,
                    source: Source::Base64 {
                        media_type: "image/png".into(),
                        data: "aGVsbG8=".into(),
                    },
                    name: None,
                    detail: None,
                };
                said(vec![Part::text("look"), Part::new(Content::Media(image))])
            },
            |answer| has(answer, |content| matches!(content, Content::Media(_))),
        ),
        row(
            "log-probabilities",
            || {
                let mut answer = said(vec![Part::text("well")]);
                answer.choices[0].logprobs = vec![TokenLogprob {
                    token: "well".into(),
                    logprob: (-1).into(),
                    bytes: None,
                    top: Vec::new(),
                    is_refusal: false,
                    extra: Extra::default(),
                }];
                answer
            },
            |answer| !answer.choices[0].logprobs.is_empty(),
        ),
        row(
            "several answers",
            || {
                let mut answer = said(vec![Part::text("well")]);
                let other = said(vec![Part::text("or")]).choices.remove(0);
                answer.choices.push(Choice { index: 1, ..other });
                answer
            },
            |answer| answer.choices.len() == 2,
        ),
        row(
            "cut off at max_tokens",
            || ended(FinishReason::Length),
            |answer| reason(answer) == Some(FinishReason::Length),
        ),
        row(
            "withheld by a filter",
            || ended(FinishReason::ContentFilter),
            |answer| {
                let reason = reason(answer);
                matches!(
                    reason,
                    Some(FinishReason::ContentFilter | FinishReason::Refusal)
                )
            },
        ),
        row(
            "tokens used",
            || said(vec![Part::text("well")]),
            |answer| (usage(answer).input, usage(answer).output) == (100, 50),
        ),
        row(
            "cached tokens read",
            || used(|usage| usage.cached_input = 30),
            |answer| (usage(answer).input, usage(answer).cached_input) == (100, 30),
        ),
        row(
            "cached tokens written",
            || used(|usage| usage.cache_write = 20),
            |answer| (usage(answer).input, usage(answer).cache_write) == (100, 20),
        ),
        row(
            "reasoning tokens",
            || used(|usage| usage.reasoning = 10),
            |answer| (usage(answer).output, usage(answer).reasoning) == (50, 10),
        ),
    ]
}

/// How a caller is answered.
fn to_caller() -> Call {
    Call {
        model: "m".into(),
        created: 1,
        include_usage: true,
        ..Call::default()
    }
}

/// The answer as `to` is given it by `from`'s provider; `None` where it cannot be read.
fn passed(
    answer: ChatResponse,
    from: &'static dyn Dialect,
    to: &'static dyn Dialect,
    (streamed_in, streamed_out): (bool, bool),
) -> Option<Vec<u8>> {
    let sent = match streamed_in {
        true => {
            let (mut writer, mut bytes) = (from.stream_writer(&to_caller()), Vec::new());
            for event in answer.into_events() {
                writer.write(event, &mut bytes);
            }
            bytes
        }
        false => from.write_response(answer, &to_caller()),
    };
    let ways = (streamed_in, streamed_out);
    let mut transcoder = Transcoder::new(from, to, &to_caller(), Emulation::default(), ways);
    let mut bytes = Vec::new();
    transcoder.push(Bytes::from(sent), &mut bytes).ok()?;
    transcoder.finish(&mut bytes).ok()?;
    Some(bytes)
}

/// The answer as a client of `dialect` understands it.
fn understood(
    dialect: &'static dyn Dialect,
    bytes: Vec<u8>,
    is_stream: bool,
) -> Option<ChatResponse> {
    let whole = match is_stream {
        // The gateway's own assembling, as a client would.
        true => {
            let ways = (true, false);
            let call = to_caller();
            let mut transcoder =
                Transcoder::new(dialect, dialect, &call, Emulation::default(), ways);
            let mut whole = Vec::new();
            transcoder.push(Bytes::from(bytes), &mut whole).ok()?;
            transcoder.finish(&mut whole).ok()?;
            whole
        }
        false => bytes,
    };
    dialect.read_response(&whole).ok()
}

impl Told {
    pub(super) fn cell(
        &self,
        front: &'static dyn Dialect,
        back: &'static dyn Dialect,
    ) -> Result<String, String> {
        let can = |dialect: &'static dyn Dialect| {
            let written = dialect.write_response((self.answer)(), &to_caller());
            understood(dialect, written, false).is_some_and(|answer| (self.is_there)(&answer))
        };
        if !can(front) || !can(back) {
            return Ok("n/a".to_owned());
        }
        if front.name() == back.name() {
            return Ok("same".to_owned());
        }
        for ways in [(false, false), (false, true), (true, false), (true, true)] {
            let bytes = passed((self.answer)(), back, front, ways);
            let shown = bytes
                .as_ref()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let answer = bytes.and_then(|bytes| understood(front, bytes, ways.1));
            if !answer.is_some_and(|answer| (self.is_there)(&answer)) {
                return Err(format!("lost, streamed in and out {ways:?}: {shown:?}"));
            }
        }
        Ok("yes".to_owned())
    }
}

pub(super) fn turns() -> Vec<Turn> {
    let row = |name, is_maker, made: fn(&str) -> Option<Part>| Turn {
        name,
        made,
        is_maker,
    };
    vec![
        row("thoughts kept across turns, same maker", true, thought),
        row("thoughts kept across turns, another maker", false, thought),
        row("redacted thoughts kept, same maker", true, redacted),
        row("redacted thoughts kept, another maker", false, redacted),
        row("signatures of calls kept, same maker", true, signed),
    ]
}

fn opaque(maker: &str, data: &str) -> Option<Opaque> {
    let dialect = by_name(maker)?.name();
    let data = data.to_owned();
    Some(Opaque { dialect, data })
}

/// Thoughts as this maker gives them; those of some are text alone.
fn thought(maker: &str) -> Option<Part> {
    let opaque = match maker {
        "openai_responses" => opaque(maker, "rs_1|s|c2ln"),
        "anthropic" | "gemini" | "bedrock" => opaque(maker, "c2ln"),
        _ => None,
    };
    Some(Part::new(Content::Thinking(Thinking {
        text: "hm".into(),
        is_summary: maker == "openai_responses",
        id: (maker == "openai_responses").then(|| "rs_1".into()),
        opaque,
        ..Thinking::default()
    })))
}

fn redacted(maker: &str) -> Option<Part> {
    if !matches!(maker, "anthropic" | "bedrock") {
        return None;
    }
    Some(Part::new(Content::Thinking(Thinking {
        opaque: opaque(maker, "c2ln"),
        is_redacted: true,
        ..Thinking::default()
    })))
}

fn signed(maker: &str) -> Option<Part> {
    let mut part = call();
    if let Content::ToolCall(call) = &mut part.content {
        call.signature = Some(opaque(maker, "c2ln").filter(|_| maker == "gemini")?);
    }
    Some(part)
}

/// What is left of a part in a request: all, its text alone, or nothing.
#[derive(PartialEq)]
enum Left {
    All,
    Text,
    Nothing,
}

fn left(request: &ChatRequest, part: &Part) -> Left {
    let found =
        parts(request)
            .into_iter()
            .filter_map(|other| match (&part.content, &other.content) {
                (Content::Thinking(made), Content::Thinking(other)) => {
                    let is_whole = match &made.opaque {
                        // What comes before the last bar is an item's id (Responses).
                        Some(mark) => other.opaque.as_ref().is_some_and(|own| {
                            own.dialect == mark.dialect
                                && own.data.rsplit('|').next() == Some("c2ln")
                        }),
                        None => made.text == other.text,
                    };
                    let has_text = !made.text.is_empty() && other.text.contains(&made.text);
                    Some(if is_whole {
                        Left::All
                    } else if has_text {
                        Left::Text
                    } else {
                        Left::Nothing
                    })
                }
                (Content::ToolCall(made), Content::ToolCall(other)) => {
                    let is_whole = made.signature.is_some() && made.signature == other.signature;
                    Some(if is_whole { Left::All } else { Left::Nothing })
                }
                _ => None,
            });
    let mut found: Vec<Left> = found.collect();
    match found.iter().position(|one| *one == Left::All) {
        Some(at) => found.swap_remove(at),
        None if found.contains(&Left::Text) => Left::Text,
        None => Left::Nothing,
    }
}

/// The next request of a client that got this answer.
fn next_request(front: &'static dyn Dialect, answer: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let quirks = Quirks::default();
    let target = Target {
        model: ASKED_FOR,
        quirks: &quirks,
        operation: Operation::Generate,
    };
    let request = with(|request| request.messages.push(user("go on")));
    let written = front.write_request(request, &target).unwrap();
    let mut body: Value = serde_json::from_slice(&written.body).unwrap();
    let (list, said) = match front.name() {
        "openai_chat" => ("messages", vec![answer["choices"][0]["message"].clone()]),
        "openai_responses" => ("input", answer["output"].as_array().unwrap().clone()),
        "gemini" => ("contents", vec![answer["candidates"][0]["content"].clone()]),
        "ollama" => ("messages", vec![answer["message"].clone()]),
        _ => (
            "messages",
            vec![json!({"role": "assistant", "content": answer["content"]})],
        ),
    };
    let list = body[list].as_array_mut().unwrap();
    let behind = list.len().min(1);
    list.splice(behind..behind, said);
    body
}

impl Turn {
    pub(super) fn cell(&self, front: &'static dyn Dialect, back: Back) -> Result<String, String> {
        let (dialect, entry, model) = back;
        let other = match dialect {
            "anthropic" => "bedrock",
            _ => "anthropic",
        };
        let maker = if self.is_maker { dialect } else { other };
        let Some(made) = (self.made)(maker) else {
            return Ok("n/a".to_owned());
        };
        let maker = by_name(maker).unwrap();
        let answer = said(vec![made.clone(), Part::text("well")]);
        let bytes = passed(answer, maker, front, (false, false)).unwrap();
        let body = next_request(front, &bytes).to_string();
        let asked = read(front, body.as_bytes(), ASKED_FOR, false).unwrap();
        if left(&asked.request, &made) == Left::Nothing {
            // The caller's dialect has no place for it, so that it does not come back.
            return Ok("n/a".to_owned());
        }
        let back = by_name(dialect).unwrap();
        let target = Target {
            model,
            quirks: &catalog()[entry].quirks,
            operation: Operation::Generate,
        };
        let is_same = front.name() == dialect;
        if is_same
            && !back
                .unfit(body.as_bytes(), &Places::default(), &target)
                .needs_writing
        {
            return Ok("same".to_owned());
        }
        let written = translate::request(asked.request.clone(), front, back, &target)
            .unwrap()
            .written;
        let again = read(back, &written.body, model, false).unwrap();
        let is_reported = written
            .dropped
            .names()
            .iter()
            .any(|name| name == "thinking");
        match left(&again.request, &made) {
            Left::All => Ok("yes".to_owned()),
            Left::Text => Ok("as text".to_owned()),
            Left::Nothing if is_reported => Ok("dropped".to_owned()),
            Left::Nothing => Err(format!("lost: {}", String::from_utf8_lossy(&written.body))),
        }
    }
}

#[test]
fn every_column_is_a_dialect() {
    assert!(BACKS.iter().all(|(dialect, entry, _)| {
        by_name(dialect).is_some() && catalog().contains_key(*entry)
    }));
}
