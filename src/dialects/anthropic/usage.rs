//! Token counts. Anthropic's `input_tokens` excludes what was read from and written to the cache;
//! the gateway's includes it. Source: Anthropic's API reference, "Messages" (`usage`), "Streaming".

use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::NAME;
use crate::{
    chat::{
        extra::Extra,
        sse::data_lines,
        usage::{Tier, Usage},
    },
    dialects::{
        scan::{scan, value_near_end},
        stated,
    },
};

static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

static LAST: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\"usage\""));

/// What a provider has counted so far. Streams report twice; a count that the second report leaves
/// out or has as `null` stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
    cache_creation: Option<Creation>,
    server_tool_use: Option<ServerTools>,
    service_tier: Option<Value>,
    speed: Option<Value>,
    cost: Option<Value>,
    cost_details: Option<Value>,
    is_byok: Option<Value>,
    /// What else the report says.
    #[serde(skip)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Option<u64>,
}

/// How long what was written to the cache is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Option<u64>,
}

impl Tally {
    /// Takes a report.
    pub(super) fn take(&mut self, report: Value) {
        let Value::Object(report) = report else {
            return;
        };
        for (name, value) in report {
            let count = value.as_u64();
            match (name.as_str(), count) {
                (_, None) if value.is_null() => {}
                ("input_tokens", Some(_)) => self.input_tokens = count,
                ("output_tokens", Some(_)) => self.output_tokens = count,
                ("cache_creation_input_tokens", Some(_)) => {
                    self.cache_creation_input_tokens = count;
                }
                ("cache_read_input_tokens", Some(_)) => self.cache_read_input_tokens = count,
                _ => {
                    self.learn(&name, &value);
                    self.rest.insert(name, value);
                }
            }
        }
    }

    /// What is no count of tokens and stays where it is.
    fn learn(&mut self, name: &str, value: &Value) {
        match name {
            "output_tokens_details" => {
                self.output_tokens_details = Details::deserialize(value).ok()
            }
            "cache_creation" => self.cache_creation = Creation::deserialize(value).ok(),
            "server_tool_use" => self.server_tool_use = ServerTools::deserialize(value).ok(),
            "service_tier" => self.service_tier = Some(value.clone()),
            "speed" => self.speed = Some(value.clone()),
            "cost" => self.cost = Some(value.clone()),
            "cost_details" => self.cost_details = Some(value.clone()),
            "is_byok" => self.is_byok = Some(value.clone()),
            _ => {}
        }
    }

    /// Takes what a later report says.
    fn merge(&mut self, later: &Tally) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_creation_input_tokens = later
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = later
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.server_tool_use = later.server_tool_use.or(self.server_tool_use);
        for (own, later) in [
            (&mut self.service_tier, &later.service_tier),
            (&mut self.speed, &later.speed),
            (&mut self.cost, &later.cost),
            (&mut self.cost_details, &later.cost_details),
            (&mut self.is_byok, &later.is_byok),
        ] {
            if later.is_some() {
                own.clone_from(later);
            }
        }
    }

    /// The counts in the gateway's way.
    pub(super) fn usage(&self) -> Usage {
        let cached_input = self.cache_read_input_tokens.unwrap_or_default();
        let kept = self.cache_creation.unwrap_or_default();
        let (short, long) = (
            kept.ephemeral_5m_input_tokens.unwrap_or_default(),
            kept.ephemeral_1h_input_tokens.unwrap_or_default(),
        );
        let cache_write = self
            .cache_creation_input_tokens
            .unwrap_or_else(|| short.saturating_add(long));
        let uncached = self.input_tokens.unwrap_or_default();
        let details = self.output_tokens_details.unwrap_or_default();
        Usage {
            input: uncached
                .saturating_add(cached_input)
                .saturating_add(cache_write),
            output: self.output_tokens.unwrap_or_default(),
            cached_input,
            cache_write,
            cache_write_1h: long.min(cache_write),
            reasoning: details.thinking_tokens.unwrap_or_default(),
            searches: self
                .server_tool_use
                .and_then(|tools| tools.web_search_requests)
                .unwrap_or_default(),
            tier: self.tier(),
            stated_cost_pico: stated::Stated {
                cost: self.cost.as_ref(),
                ticks: None,
                details: self.cost_details.as_ref(),
                is_byok: self.is_byok == Some(Value::Bool(true)),
            }
            .pico(),
            ..Usage::default()
        }
    }

    fn tier(&self) -> Option<Tier> {
        let read = |word: &Option<Value>| Tier::read(word.as_ref()?.as_str()?);
        // Speed has a price of its own, whatever the tier.
        read(&self.speed)
            .filter(|tier| *tier == Tier::Fast)
            .or_else(|| read(&self.service_tier))
    }

    /// Everything that is not a count of the gateway's: cache lifetimes, server tools, the tier.
    pub(super) fn extra(&self) -> Extra {
        Extra::new(NAME, self.rest.clone())
    }
}

/// The `usage` object of an answer, with all four counts, as SDKs expect.
pub(super) fn write(usage: &Usage, mut extra: Extra) -> Map<String, Value> {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    let mut fields = Map::new();
    fields.insert(
        "input_tokens".into(),
        usage.input.saturating_sub(cached).into(),
    );
    fields.insert(
        "cache_creation_input_tokens".into(),
        usage.cache_write.into(),
    );
    fields.insert("cache_read_input_tokens".into(), usage.cached_input.into());
    fields.insert("output_tokens".into(), usage.output.into());
    super::put_rest(&mut fields, extra.take(NAME));
    if usage.reasoning > 0 && !fields.contains_key("output_tokens_details") {
        let details = json!({ "thinking_tokens": usage.reasoning });
        fields.insert("output_tokens_details".into(), details);
    }
    if usage.cache_write_1h > 0 && !fields.contains_key("cache_creation") {
        let short = usage.cache_write.saturating_sub(usage.cache_write_1h);
        let kept = json!({
            "ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": usage.cache_write_1h,
        });
        fields.insert("cache_creation".into(), kept);
    }
    fields
}

#[derive(Deserialize)]
struct Piece {
    usage: Option<Tally>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<Tally>,
}

/// See [`super::super::Dialect::read_usage`]. A piece of a stream that holds the end alone has what
/// the end says, which old API versions restrict to `output_tokens`; counts only ever grow, so the
/// larger of two reports of a count is the later one.
pub(super) fn read(bytes: &[u8], stream: bool) -> Option<Usage> {
    WORD.find(bytes)?;
    let mut tally = Tally::default();
    if stream {
        let reports = data_lines(bytes)
            .filter(|data| WORD.find(data).is_some())
            .filter_map(|data| serde_json::from_slice::<Piece>(data).ok())
            .filter_map(|piece| {
                let in_message = piece.message.and_then(|message| message.usage);
                piece.usage.or(in_message)
            });
        reports.for_each(|report| tally.merge(&report));
    } else {
        let usage = match value_near_end(bytes, &LAST) {
            Some(usage) => usage,
            None => scan(bytes).ok()?.value("usage")?,
        };
        tally = serde_json::from_slice(usage).ok()?;
    }
    // Counts of 0 are counts: a turn in the middle of a program's run has them.
    let is_said = tally.input_tokens.or(tally.output_tokens).is_some();
    is_said.then(|| tally.usage())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_counted_once() {
        let body = br#"{"type":"message","usage":{"input_tokens":3,"cache_creation_input_tokens":1276,"cache_read_input_tokens":20,"output_tokens":7,"output_tokens_details":{"thinking_tokens":5}}}"#;
        let usage = read(body, false).unwrap();
        assert_eq!((usage.input, usage.output, usage.reasoning), (1299, 7, 5));
        let written = Value::Object(write(&usage, Extra::default()));
        assert_eq!(written["input_tokens"], 3);
        assert_eq!(written["cache_creation_input_tokens"], 1276);
        assert_eq!(written["output_tokens_details"]["thinking_tokens"], 5);
    }

    #[test]
    fn a_streams_last_report_keeps_what_it_leaves_out() {
        let stream = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":424,\"cache_read_input_tokens\":6,\"output_tokens\":1}}}\n\n\
            event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"input_tokens\":null,\"output_tokens\":50}}\n\n";
        let usage = read(stream, true).unwrap();
        assert_eq!(
            (usage.input, usage.output, usage.cached_input),
            (430, 50, 6)
        );
        assert_eq!(read(b"data: {\"type\":\"ping\"}\n\n", true), None);
    }

    #[test]
    fn what_is_no_count_is_kept() {
        let mut tally = Tally::default();
        tally.take(json!({"input_tokens": 1, "service_tier": "standard", "inference_geo": null}));
        tally.take(json!({"output_tokens": 2, "input_tokens": null, "server_tool_use": {"web_search_requests": 1}}));
        assert_eq!((tally.usage().input, tally.usage().output), (1, 2));
        assert_eq!(
            Value::Object(write(&tally.usage(), tally.extra())),
            json!({
                "input_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2,
                "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
            })
        );
    }

    #[test]
    fn counts_of_nothing_are_counts() {
        let body = br#"{"type":"message","usage":{"input_tokens":0,"output_tokens":0}}"#;
        assert_eq!(read(body, false), Some(Usage::default()));
    }
}
