//! What a body says of its prompt, in whichever dialect: how long it is, whether it offers tools or shows
//! images, how it begins. Found without reading it whole.

use std::hash::{DefaultHasher, Hasher};

use memchr::memmem;
use serde_json::value::RawValue;

use crate::dialects::scan::{Members, Places, as_text, scan};

/// Bytes of a prompt for one token, about; base64 of media does not count.
const BYTES_PER_TOKEN: u64 = 4;
/// What a picture or a page costs, about.
const TOKENS_PER_MEDIA: u64 = 1000;

/// What a body says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// Whether it offers tools.
    pub has_tools: bool,
    /// Whether it shows images.
    pub has_images: bool,
    /// Its prompt's length in tokens, about.
    pub tokens: u64,
    /// The longest answer that it asks for, in tokens.
    pub max_output_tokens: Option<u64>,
    /// How many answers it asks for (`n`), where it says so.
    pub answers: Option<u64>,
    /// `metadata.tags`.
    pub tags: Vec<String>,
    /// `user`, or the user that its `metadata` names.
    pub user: Option<String>,
    /// What prompts of one conversation have in common: system, tools and the first turn.
    pub beginning: u64,
}

/// How much a request asks for, as far as its body says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Its prompt's length in tokens, about.
    pub tokens: u64,
    /// The longest answer that it asks for, in tokens.
    pub max_output_tokens: Option<u64>,
    /// How many answers it asks for (`n`), where it says so.
    pub answers: Option<u64>,
}

impl Reach {
    /// Looks into `body`, the places of whose members are known. A short one cannot hold much but text, and is
    /// not looked through.
    pub fn read(body: &[u8], places: &Places) -> Self {
        const SHORT: usize = 8192;
        let Some(members) = places.find(body) else {
            return Reach::default();
        };
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Reach {
            tokens: match body.len() <= SHORT {
                true => length.div_ceil(BYTES_PER_TOKEN),
                false => tokens(body),
            },
            max_output_tokens: max_output_tokens(&members),
            answers: answers(&members),
        }
    }
}

impl From<&Prompt> for Reach {
    fn from(prompt: &Prompt) -> Self {
        Reach {
            tokens: prompt.tokens,
            max_output_tokens: prompt.max_output_tokens,
            answers: prompt.answers,
        }
    }
}

impl Prompt {
    /// Looks into `body`; a body that is no JSON object says nothing.
    pub fn read(body: &[u8]) -> Self {
        let Ok(members) = scan(body) else {
            return Prompt::default();
        };
        let (tags, user) = metadata(&members);
        Prompt {
            has_tools: members.value("tools").is_some_and(is_filled)
                || members.value("functions").is_some_and(is_filled),
            has_images: has_images(&members),
            tokens: tokens(body),
            max_output_tokens: max_output_tokens(&members),
            answers: answers(&members),
            tags,
            user,
            beginning: beginning(&members),
        }
    }
}

fn is_filled(list: &[u8]) -> bool {
    list.iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take(3)
        .count()
        > 2
}

/// Whether a turn shows a picture, or the prompt itself does (Ollama). What tools are about does not count.
fn has_images(members: &Members<'_>) -> bool {
    let turns = ["messages", "contents", "input"];
    let mut turns = turns.iter().filter_map(|name| members.value(name));
    turns.any(shows_images) || members.value("images").is_some_and(is_filled)
}

/// The types that pictures have in the dialects. A text that speaks of them has them escaped.
fn shows_images(turns: &[u8]) -> bool {
    const KINDS: [&[u8]; 5] = [
        b"\"image_url\"",
        b"\"input_image\"",
        b"\"mimeType\":\"image/",
        b"\"mime_type\":\"image/",
        b"\"mimeType\": \"image/",
    ];
    let behind = |name: &'static [u8]| {
        let ends = memmem::find_iter(turns, name).map(move |at| at + name.len());
        ends.map(|end| turns.get(end..).unwrap_or_default().trim_ascii_start())
    };
    // A type, and no field of a tool's arguments.
    let mut types = behind(b"\"image\"");
    let mut lists = behind(b"\"images\"");
    KINDS.iter().any(|kind| memmem::find(turns, kind).is_some())
        || types.any(|rest| !rest.starts_with(b":"))
        || lists.any(|rest| value_of(rest).is_some_and(|list| list.starts_with(b"[\"")))
}

/// What stands behind a member's name: its value, and all that follows.
fn value_of(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    Some(rest.trim_ascii_start())
}

/// The length in tokens, about: a run of base64 is a medium and no text.
fn tokens(body: &[u8]) -> u64 {
    const LONG_RUN: usize = 1024;
    let (mut text, mut media, mut rest) = (0, 0, body);
    loop {
        // Many bytes at a time: prompts of a megabyte are looked through.
        let end = memchr::memchr(b'"', rest);
        let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
        match piece.len() >= LONG_RUN && is_base64(piece) {
            true => media += 1,
            false => text += piece.len(),
        }
        match end {
            Some(_) => rest = behind.get(1..).unwrap_or_default(),
            None => break,
        }
    }
    let text = u64::try_from(text).unwrap_or(u64::MAX);
    text / BYTES_PER_TOKEN + media * TOKENS_PER_MEDIA
}

fn is_base64(text: &[u8]) -> bool {
    let start = text.get(..1024).unwrap_or(text);
    let start = match memmem::find(start, b";base64,") {
        Some(at) => start.get(at + 8..).unwrap_or_default(),
        None => start,
    };
    start.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
    })
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn max_output_tokens(members: &Members<'_>) -> Option<u64> {
    let named = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
    let own = named.iter().find_map(|name| number(members.value(name)?));
    let nested = |outer: &str, inner: &str| number(scan(members.value(outer)?).ok()?.value(inner)?);
    own.or_else(|| nested("generationConfig", "maxOutputTokens"))
        .or_else(|| nested("generation_config", "max_output_tokens"))
        .or_else(|| nested("options", "num_predict"))
}

fn answers(members: &Members<'_>) -> Option<u64> {
    let own = ["n", "best_of"].iter();
    let own = own.filter_map(|name| number(members.value(name)?)).max();
    let nested = |outer, inner| number(scan(members.value(outer)?).ok()?.value(inner)?);
    own.or_else(|| nested("generationConfig", "candidateCount"))
        .or_else(|| nested("generation_config", "candidate_count"))
}

fn metadata(members: &Members<'_>) -> (Vec<String>, Option<String>) {
    let text = |value: &[u8]| as_text(value).map(|text| text.into_owned());
    let user = members.value("user").and_then(text);
    let Some(inner) = members.value("metadata").and_then(|value| scan(value).ok()) else {
        return (Vec::new(), user);
    };
    let tags = inner.value("tags");
    let tags = tags.and_then(|tags| serde_json::from_slice(tags).ok());
    let user = user.or_else(|| inner.value("user_id").and_then(text));
    (tags.unwrap_or_default(), user)
}

/// A digest of what stays as a conversation grows: everything before its first answer.
fn beginning(members: &Members<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in [
        "system",
        "instructions",
        "systemInstruction",
        "system_instruction",
        "tools",
    ] {
        note(members.value(name).unwrap_or_default(), &mut hasher);
    }
    for name in ["messages", "contents", "input", "prompt"] {
        let Some(value) = members.value(name) else {
            continue;
        };
        match serde_json::from_slice::<Vec<&RawValue>>(value) {
            Ok(turns) => {
                let first = turns.iter().take_while(|turn| !is_answer(turn.get()));
                first.for_each(|turn| note(turn.get().as_bytes(), &mut hasher));
            }
            Err(_) => note(value, &mut hasher),
        }
    }
    hasher.finish()
}

/// Takes note of a value, but for the marks of what is to be cached: these move as a conversation grows.
fn note(value: &[u8], hasher: &mut DefaultHasher) {
    const MARK: &[u8] = b"\"cache_control\"";
    let mut rest = value;
    while let Some(at) = memmem::find(rest, MARK) {
        let (before, behind) = rest.split_at(at);
        let behind = behind.get(MARK.len()..).unwrap_or_default();
        let Some(after) = after_mark(behind) else {
            hasher.write(before);
            hasher.write(MARK);
            rest = behind;
            continue;
        };
        // With the comma before it, or else the one behind it.
        let before = before.trim_ascii_end();
        let after = after.trim_ascii_start();
        match before.strip_suffix(b",") {
            Some(before) => {
                hasher.write(before);
                rest = after;
            }
            None => {
                hasher.write(before);
                rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
            }
        }
    }
    hasher.write(rest);
    hasher.write_u8(0xff);
}

/// What follows a mark's value; `None` where there is no such value.
fn after_mark(behind: &[u8]) -> Option<&[u8]> {
    let value = value_of(behind)?;
    if let Some(after) = value.strip_prefix(b"null") {
        return Some(after);
    }
    let end = memchr::memchr(b'}', value.strip_prefix(b"{")?)?;
    value.get(end + 2..)
}

fn is_answer(turn: &str) -> bool {
    let role = scan(turn.as_bytes()).ok();
    let role = role
        .as_ref()
        .and_then(|members| as_text(members.value("role")?));
    matches!(role.as_deref(), Some("assistant" | "model"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: serde_json::Value) -> Prompt {
        Prompt::read(body.to_string().as_bytes())
    }

    #[test]
    fn a_conversation_begins_alike_as_it_grows_and_others_do_not() {
        let turn = |said: &str| json!({"role": "user", "content": said});
        let first = read(json!({"messages": [turn("a")]})).beginning;
        let later =
            json!({"messages": [turn("a"), {"role": "assistant", "content": "b"}, turn("c")]});
        assert_eq!(read(later).beginning, first);
        assert_ne!(read(json!({"messages": [turn("x")]})).beginning, first);
        let other_system = json!({"system": "s", "messages": [turn("a")]});
        assert_ne!(read(other_system).beginning, first);
        let gemini = |more: bool| {
            let mut contents = vec![json!({"role": "user", "parts": [{"text": "a"}]})];
            contents.extend(more.then(|| json!({"role": "model", "parts": []})));
            read(json!({ "contents": contents })).beginning
        };
        assert_eq!(gemini(false), gemini(true));
    }

    #[test]
    fn marks_of_what_is_cached_move_and_change_nothing() {
        let part = |text: &str, marked: bool| {
            let mut part = json!({"type": "text", "text": text});
            if marked {
                part["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
            }
            part
        };
        let turn = |text: &str, marked| json!({"role": "user", "content": [part(text, marked)]});
        let system = |marked| json!([part("s", marked)]);
        let first = read(json!({"system": system(true), "messages": [turn("a", true)]}));
        let answer = json!({"role": "assistant", "content": "b"});
        let turns = json!([turn("a", false), answer, turn("c", true)]);
        let later = read(json!({"system": system(false), "messages": turns}));
        assert_eq!(first.beginning, later.beginning);
        // In front of the other members as well, and where nothing else is there.
        let read = |body: &str| Prompt::read(body.as_bytes()).beginning;
        let with = r#"{"messages": [{"cache_control": {"type": "x"} , "role": "user"}, {"cache_control":null}]}"#;
        assert_eq!(read(with), read(r#"{"messages": [{"role": "user"}, {}]}"#));
        let text = |said: &str| read(&json!({"messages": [{"content": said}]}).to_string());
        assert_ne!(
            text("\"cache_control\": {}"),
            text(""),
            "said, and not a mark"
        );
    }

    #[test]
    fn what_tools_are_about_is_no_picture() {
        let says = |body: serde_json::Value| read(body).has_images;
        let schema = json!({"type": "object", "properties": {"image": {"type": "string"}}});
        let tool =
            json!([{"type": "function", "function": {"name": "crop", "parameters": schema}}]);
        assert!(!says(json!({"messages": [], "tools": tool})));
        let call = json!({"type": "tool_use", "input": {"image": "a.png", "images": []}});
        assert!(!says(
            json!({"messages": [{"role": "assistant", "content": [call]}]})
        ));
        for body in [
            json!({"messages": [{"content": [{"type": "image", "source": {}}]}]}),
            json!({"messages": [{"content": "x", "images": ["iVBOR"]}]}),
            json!({"prompt": "x", "images": ["iVBOR"]}),
            json!({"input": [{"content": [{"type": "input_image"}]}]}),
            json!({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png"}}]}]}),
        ] {
            assert!(says(body.clone()), "{body}");
        }
    }

    #[test]
    fn tools_images_lengths_tags_and_users_are_found() {
        let prompt = read(json!({
            "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(4000))}},
                {"type": "text", "text": "x".repeat(400)}]}],
            "tools": [{"type": "function"}], "max_tokens": 7, "user": "u", "metadata": {"tags": ["a", "b"]}}));
        assert!(prompt.has_tools && prompt.has_images);
        assert_eq!(prompt.max_output_tokens, Some(7));
        assert_eq!(read(json!({"n": 3})).answers, Some(3));
        let gemini = json!({"generationConfig": {"candidateCount": 2}});
        assert_eq!((read(gemini).answers, prompt.answers), (Some(2), None));
        assert_eq!(prompt.tags, ["a", "b"]);
        assert_eq!(prompt.user.as_deref(), Some("u"));
        assert!((1100..1200).contains(&prompt.tokens), "{}", prompt.tokens);
        let plain = read(
            json!({"messages": [{"role": "user", "content": "an \"image_url\" is a type"}],
            "tools": [], "generationConfig": {"maxOutputTokens": 9}}),
        );
        assert!(!plain.has_tools && !plain.has_images);
        assert_eq!(plain.max_output_tokens, Some(9));
        assert_eq!(Prompt::read(b"no"), Prompt::default());
    }
}
