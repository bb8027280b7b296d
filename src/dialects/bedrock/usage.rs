//! Tokens as Converse counts them. `inputTokens` leaves the cache out; `totalTokens` holds it.
//! Source: Bedrock's API reference, "TokenUsage"; recorded traffic (2 + 1322 written + 5 = 1329).

use std::sync::LazyLock;

use memchr::memmem::FinderRev;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::NAME;
use crate::chat::{extra::Extra, fields::Fields, usage::Usage};

static WORD: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\"usage\""));

/// Reads a `usage` object, and what only Bedrock knows of it. A member that is there with nothing in
/// it stays, so that it is written back.
pub(super) fn read(value: Value) -> (Usage, Extra) {
    let mut fields = Fields::lenient(value);
    let input = fields.lenient_count("inputTokens").unwrap_or_default();
    let output = fields.lenient_count("outputTokens").unwrap_or_default();
    let mut cached = |name| match fields.lenient_count(name) {
        Some(0) => {
            fields.put(name, Value::from(0));
            0
        }
        count => count.unwrap_or_default(),
    };
    let (read, written) = (
        cached("cacheReadInputTokens"),
        cached("cacheWriteInputTokens"),
    );
    let details = fields.peek("cacheDetails").map(Vec::<Detail>::deserialize);
    let details = details.and_then(Result::ok);
    let usage = Usage {
        input: input.saturating_add(read).saturating_add(written),
        output,
        cached_input: read,
        cache_write: written,
        cache_write_1h: details
            .map_or(0, |details| kept_an_hour(&details))
            .min(written),
        ..Usage::default()
    };
    if fields.peek("totalTokens").and_then(Value::as_u64) == Some(usage.total()) {
        fields.take("totalTokens");
    }
    (usage, fields.rest(NAME))
}

/// Writes a `usage` object.
pub(super) fn write(usage: Usage, mut extra: Extra) -> Value {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    let mut fields = Map::new();
    let mut count = |name: &str, tokens: u64| fields.insert(name.to_owned(), Value::from(tokens));
    count("inputTokens", usage.input.saturating_sub(cached));
    count("outputTokens", usage.output);
    if usage.cached_input > 0 {
        count("cacheReadInputTokens", usage.cached_input);
    }
    if usage.cache_write > 0 {
        count("cacheWriteInputTokens", usage.cache_write);
    }
    let mut rest = extra.take(NAME);
    let total = rest.shift_remove("totalTokens");
    fields.insert(
        "totalTokens".into(),
        total.unwrap_or_else(|| usage.total().into()),
    );
    super::add_rest(&mut fields, rest);
    Value::Object(fields)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    input_tokens: u64,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_details: Option<Vec<Detail>>,
}

/// How much of what was written to the cache is kept for how long.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    ttl: Option<String>,
    input_tokens: Option<u64>,
}

fn kept_an_hour(details: &[Detail]) -> u64 {
    let long = details
        .iter()
        .filter(|detail| detail.ttl.as_deref() == Some("1h"));
    long.filter_map(|detail| detail.input_tokens)
        .fold(0, u64::saturating_add)
}

/// See `Dialect::read_usage`. Bytes of a stream may be framed: the object is found from its name on,
/// whatever stands around it. Guardrails' traces have a `usage` of their own, and no tokens in it.
pub(super) fn find(bytes: &[u8]) -> Option<Usage> {
    let mut rest = bytes;
    while let Some(at) = WORD.rfind(rest) {
        if let Some(usage) = counts_at(bytes.get(at + 7..)?) {
            return Some(usage);
        }
        rest = rest.get(..at)?;
    }
    None
}

/// The counts in a member's value, `bytes` beginning behind its name.
fn counts_at(bytes: &[u8]) -> Option<Usage> {
    let value = bytes.trim_ascii_start().strip_prefix(b":")?;
    let mut reader = serde_json::Deserializer::from_slice(value);
    let counts = Counts::deserialize(&mut reader).ok()?;
    let read = counts.cache_read_input_tokens.unwrap_or_default();
    let written = counts.cache_write_input_tokens.unwrap_or_default();
    Some(Usage {
        input: counts
            .input_tokens
            .saturating_add(read)
            .saturating_add(written),
        output: counts.output_tokens.unwrap_or_default(),
        cached_input: read,
        cache_write: written,
        cache_write_1h: kept_an_hour(counts.cache_details.as_deref().unwrap_or_default())
            .min(written),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cached_tokens_are_counted_once_and_come_back() {
        let sent = json!({
            "cacheReadInputTokenCount": 1322, "cacheReadInputTokens": 1322, "cacheWriteInputTokens": 0,
            "inputTokens": 2, "outputTokens": 5, "serverToolUsage": {}, "totalTokens": 1329,
        });
        let (usage, extra) = read(sent.clone());
        assert_eq!((usage.input, usage.cached_input), (1324, 1322));
        assert_eq!(usage.total(), 1329);
        assert_eq!(write(usage, extra), sent);
    }

    #[test]
    fn usage_is_found_in_bodies_and_among_frames() {
        let body = br#"{"output":{"message":{"content":[{"text":"\"usage\": {}"}]}},"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"trace":{"guardrail":{"usage":{"wordPolicyUnits":1}}}}"#;
        assert_eq!(find(body).unwrap().total(), 7);
        let mut frames = Vec::new();
        let payload =
            br#"{"usage":{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":9},"p":"ab"}"#;
        super::super::frame::write_event("metadata", payload, &mut frames);
        super::super::frame::write_event("later", b"{}", &mut frames);
        assert_eq!(find(&frames).unwrap().input, 10);
        assert_eq!(find(b"{\"usage\":null}"), None);
        assert_eq!(find(b"\"usage\""), None);
    }
}
