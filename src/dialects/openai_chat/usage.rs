//! `usage`: read from answers and from events that pass through, and written.
//! Source: OpenAI's API reference, "The chat completion object"; quirks from recorded traffic: null
//! counts in chunks before the last (Databricks), Groq's `x_groq.usage`, reasoning that is in the
//! total and not in `completion_tokens` (xAI, Google), cached tokens under five names.

mod plain;

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::{self, Finder, FinderRev};
use serde_json::{Map, Value};

use super::NAME;
use crate::{
    chat::{
        extra::Extra,
        sse::data_lines,
        usage::{Tier, Usage},
    },
    dialects::{
        Inspection,
        scan::{scan, value_near_end},
        stated,
    },
};

/// Most events of a stream have no usage; a search that was prepared once tells so quickly.
static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

static LAST: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("\"usage\""));

/// See [`super::super::Dialect::read_usage`]. Of several reports the last counts: providers that
/// report in every chunk count up.
pub(super) fn read(bytes: &[u8], stream: bool) -> Option<Usage> {
    if stream {
        WORD.find(bytes)?;
        data_lines(bytes)
            .filter(|data| WORD.find(data).is_some())
            .filter_map(answer)
            .last()
    } else {
        answer(bytes)
    }
}

fn answer(json: &[u8]) -> Option<Usage> {
    let own = match value_near_end(json, &LAST) {
        Some(usage) => Some(usage),
        None => scan(json).ok()?.value("usage"),
    };
    let usage = match own.filter(|usage| *usage != b"null") {
        Some(usage) => usage,
        None => scan(scan(json).ok()?.value("x_groq")?)
            .ok()?
            .value("usage")?,
    };
    let counted = match plain::read(usage) {
        Some(counted) => counted,
        None => count(&serde_json::from_slice(usage).ok()?)?,
    };
    let tier = tier(json);
    (counted != Usage::default()).then_some(Usage {
        tier: tier.or(counted.tier),
        ..counted
    })
}

static TIER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"service_tier\""));

/// A whole answer tells its tier behind its choices, which may be long.
const END: usize = 2048;

/// How the request was served: a member of the answer, beside its usage. Inside of a text its quotes
/// would be escaped.
fn tier(json: &[u8]) -> Option<Tier> {
    let end = json.get(json.len().saturating_sub(END)..)?;
    let behind = end.get(TIER.find(end)? + TIER.needle().len()..)?;
    let value = behind.trim_ascii_start().strip_prefix(b":")?;
    let word = value.trim_ascii_start().strip_prefix(b"\"")?;
    let word = word.get(..memchr::memchr(b'"', word)?)?;
    Tier::read(std::str::from_utf8(word).ok()?)
}

/// See [`super::super::Dialect::hides_usage`].
pub(super) fn is_hidden(request: &Inspection, body: &[u8]) -> bool {
    let known = request.places.members(body);
    let Some(members) = known.or_else(|| scan(body).ok()) else {
        return false;
    };
    let options = members
        .value("stream_options")
        .and_then(|options| scan(options).ok());
    let asked = options.and_then(|options| options.value("include_usage"));
    members.value("stream") == Some(b"true") && asked != Some(b"true")
}

const WISH: &[u8] = b"\"stream_options\":{\"include_usage\":true},";

static OPTIONS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stream_options\""));

/// A body up to its opening brace, and from its first member on. `None` where there is none, or where a
/// name has escapes and may be that of the options.
fn open(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'{', body)?;
    let (start, rest) = body.split_at(at + 1);
    let is_plain = memmem::find(rest, b"\\u").is_none();
    (is_plain && rest.trim_ascii_start().starts_with(b"\"")).then_some((start, rest))
}

/// See [`super::super::Dialect::with_usage`].
pub(super) fn asked_for(body: &Bytes) -> Bytes {
    // Nearly always, and a search is far cheaper than a pass.
    if OPTIONS.find(body).is_none()
        && let Some((start, rest)) = open(body)
    {
        return Bytes::from([start, WISH, rest].concat());
    }
    let Ok(members) = scan(body) else {
        return body.clone();
    };
    let Some(member) = members.get("stream_options") else {
        let (start, rest) = body.split_at(members.inside().min(body.len()));
        return Bytes::from([start, WISH, rest].concat());
    };
    let value = members.bytes(member);
    let mut options: Map<String, Value> = value
        .and_then(|value| serde_json::from_slice(value).ok())
        .unwrap_or_default();
    options.insert("include_usage".into(), true.into());
    let options = Value::Object(options).to_string();
    let (start, rest) = (
        body.get(..member.value.start).unwrap_or_default(),
        body.get(member.value.end..).unwrap_or_default(),
    );
    Bytes::from([start, options.as_bytes(), rest].concat())
}

/// The event with the usage has no choices, as those that only say what a filter thinks of the prompt.
static NO_CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"choices\":[]"));

/// See [`super::super::Dialect::without_usage`].
pub(super) fn hide(events: Bytes) -> Bytes {
    let Some(at) = NO_CHOICES.find(&events) else {
        return events;
    };
    let start = memmem::rfind(events.get(..at).unwrap_or_default(), b"data:").unwrap_or(0);
    let after = events.get(at..).unwrap_or_default();
    let ends = [&b"\n\n"[..], b"\r\n\r\n"].map(|blank| {
        let end = memmem::find(after, blank)?;
        Some(at + end + blank.len())
    });
    let end = ends.into_iter().flatten().min().unwrap_or(events.len());
    let event = events.get(start..end).unwrap_or_default();
    let rest = hide(events.slice(end..));
    if read(event, true).is_none() {
        return Bytes::from([events.get(..end).unwrap_or_default(), &rest].concat());
    }
    match (start, rest.len()) {
        (0, _) => rest,
        (_, 0) => events.slice(..start),
        _ => Bytes::from([events.get(..start).unwrap_or_default(), &rest].concat()),
    }
}

/// What a `usage` object says; nothing where it has no count.
pub(super) fn count(usage: &Map<String, Value>) -> Option<Usage> {
    if !usage.values().any(Value::is_number) {
        return None;
    }
    let of = |names: &[&str]| first(usage, names);
    let details = |names: &[&'static str]| {
        let mut all = names
            .iter()
            .filter_map(|name| usage.get(*name)?.as_object());
        all.next()
    };
    let prompt = details(&["prompt_tokens_details", "input_tokens_details"]);
    let completion = details(&["completion_tokens_details", "output_tokens_details"]);
    let within = |details: Option<&Map<String, Value>>, names: &[&str]| {
        details.map_or(0, |details| first(details, names))
    };
    let input = of(&["prompt_tokens", "input_tokens"]);
    let mut output = of(&["completion_tokens", "output_tokens"]);
    let mut reasoning = within(completion, &["reasoning_tokens"]).max(of(&["reasoning_tokens"]));
    // xAI's and Google's endpoints count reasoning in the total only.
    let beyond = of(&["total_tokens"]).saturating_sub(input.saturating_add(output));
    if beyond > 0 && output + input > 0 {
        output = output.saturating_add(beyond);
        if reasoning == 0 {
            reasoning = beyond;
        }
    }
    let cached = within(prompt, &["cached_tokens"]).max(of(&[
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "num_cached_tokens",
        "cached_tokens",
    ]));
    let written = within(prompt, &["cache_write_tokens", "cache_creation_tokens"])
        .max(of(&["cache_creation_input_tokens"]));
    let lifetimes = within(details(&["cache_creation"]), &["ephemeral_1h_input_tokens"]);
    let cached_details = prompt.and_then(|prompt| prompt.get("cached_tokens_details")?.as_object());
    Some(Usage {
        input,
        output,
        // Azure's Grok has been seen to report more cached tokens than tokens.
        cached_input: cached.min(input),
        cache_write: written.min(input),
        reasoning: reasoning.min(output),
        cache_write_1h: lifetimes.min(written).min(input),
        audio_input: within(prompt, &["audio_tokens"]),
        cached_audio: within(cached_details, &["audio_tokens"]),
        audio_output: within(completion, &["audio_tokens"]),
        image_input: within(prompt, &["image_tokens"]),
        image_output: within(completion, &["image_tokens"]),
        searches: within(
            details(&["server_tool_use", "server_tool_use_details"]),
            &["web_search_requests"],
        )
        .max(of(&["num_search_queries"])),
        tier: usage
            .get("service_tier")
            .and_then(Value::as_str)
            .and_then(Tier::read),
        stated_cost_pico: stated::cost(usage),
        ..Usage::default()
    })
}

/// The first of `names` that has a count above zero.
fn first(fields: &Map<String, Value>, names: &[&str]) -> u64 {
    let mut counts = names.iter().filter_map(|name| whole(fields.get(*name)?));
    counts.find(|count| *count > 0).unwrap_or_default()
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value
            .as_f64()
            .filter(|number| (0.0..1e15).contains(number))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        Some(number as u64)
    })
}

/// What `usage` says, and the object itself for this dialect's own callers.
pub(super) fn read_object(usage: Map<String, Value>) -> Option<(Usage, Extra)> {
    Some((count(&usage)?, Extra::new(NAME, usage)))
}

/// Writes `usage`: the provider's own object where it says the same, so that what only it counts is
/// there too.
pub(super) fn write(usage: Usage, mut extra: Extra) -> Value {
    let own = extra.take(NAME);
    if count(&own).map(Usage::counts) == Some(usage.counts()) {
        return Value::Object(own);
    }
    let mut fields = standard(usage);
    for (name, value) in own {
        fields.entry(name).or_insert(value);
    }
    Value::Object(fields)
}

fn standard(usage: Usage) -> Map<String, Value> {
    let object = |members: &[(&str, u64)]| {
        let members = members.iter();
        members
            .map(|(name, count)| ((*name).to_owned(), Value::from(*count)))
            .collect::<Map<_, _>>()
    };
    let mut fields = object(&[
        ("prompt_tokens", usage.input),
        ("completion_tokens", usage.output),
        ("total_tokens", usage.total()),
    ]);
    let mut prompt = object(&[
        ("cached_tokens", usage.cached_input),
        ("audio_tokens", usage.audio_input),
    ]);
    let mut completion = object(&[
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.audio_output),
    ]);
    let add = |details: &mut Map<String, Value>, name: &str, count: u64| {
        if count > 0 {
            details.insert(name.to_owned(), count.into());
        }
    };
    add(&mut prompt, "cache_write_tokens", usage.cache_write);
    add(&mut prompt, "image_tokens", usage.image_input);
    add(&mut completion, "image_tokens", usage.image_output);
    fields.insert("prompt_tokens_details".into(), prompt.into());
    fields.insert("completion_tokens_details".into(), completion.into());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_answers_and_streams() {
        let body = br#"{"id":"x","usage":{"prompt_tokens":9,"completion_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}"#;
        let usage = read(body, false).unwrap();
        assert_eq!((usage.input, usage.output, usage.cached_input), (9, 12, 4));
        let stream = b"data: {\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
        assert_eq!(read(stream, true).unwrap().output, 2);
        let groq =
            b"data: {\"x_groq\":{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":7}}}\n\n";
        assert_eq!(read(groq, true).unwrap().output, 7);
        assert_eq!(
            read(b"data: {\"usage\":{\"prompt_tokens\":null}}\n\n", true),
            None
        );
    }

    fn counted(usage: &str) -> Usage {
        count(&serde_json::from_str(usage).unwrap()).unwrap()
    }

    #[test]
    fn reasoning_outside_of_completion_tokens_is_part_of_the_output() {
        let xai = counted(
            r#"{"prompt_tokens":288,"completion_tokens":27,"total_tokens":665,"completion_tokens_details":{"reasoning_tokens":350}}"#,
        );
        assert_eq!((xai.output, xai.reasoning, xai.total()), (377, 350, 665));
        let google = counted(r#"{"prompt_tokens":35,"completion_tokens":12,"total_tokens":109}"#);
        assert_eq!((google.output, google.reasoning), (74, 62));
        let openai = counted(
            r#"{"prompt_tokens":1,"completion_tokens":27,"total_tokens":28,"completion_tokens_details":{"reasoning_tokens":20}}"#,
        );
        assert_eq!((openai.output, openai.reasoning), (27, 20));
    }

    #[test]
    fn cached_tokens_are_found_under_every_name() {
        for usage in [
            r#"{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}"#,
            r#"{"prompt_tokens":9,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5}"#,
            r#"{"prompt_tokens":9,"num_cached_tokens":4,"prompt_tokens_details":null}"#,
            r#"{"prompt_tokens":9,"cached_tokens":4}"#,
        ] {
            assert_eq!(counted(usage).cached_input, 4, "{usage}");
        }
        let written =
            counted(r#"{"prompt_tokens":9,"prompt_tokens_details":{"cache_write_tokens":7}}"#);
        assert_eq!(written.cache_write, 7);
    }

    #[test]
    fn a_providers_own_numbers_come_back_and_others_are_complete() {
        let own = r#"{"prompt_tokens":35,"completion_tokens":12,"total_tokens":109,"cost":1}"#;
        let (usage, extra) = read_object(serde_json::from_str(own).unwrap()).unwrap();
        assert_eq!(write(usage, extra).to_string(), own);
        let written = write(
            Usage {
                input: 3,
                output: 4,
                ..Usage::default()
            },
            Extra::default(),
        );
        assert_eq!(written["total_tokens"], 7);
        assert_eq!(written["completion_tokens_details"]["reasoning_tokens"], 0);
    }
    #[test]
    fn a_stream_is_asked_for_its_usage_and_the_caller_is_spared_it() {
        let asked = |body: &str| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let is_hidden = is_hidden(&Inspection::default(), &body);
            (
                is_hidden,
                String::from_utf8(asked_for(&body).to_vec()).unwrap(),
            )
        };
        let (is_hidden, body) = asked(r#"{"model":"m","stream":true}"#);
        assert!(is_hidden);
        assert_eq!(
            body,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#
        );
        let (is_hidden, body) =
            asked(r#"{"stream_options":{"include_usage":false,"x":1},"stream":true}"#);
        assert!(is_hidden);
        assert_eq!(
            body,
            r#"{"stream_options":{"include_usage":true,"x":1},"stream":true}"#
        );
        assert!(!asked(r#"{"stream":true,"stream_options":{"include_usage":true}}"#).0);
        assert!(!asked(r#"{"stream":false}"#).0);

        let hidden = |events: &str| {
            String::from_utf8(hide(Bytes::copy_from_slice(events.as_bytes())).to_vec()).unwrap()
        };
        let report =
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
        let filter = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
        let text = "data: {\"choices\":[{\"index\":0}],\"usage\":null}\n\n";
        let done = "data: [DONE]\n\n";
        assert_eq!(
            hidden(&[filter, text, report, done].concat()),
            [filter, text, done].concat()
        );
        assert_eq!(hidden(report), "");
        assert_eq!(hidden(&[text, report].concat()), text);
    }
}
