//! What an answer used, read and written. Cached and reasoning tokens are inside the counts here, as
//! they are in the form. Source: OpenAI's API reference, "The response object": `usage`.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{NAME, part::members};
use crate::{
    chat::{
        extra::Extra,
        fields::Fields,
        sse::data_lines,
        usage::{Tier, Usage},
    },
    dialects::{
        scan::{as_text, scan},
        stated,
    },
};

static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
    cost: Option<Value>,
    cost_in_usd_ticks: Option<Value>,
    cost_details: Option<Value>,
    is_byok: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
    cached_tokens_details: Option<CachedDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CachedDetails {
    audio_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Usage {
        let stated_cost_pico = stated::Stated {
            cost: counts.cost.as_ref(),
            ticks: counts.cost_in_usd_ticks.as_ref(),
            details: counts.cost_details.as_ref(),
            is_byok: counts.is_byok == Some(true),
        }
        .pico();
        let input = counts.input_tokens_details.unwrap_or_default();
        let output = counts.output_tokens_details.unwrap_or_default();
        Usage {
            input: counts.input_tokens.unwrap_or_default(),
            output: counts.output_tokens.unwrap_or_default(),
            cached_input: input.cached_tokens.unwrap_or_default(),
            cache_write: input.cache_write_tokens.unwrap_or_default(),
            reasoning: output.reasoning_tokens.unwrap_or_default(),
            audio_input: input.audio_tokens.unwrap_or_default(),
            cached_audio: input
                .cached_tokens_details
                .and_then(|details| details.audio_tokens)
                .unwrap_or_default(),
            audio_output: output.audio_tokens.unwrap_or_default(),
            image_input: input.image_tokens.unwrap_or_default(),
            image_output: output.image_tokens.unwrap_or_default(),
            stated_cost_pico,
            ..Usage::default()
        }
    }
}

/// See [`crate::dialects::Dialect::read_usage`]. Most events have no usage and are not looked at; of
/// several reports the last counts.
pub(super) fn read(bytes: &[u8], stream: bool) -> Option<Usage> {
    WORD.find(bytes)?;
    if !stream {
        return counts(bytes);
    }
    data_lines(bytes)
        .filter(|data| WORD.find(data).is_some())
        .filter_map(|data| counts(scan(data).ok()?.value("response")?))
        .last()
}

fn counts(response: &[u8]) -> Option<Usage> {
    let members = scan(response).ok()?;
    let usage = members.value("usage")?;
    let tier = members.value("service_tier").and_then(as_text);
    let counts = serde_json::from_slice::<Counts>(usage).ok()?;
    // Counts of 0 are counts: an answer that was cut off early says so.
    let is_said = counts.input_tokens.is_some() || counts.output_tokens.is_some();
    is_said.then(|| Usage {
        tier: tier.and_then(|tier| Tier::read(&tier)),
        ..counts.into()
    })
}

/// Reads the usage of an answer; what the form has no word for is kept.
pub(super) fn read_value(value: Value) -> (Usage, Extra) {
    let usage = Counts::deserialize(&value).unwrap_or_default().into();
    let mut fields = Fields::lenient(value);
    for name in ["input_tokens", "output_tokens"] {
        fields.lenient_count(name);
    }
    (usage, fields.rest(NAME))
}

/// Writes the usage; the details are always there, as SDKs expect.
pub(super) fn write(usage: &Usage, mut extra: Extra) -> Value {
    let mut rest = extra.take(NAME);
    let mut input = members(json!({"cached_tokens": usage.cached_input}));
    // Older servers of this API do not have it.
    if rest.is_empty() || usage.cache_write > 0 {
        input.insert("cache_write_tokens".into(), usage.cache_write.into());
    }
    let output = members(json!({"reasoning_tokens": usage.reasoning}));
    let total = rest.shift_remove("total_tokens");
    let mut fields = members(json!({
        "input_tokens": usage.input,
        "input_tokens_details": with_rest(input, rest.shift_remove("input_tokens_details")),
        "output_tokens": usage.output,
        "output_tokens_details": with_rest(output, rest.shift_remove("output_tokens_details")),
        "total_tokens": total.unwrap_or_else(|| usage.total().into()),
    }));
    for (name, value) in rest {
        fields.entry(name).or_insert(value);
    }
    Value::Object(fields)
}

fn with_rest(mut details: Map<String, Value>, rest: Option<Value>) -> Value {
    for (name, value) in rest.map(members).unwrap_or_default() {
        details.entry(name).or_insert(value);
    }
    Value::Object(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: &str = r#"{"input_tokens":92,"input_tokens_details":{"cached_tokens":5,"cache_write_tokens":0},"output_tokens":322,"output_tokens_details":{"reasoning_tokens":256},"total_tokens":414,"cost":0.1}"#;

    #[test]
    fn usage_is_found_in_answers_and_in_the_last_event() {
        let body = format!(r#"{{"output":[],"usage":{USAGE},"user":null}}"#);
        let usage = read(body.as_bytes(), false).unwrap();
        assert_eq!((usage.input, usage.cached_input), (92, 5));
        let stream = format!(
            "event: response.created\ndata: {{\"response\":{{\"usage\":null}}}}\n\nevent: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{body}}}\n\n"
        );
        let usage = read(stream.as_bytes(), true).unwrap();
        assert_eq!((usage.output, usage.reasoning), (322, 256));
        assert_eq!(read(b"data: {\"type\":\"x\"}\n\n", true), None);
        let none = br#"{"usage":{"input_tokens":0,"output_tokens":0}}"#;
        assert_eq!(read(none, false), Some(Usage::default()));
        assert_eq!(read(br#"{"usage":{}}"#, false), None);
    }

    #[test]
    fn what_a_provider_adds_to_its_usage_survives() {
        let value: Value = serde_json::from_str(USAGE).unwrap();
        let (usage, extra) = read_value(value.clone());
        assert_eq!(write(&usage, extra), value);
    }
}
