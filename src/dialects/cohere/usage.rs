//! What an answer used. `tokens` are the real ones; `billed_units` leave out what Cohere adds to the
//! prompt. Cached tokens are part of the input, reasoning tokens part of the output.

use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};
use serde_json::{Map, Value};

use super::{NAME, add_missing};
use crate::{
    chat::{
        extra::Extra,
        fields::{Fields, unfold},
        sse::data_lines,
        usage::Usage,
    },
    dialects::scan::{scan, value_near_end},
};

static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

static LAST: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\"usage\""));

/// See [`crate::dialects::Dialect::read_usage`].
pub(super) fn read(bytes: &[u8], stream: bool) -> Option<Usage> {
    WORD.find(bytes)?;
    let found = if stream {
        data_lines(bytes)
            .filter(|data| WORD.find(data).is_some())
            .filter_map(of_event)
            .last()?
    } else {
        value_near_end(bytes, &LAST).or_else(|| scan(bytes).ok()?.value("usage"))?
    };
    let (usage, _) = take(Fields::lenient(serde_json::from_slice(found).ok()?));
    (usage != Usage::default()).then_some(usage)
}

fn of_event(data: &[u8]) -> Option<&[u8]> {
    scan(scan(data).ok()?.value("delta")?).ok()?.value("usage")
}

/// The counts of a `usage` object, and what it has besides.
pub(super) fn take(mut fields: Fields) -> (Usage, Extra) {
    let mut usage = Usage::default();
    let mut tokens = fields.lenient_object("tokens").unwrap_or_default();
    let input = tokens.lenient_count("input_tokens");
    let output = tokens.lenient_count("output_tokens");
    usage.cached_input = above_zero(&mut fields, "cached_tokens");
    usage.reasoning = above_zero(&mut tokens, "reasoning_tokens");
    fields.absorb("tokens", tokens);
    // What was billed is better than nothing.
    let billed = |name: &str| fields.peek("billed_units")?.get(name)?.as_f64();
    let billed =
        |name| Fields::lenient(serde_json::json!({ "n": billed(name) })).lenient_count("n");
    usage.input = input.or_else(|| billed("input_tokens")).unwrap_or_default();
    usage.output = output
        .or_else(|| billed("output_tokens"))
        .unwrap_or_default();
    let unbilled = |all: u64, name| billed(name).map_or(0, |billed| all.saturating_sub(billed));
    usage.unbilled_input = unbilled(usage.input, "input_tokens");
    usage.unbilled_output = unbilled(usage.output, "output_tokens");
    (usage, fields.rest(NAME))
}

/// Takes a count; a zero stays, so that it is written where it was.
fn above_zero(fields: &mut Fields, name: &str) -> u64 {
    match fields.peek(name).and_then(Value::as_f64) {
        Some(count) if count > 0.0 => fields.lenient_count(name).unwrap_or_default(),
        _ => 0,
    }
}

/// The `usage` object of an answer.
pub(super) fn write(usage: Usage, mut extra: Extra) -> Value {
    let mut extra = extra.take(NAME);
    let mut tokens = Map::new();
    tokens.insert("input_tokens".into(), usage.input.into());
    tokens.insert("output_tokens".into(), usage.output.into());
    if usage.reasoning > 0 {
        tokens.insert("reasoning_tokens".into(), usage.reasoning.into());
    }
    add_missing(&mut tokens, unfold(&mut extra, "tokens"));
    let mut fields = Map::new();
    if let Some(billed) = extra.shift_remove("billed_units") {
        fields.insert("billed_units".into(), billed);
    }
    fields.insert("tokens".into(), tokens.into());
    if usage.cached_input > 0 {
        fields.insert("cached_tokens".into(), usage.cached_input.into());
    }
    add_missing(&mut fields, extra);
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn real_tokens_count_and_not_the_billed_ones() {
        let usage = json!({
            "billed_units": {"input_tokens": 125, "output_tokens": 24},
            "tokens": {"input_tokens": 1600, "output_tokens": 56, "reasoning_tokens": 7, "new": 1},
            "cached_tokens": 992,
        });
        let (read, extra) = take(Fields::lenient(usage.clone()));
        assert_eq!((read.input, read.output), (1600, 56));
        assert_eq!((read.cached_input, read.reasoning), (992, 7));
        assert_eq!(write(read, extra), usage);
    }

    #[test]
    fn usage_is_read_from_answers_and_streams() {
        let event = b"event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":4}}}}\n\ndata: [DONE]\n\n";
        assert_eq!(read(event, true).unwrap().total(), 7);
        let body = br#"{"usage":{"billed_units":{"input_tokens":2.0,"output_tokens":1}},"id":"x"}"#;
        assert_eq!(read(body, false).unwrap().total(), 3);
        assert_eq!(
            read(b"data: {\"delta\":{\"text\":\"usage\"}}\n\n", true),
            None
        );
    }
}
