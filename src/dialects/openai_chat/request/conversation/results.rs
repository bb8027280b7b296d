//! What tools said, in messages of their own directly behind the calls.

use serde_json::{Map, Value};

use super::Writer;
use crate::{
    chat::{
        extra::Extra,
        id,
        part::{Content, Part, Source, ToolResult},
        request::Message,
    },
    dialects::openai_chat::{
        marks::{fill, marked, members},
        parts,
        request::messages::FUNCTION,
    },
};

/// What a tool's message says where all that the tool gave is in the message behind it.
pub(super) const SEE_BELOW: &str = "The tool's output follows in the next message.";

impl Writer<'_> {
    pub(super) fn results(&mut self, mut message: Message, beside: Option<Value>) {
        let is_legacy = marked(&message.extra) == Some(FUNCTION);
        let mut media = Vec::new();
        for part in message.parts {
            let Content::ToolResult(result) = part.content else {
                media.push(part);
                continue;
            };
            let mut out = self.result(result, part.cache, is_legacy, &mut media);
            fill(&mut out, members(&mut message.extra));
            self.end(
                out,
                message.name.take(),
                beside.clone(),
                &mut Extra::default(),
            );
            if !self.rules.is_own {
                self.settle();
            }
        }
        self.pending.append(&mut media);
    }

    /// Moves the tool's message that was written last to where it must be: directly behind the calls
    /// and the results that are there.
    fn settle(&mut self) {
        let role = |message: &Value, wanted| message.get("role").is_some_and(|role| role == wanted);
        let Some((last, before)) = self.out.split_last() else {
            return;
        };
        let is_settled = before
            .last()
            .is_none_or(|one| role(one, "tool") || role(one, "assistant"));
        let Some(id) = last.get("tool_call_id").filter(|_| !is_settled) else {
            return;
        };
        let calls_it = |message: &Value| {
            let calls = message.get("tool_calls").and_then(Value::as_array);
            calls.is_some_and(|calls| calls.iter().any(|call| call.get("id") == Some(id)))
        };
        let Some(call) = before.iter().rposition(calls_it) else {
            return;
        };
        let results = before
            .iter()
            .skip(call + 1)
            .take_while(|one| role(one, "tool"));
        let place = call + 1 + results.count();
        if let Some(tail) = self.out.get_mut(place..) {
            tail.rotate_right(1);
        }
    }

    /// A tool's message. Such messages hold text alone; other things are added to `media`. There is
    /// no place to say that the tool failed: its text says so, or it is reported.
    fn result(
        &mut self,
        result: ToolResult,
        cache: Option<Value>,
        is_legacy: bool,
        media: &mut Vec<Part>,
    ) -> Map<String, Value> {
        let mut out = Map::with_capacity(4);
        let role = if is_legacy { FUNCTION } else { "tool" };
        out.insert("role".into(), role.into());
        if let Some(id) = result.call_id.filter(|_| !is_legacy) {
            let id = id::fit(&id, self.quirks.tool_ids);
            out.insert("tool_call_id".into(), id.into());
        }
        let mut said = result.content;
        let before = media.len();
        if !self.rules.is_own {
            let is_media = |part: &mut Part| match &part.content {
                Content::Media(media) => !matches!(media.source, Source::Text { .. }),
                _ => false,
            };
            media.extend(said.extract_if(.., is_media));
        }
        if said.is_empty() && media.len() > before {
            said.push(Part::text(SEE_BELOW));
        }
        if result.is_error && !said.iter().filter_map(Part::as_text).any(speaks_of_failure) {
            self.lost.push("tool_result.is_error");
        }
        match said.last_mut() {
            Some(last) => last.cache = last.cache.take().or(cache),
            None if cache.is_some() => self.lost.push("cache_control"),
            None => {}
        }
        let mut content = parts::content(said, &self.rules, &mut self.lost);
        if !self.rules.is_own {
            content = joined(content);
        }
        out.insert("content".into(), content);
        out
    }
}

/// Texts without anything else as one: many servers take nothing else from a tool.
fn joined(content: Value) -> Value {
    let is_plain = |part: &Value| part.as_object().is_some_and(|part| part.len() == 2);
    let text = |part: &Value| part.get("text")?.as_str().map(str::to_owned);
    let texts = match &content {
        Value::Array(list) if list.iter().all(is_plain) => {
            list.iter().map(text).collect::<Option<Vec<String>>>()
        }
        _ => None,
    };
    match texts {
        Some(texts) => texts.join("\n").into(),
        None => content,
    }
}

fn speaks_of_failure(text: &str) -> bool {
    let begin: String = text.chars().take(200).collect();
    let begin = begin.to_lowercase();
    ["error", "fail", "exception", "not found", "denied"]
        .iter()
        .any(|word| begin.contains(word))
}
