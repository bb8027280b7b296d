//! What Google says in a path: the model, what is wanted of it, and how it is streamed.
//! Source: Google AI's and Vertex AI's REST references (`models.generateContent`), AIP-127.

use std::fmt::Write;

use crate::chat::target::{Operation, Target};

/// The model and the method in a path such as `/v1beta/models/gemini-2.5-pro:generateContent`; the
/// model as it stands there, percent-encoded where the client wrote it so. A colon that belongs to a
/// name (`/v1/models/llama3:8b`) begins no method: those are written `likeThis`.
pub fn method(path: &str) -> Option<(&str, &str)> {
    // Most paths are not Google's, and this is asked of each.
    if !path.bytes().any(|byte| matches!(byte, b':' | b'%')) {
        return None;
    }
    // The kind of model stays part of its name, but for the usual one.
    let tail = match path.split_once("/models/") {
        Some((_, tail)) => tail.strip_prefix("models/").unwrap_or(tail),
        None => path.get(path.find("/tunedModels/")? + 1..)?,
    };
    let plain = tail.rsplit_once(':');
    let encoded = || tail.rsplit_once("%3A").or_else(|| tail.rsplit_once("%3a"));
    let (model, method) = plain.or_else(encoded)?;
    let is_method = method.bytes().all(|byte| byte.is_ascii_alphabetic())
        && method.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_method && !model.is_empty()).then_some((model, method))
}

/// Whether a query asks for server-sent events; a stream is one JSON array otherwise.
pub(super) fn wants_events(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name_and_value = pair.split_once('=');
        matches!(
            name_and_value,
            Some(("alt" | "$alt" | "%24alt", value)) if value.starts_with("sse")
        )
    })
}

/// See [`crate::dialects::Dialect::path`].
pub(super) fn write(target: &Target<'_>, stream: bool) -> String {
    let model = place(target.model);
    let method = match (target.operation, stream) {
        (Operation::CountTokens, _) => "countTokens",
        (Operation::Generate, true) => "streamGenerateContent?alt=sse",
        (Operation::Generate, false) => "generateContent",
    };
    format!("{model}:{method}")
}

/// Where a model is found below the base URL, which ends in a version, or in Vertex's
/// `publishers/google`.
fn place(model: &str) -> String {
    let model = model.trim_start_matches('/');
    let tail = model
        .split_once("publishers/google/")
        .map_or(model, |(_, tail)| tail);
    if let Some((_, other)) = tail.split_once("publishers/") {
        return format!("../{}", encoded(other));
    }
    if tail.starts_with("models/") || tail.starts_with("tunedModels/") {
        return format!("/{}", encoded(tail));
    }
    format!("/models/{}", encoded(tail))
}

/// `name` as part of a path; its slashes stay.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b':' => out.push(char::from(byte)),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `text` with its percent escapes resolved.
pub(super) fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%')
            .then(|| Some(digit(bytes.get(at + 1))? << 4 | digit(bytes.get(at + 2))?))
            .flatten();
        out.push(escape.unwrap_or(byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::target::Quirks;

    #[test]
    fn model_and_method_are_read_from_every_kind_of_path() {
        for (path, model, name) in [
            (
                "/v1beta/models/gemini-2.5-pro:generateContent",
                "gemini-2.5-pro",
                "generateContent",
            ),
            (
                "/v1/models/a%2Fb:streamGenerateContent",
                "a%2Fb",
                "streamGenerateContent",
            ),
            (
                "/v1beta/models/ollama/llama3:8b:countTokens",
                "ollama/llama3:8b",
                "countTokens",
            ),
            (
                "/v1beta/models/gemini%3AgenerateContent",
                "gemini",
                "generateContent",
            ),
            (
                "/v1beta/tunedModels/x:generateContent",
                "tunedModels/x",
                "generateContent",
            ),
            (
                "/v1beta1/projects/p/locations/l/publishers/google/models/g:countTokens",
                "g",
                "countTokens",
            ),
            ("/v1beta/models/models/g:countTokens", "g", "countTokens"),
        ] {
            assert_eq!(method(path), Some((model, name)), "{path}");
        }
        for path in [
            "/v1/models",
            "/v1/models/gpt-4o",
            "/v1/models/llama3:8b",
            "/v1/models/llama3:latest",
            "/v1beta/models/:generateContent",
        ] {
            assert_eq!(method(path), None, "{path}");
        }
        assert_eq!(decoded("a%2Fb%3a%zz"), "a/b:%zz");
    }

    #[test]
    fn the_path_names_each_model_once() {
        let quirks = Quirks::default();
        let path = |model: &str, operation, stream| {
            let target = Target {
                model,
                quirks: &quirks,
                operation,
            };
            write(&target, stream)
        };
        for model in [
            "g",
            "models/g",
            "publishers/google/models/g",
            "projects/p/locations/l/publishers/google/models/g",
        ] {
            let path = path(model, Operation::Generate, false);
            assert_eq!(path, "/models/g:generateContent");
        }
        assert_eq!(
            path("tunedModels/g", Operation::Generate, true),
            "/tunedModels/g:streamGenerateContent?alt=sse"
        );
        assert_eq!(
            path("publishers/meta/models/l", Operation::Generate, false),
            "../meta/models/l:generateContent"
        );
        assert_eq!(
            path("a b", Operation::CountTokens, true),
            "/models/a%20b:countTokens"
        );
    }

    #[test]
    fn only_alt_sse_asks_for_events() {
        assert!(wants_events("key=x&alt=sse"));
        assert!(!wants_events("%24alt=json%3Benum-encoding%3Dint"));
        assert!(!wants_events(""));
    }
}
