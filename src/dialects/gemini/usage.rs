//! What an answer used. Google counts thoughts beside the answer's tokens, the prompts of tools beside
//! the prompt, and cached tokens inside of it. Source: Google AI's API reference, "UsageMetadata".

use std::sync::LazyLock;

use memchr::memmem::FinderRev;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chat::usage::{Tier, Usage};

const NAME: &str = "\"usageMetadata\"";
static LAST: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(NAME));

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    prompt_tokens_details: Option<Vec<Detail>>,
    candidates_tokens_details: Option<Vec<Detail>>,
    cache_tokens_details: Option<Vec<Detail>>,
    service_tier: Option<Value>,
    traffic_type: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    modality: Option<Value>,
    token_count: Option<u64>,
}

/// Reads a `usageMetadata`; `None` where it counts nothing (Vertex's between the first and the last
/// event of a stream).
pub(super) fn read(metadata: &Value) -> Option<Usage> {
    counted(&Counts::deserialize(metadata).ok()?)
}

/// See [`crate::dialects::Dialect::read_usage`]. Counts go up, so that the last ones count, of events as
/// of the elements of an array.
pub(super) fn find(bytes: &[u8]) -> Option<Usage> {
    let mut end = bytes.len();
    loop {
        let at = LAST.rfind(bytes.get(..end)?)?;
        if let Some(usage) = bytes.get(at + NAME.len()..).and_then(value_behind) {
            return Some(usage);
        }
        end = at;
    }
}

/// The counts in the value behind a member's name.
fn value_behind(rest: &[u8]) -> Option<Usage> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(value).into_iter::<Counts>();
    counted(&values.next()?.ok()?)
}

fn counted(counts: &Counts) -> Option<Usage> {
    let or_none = Option::unwrap_or_default;
    let thoughts = or_none(counts.thoughts_token_count);
    let usage = Usage {
        input: or_none(counts.prompt_token_count)
            .saturating_add(or_none(counts.tool_use_prompt_token_count)),
        output: or_none(counts.candidates_token_count).saturating_add(thoughts),
        cached_input: or_none(counts.cached_content_token_count),
        reasoning: thoughts,
        audio_input: of_kind(AUDIO, counts.prompt_tokens_details.as_deref()),
        cached_audio: of_kind(AUDIO, counts.cache_tokens_details.as_deref()),
        audio_output: of_kind(AUDIO, counts.candidates_tokens_details.as_deref()),
        image_input: of_kind(IMAGE, counts.prompt_tokens_details.as_deref()),
        image_output: of_kind(IMAGE, counts.candidates_tokens_details.as_deref()),
        ..Usage::default()
    };
    let told = [&counts.service_tier, &counts.traffic_type];
    let mut tiers = told
        .into_iter()
        .filter_map(|word| Tier::read(word.as_ref()?.as_str()?));
    (usage != Usage::default()).then(|| Usage {
        tier: tiers.next(),
        ..usage
    })
}

/// A kind of content, by the name and the number that Google has for it.
type Kind = (&'static str, u64);
const IMAGE: Kind = ("IMAGE", 2);
const AUDIO: Kind = ("AUDIO", 4);

fn of_kind((name, number): Kind, details: Option<&[Detail]>) -> u64 {
    let is_wanted = |detail: &&Detail| match &detail.modality {
        Some(Value::String(word)) => word == name,
        Some(Value::Number(it)) => it.as_u64() == Some(number),
        _ => false,
    };
    let details = details.unwrap_or_default().iter();
    details
        .filter(is_wanted)
        .filter_map(|detail| detail.token_count)
        .fold(0, u64::saturating_add)
}

/// A `usageMetadata` for a caller.
pub(super) fn write(usage: &Usage) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |name: &str, count: u64| out.insert(name.to_owned(), count.into());
    set("promptTokenCount", usage.input);
    set(
        "candidatesTokenCount",
        usage.output.saturating_sub(usage.reasoning),
    );
    set("totalTokenCount", usage.total());
    if usage.cached_input > 0 {
        set("cachedContentTokenCount", usage.cached_input);
    }
    if usage.reasoning > 0 {
        set("thoughtsTokenCount", usage.reasoning);
    }
    for (name, audio, images, all) in [
        (
            "promptTokensDetails",
            usage.audio_input,
            usage.image_input,
            usage.input,
        ),
        (
            "candidatesTokensDetails",
            usage.audio_output,
            usage.image_output,
            usage.output.saturating_sub(usage.reasoning),
        ),
    ] {
        let text = all.saturating_sub(audio).saturating_sub(images);
        let kinds = [("TEXT", text), ("IMAGE", images), ("AUDIO", audio)];
        if audio > 0 || images > 0 {
            let details = kinds.into_iter().filter(|(_, count)| *count > 0);
            let details =
                details.map(|(kind, count)| json!({"modality": kind, "tokenCount": count}));
            out.insert(name.to_owned(), details.collect());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_part_of_the_output_and_the_cache_part_of_the_input() {
        let metadata = json!({"promptTokenCount": 299, "candidatesTokenCount": 32,
            "totalTokenCount": 826, "thoughtsTokenCount": 495, "cachedContentTokenCount": 9});
        let usage = read(&metadata).unwrap();
        assert_eq!(
            (usage.total(), usage.reasoning, usage.cached_input),
            (826, 495, 9)
        );
        assert_eq!(Value::Object(write(&usage)), metadata);
        assert_eq!(read(&json!({"trafficType": "ON_DEMAND"})), None);
    }

    #[test]
    fn the_last_counts_of_a_stream_count() {
        let events = b"data: {\"usageMetadata\": {\"promptTokenCount\": 1},\"x\":1}\r\n\r\n\
            data: {\"usageMetadata\": {\"promptTokenCount\": 1,\"candidatesTokenCount\":7}}\r\n\r\n\
            data: {\"usageMetadata\" : {\"trafficType\": \"ON_DEMAND\"},\"text\":\"\\\"usageMetadata\\\"\"}\r\n\r\n";
        assert_eq!(find(events).unwrap().output, 7);
        assert_eq!(find(b"data: {\"candidates\": []}\r\n\r\n"), None);
        assert_eq!(find(b"{\"usageMetadata\"").map(|usage| usage.output), None);
    }
}
