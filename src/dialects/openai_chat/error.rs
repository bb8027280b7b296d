//! Errors in OpenAI's shape, written and read.
//! Source: OpenAI's API reference, "Error codes"; `source` and `provider_status` are ours.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{dialects::ProviderMessage, error::GatewayError};

/// At most this much of a provider's text is repeated to a client.
const MAX_MESSAGE_CHARS: usize = 4000;

/// The error as the body of an answer.
pub(super) fn write(error: &GatewayError) -> Bytes {
    Bytes::from(object(error).to_string())
}

/// The error as the last event of a stream. SDKs raise on a chunk with an `error` field.
pub(super) fn write_event(error: &GatewayError) -> Bytes {
    Bytes::from(format!("data: {}\n\n", object(error)))
}

fn object(error: &GatewayError) -> Value {
    let mut fields = Map::new();
    fields.insert("message".into(), error.to_string().into());
    let kind = match error {
        // LiteLLM's word, which its clients look for.
        GatewayError::Limited(full) if full.is_budget => "budget_exceeded",
        _ => kind(error.status()),
    };
    fields.insert("type".into(), kind.into());
    fields.insert("param".into(), error.param().into());
    fields.insert("code".into(), error.code().into());
    if let GatewayError::Provider(failure) = error {
        if let Some(said) = &failure.error {
            // The provider's own words win: SDKs and users know them.
            fields.extend(
                said.iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        if let Some(status) = failure.status {
            fields.insert("provider_status".into(), status.as_u16().into());
        }
    }
    fields.insert("source".into(), error.source_name().into());
    json!({ "error": fields })
}

fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Members that hold a provider's word for the kind of error, in its error object or beside it.
const WORDS: [&str; 7] = [
    "type",
    "code",
    "status",
    "error_type",
    "error_code",
    "object",
    "__type",
];

/// What a provider says, in whichever of the shapes that "compatible" servers use: OpenAI's, an
/// `error` string, `message`, FastAPI's `detail`, Gemini's array of one, or plain text.
pub fn read_provider_message(status: StatusCode, body: &[u8]) -> ProviderMessage {
    let value: Value = match serde_json::from_slice(body) {
        Ok(Value::Array(mut list)) if !list.is_empty() => list.swap_remove(0),
        Ok(value) => value,
        Err(_) => return plain(status, &String::from_utf8_lossy(body)),
    };
    let fields = match value {
        Value::Object(fields) => fields,
        Value::String(text) => return plain(status, &text),
        other => return plain(status, &other.to_string()),
    };
    let error = match fields.get("error") {
        Some(Value::Object(error)) => Some(error.clone()),
        _ => None,
    };
    let text = error
        .as_ref()
        .and_then(|error| error.get("message"))
        .or_else(|| fields.get("error").filter(|error| error.is_string()))
        .or_else(|| fields.get("message"))
        .or_else(|| fields.get("detail"))
        .or_else(|| fields.get("msg"));
    let message = match text {
        Some(said) => words_of(said),
        None => Value::Object(fields.clone()).to_string(),
    };
    ProviderMessage {
        message: shortened(&message),
        words: words(error.as_ref(), &fields),
        error,
    }
}

/// The message that a value is: a text, or FastAPI's list of what is wrong (Mistral's 422), which may
/// be an object's `detail`.
fn words_of(said: &Value) -> String {
    let wrong = said.get("detail").unwrap_or(said);
    let each = |entry: &Value| {
        let what = entry.get("msg")?.as_str()?;
        let place = entry.get("loc").and_then(Value::as_array);
        let names: Vec<&str> = place
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        Some(match names.is_empty() {
            true => what.to_owned(),
            false => format!("{what} ({})", names.join(".")),
        })
    };
    let list = wrong.as_array().map(Vec::as_slice).unwrap_or_default();
    let parts: Vec<String> = list.iter().filter_map(each).collect();
    match said {
        Value::String(text) => text.clone(),
        _ if !parts.is_empty() && parts.len() == list.len() => parts.join("; "),
        other => other.to_string(),
    }
}

/// The words for the kind of error: the error object's first, then Azure's inner one's, then those
/// beside it. Numbers are words too: OpenRouter's `code` is the status of whom it asked.
fn words(error: Option<&Map<String, Value>>, fields: &Map<String, Value>) -> Vec<String> {
    let inner = error.and_then(|error| error.get("innererror")?.as_object());
    let mut words: Vec<String> = Vec::new();
    for object in [error, inner, Some(fields)].into_iter().flatten() {
        for word in WORDS.iter().filter_map(|name| as_word(object.get(*name)?)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

fn as_word(value: &Value) -> Option<String> {
    match value {
        // Some say that the error is one.
        Value::String(text) if text == "error" || text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn plain(status: StatusCode, text: &str) -> ProviderMessage {
    let text = text.trim();
    let message = if text.is_empty() {
        format!("The provider answered {status} without a word.")
    } else {
        shortened(text)
    };
    ProviderMessage {
        message,
        error: None,
        words: Vec::new(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_shape_yields_its_message() {
        for (body, message) in [
            (r#"{"error":{"message":"no","code":"x"}}"#, "no"),
            (r#"{"error":"no"}"#, "no"),
            (r#"{"object":"error","message":"no"}"#, "no"),
            (r#"{"detail":"no"}"#, "no"),
            (r#"[{"error":{"message":"no"}}]"#, "no"),
            ("no", "no"),
            ("\"no\"", "no"),
            (r#"{"detail":[{"msg":"no"}]}"#, "no"),
            (
                r#"{"message":{"detail":[{"loc":["body","n"],"msg":"no"},{"msg":"x"}]}}"#,
                "no (body.n); x",
            ),
            (r#"{"detail":[1]}"#, "[1]"),
        ] {
            let read = read_provider_message(StatusCode::BAD_REQUEST, body.as_bytes());
            assert_eq!(read.message, message, "{body}");
        }
        let empty = read_provider_message(StatusCode::BAD_GATEWAY, b"");
        assert!(empty.message.contains("502"));
    }

    #[test]
    fn every_known_shape_yields_its_words() {
        for (body, words) in [
            (
                r#"{"error":{"message":"no","type":"t","code":"c"}}"#,
                &["t", "c"][..],
            ),
            (r#"{"error":{"message":"no","code":429}}"#, &["429"]),
            (
                r#"{"error":{"code":400,"status":"INVALID_ARGUMENT"}}"#,
                &["400", "INVALID_ARGUMENT"],
            ),
            (
                r#"{"object":"error","message":"no","type":"t","code":"3051"}"#,
                &["t", "3051"],
            ),
            (
                r#"{"error":"no","error_type":"overloaded"}"#,
                &["overloaded"],
            ),
            (
                r#"{"error":{"code":"content_filter","innererror":{"code":"Policy"}}}"#,
                &["content_filter", "Policy"],
            ),
            (r#"{"detail":"no"}"#, &[]),
        ] {
            let read = read_provider_message(StatusCode::BAD_REQUEST, body.as_bytes());
            assert_eq!(read.words, words, "{body}");
        }
    }

    #[test]
    fn a_gateway_error_has_openais_fields_and_a_source() {
        let body = write(&GatewayError::NoModel);
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["error"]["type"], "invalid_request_error");
        assert_eq!(value["error"]["param"], "model");
        assert_eq!(value["error"]["source"], "gateway");
    }
}
