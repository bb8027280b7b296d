//! What a body says of its prompt, in whichever dialect: how long it is, whether it offers tools or shows
//! images, how it begins. Found without reading it whole.

use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memmem;
use serde_json::value::RawValue;

use crate::dialects::scan::{Members, as_text, scan};

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
    /// `metadata.tags`.
    pub tags: Vec<String>,
    /// `user`, or the user that its `metadata` names.
    pub user: Option<String>,
    /// What prompts of one conversation have in common: system, tools and the first turn.
    pub beginning: u64,
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
            has_images: has_images(body),
            tokens: tokens(body),
            max_output_tokens: max_output_tokens(&members),
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

/// The types that pictures have in the dialects. A text that speaks of them has them escaped.
fn has_images(body: &[u8]) -> bool {
    const KINDS: [&[u8]; 7] = [
        b"\"image_url\"",
        b"\"input_image\"",
        b"\"image\"",
        b"\"images\"",
        b"\"mimeType\":\"image/",
        b"\"mime_type\":\"image/",
        b"\"mimeType\": \"image/",
    ];
    KINDS.iter().any(|kind| memmem::find(body, kind).is_some())
}

/// The length in tokens, about: a run of base64 is a medium and no text.
fn tokens(body: &[u8]) -> u64 {
    const LONG_RUN: usize = 1024;
    let (mut text, mut media) = (0, 0);
    for piece in body.split(|byte| *byte == b'"') {
        match piece.len() >= LONG_RUN && is_base64(piece) {
            true => media += 1,
            false => text += piece.len(),
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
        members.value(name).hash(&mut hasher);
    }
    for name in ["messages", "contents", "input", "prompt"] {
        let Some(value) = members.value(name) else {
            continue;
        };
        match serde_json::from_slice::<Vec<&RawValue>>(value) {
            Ok(turns) => {
                let first = turns.iter().take_while(|turn| !is_answer(turn.get()));
                first.for_each(|turn| turn.get().hash(&mut hasher));
            }
            Err(_) => value.hash(&mut hasher),
        }
    }
    hasher.finish()
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
    fn tools_images_lengths_tags_and_users_are_found() {
        let prompt = read(json!({
            "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(4000))}},
                {"type": "text", "text": "x".repeat(400)}]}],
            "tools": [{"type": "function"}], "max_tokens": 7, "user": "u", "metadata": {"tags": ["a", "b"]}}));
        assert!(prompt.has_tools && prompt.has_images);
        assert_eq!(prompt.max_output_tokens, Some(7));
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
