//! What requests to the admin interface hold: bounded, JSON, and of the type that the route takes.

mod patch;
mod strict;
mod time;

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::Query,
    http::{HeaderMap, StatusCode, Uri, header},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    operation::Part,
    refusal::{Refusal, Shape},
};
use crate::gateway::management::MAX_BODY_BYTES;
pub use patch::Patch;
pub use time::Time;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing: where a route of ours takes no query or no body.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Nothing that is known: where a route of LiteLLM's takes no query or no body.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Anything {}

/// Reads a body, which is JSON or empty. A browser sends JSON to another site only after asking it, which
/// is never allowed here.
///
/// # Errors
/// 408, 413, 415.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let read = tokio::time::timeout(PATIENCE, to_bytes(body, MAX_BODY_BYTES)).await;
    let late = Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "timeout",
        "The body has not arrived in time; send the request again.",
    );
    let bytes = read.map_err(|_| late)?.map_err(|_| {
        let message = format!("The body is longer than {MAX_BODY_BYTES} bytes, or was cut off.");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "Send JSON, with `Content-Type: application/json`.",
        ));
    }
    Ok(bytes.to_vec())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Makes of a body what a route takes. An empty one is an object without members.
///
/// # Errors
/// 400.
pub(super) fn body<T: Part>(bytes: &[u8], shape: Shape) -> Result<T, Refusal> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::invalid(None, format!("The body is no JSON: {error}.")))?;
    let Some(members) = value.as_object_mut() else {
        return Err(Refusal::invalid(None, "The body is no JSON object."));
    };
    if shape == Shape::LiteLlm {
        // What its forms leave open comes as an empty text.
        members.retain(|_, value| value.as_str() != Some(""));
    }
    if shape == Shape::Own
        && let Some(unknown) = strict::unknown::<T>(&value)
    {
        return Err(unknown);
    }
    T::deserialize(value).map_err(|error| {
        let why = without_value(&error.to_string());
        Refusal::invalid(None, format!("The body cannot be taken: {why}."))
    })
}

/// What is wrong, without the text that is: it may be a secret in the wrong place.
fn without_value(why: &str) -> String {
    let parts = why.split_once(" string \"");
    let parts = parts.and_then(|(before, rest)| Some((before, rest.rsplit_once("\", ")?.1)));
    parts.map_or_else(
        || why.to_owned(),
        |(before, after)| format!("{before} string, {after}"),
    )
}

/// Makes of a query what a route takes.
///
/// # Errors
/// 400.
pub(super) fn query<T: Part>(uri: &Uri, shape: Shape) -> Result<T, Refusal> {
    // LiteLLM's clients send `name=` for what they leave open.
    let text = uri.query().unwrap_or_default();
    let is_said = |pair: &&str| !matches!(pair.split_once('='), Some((_, "")));
    let cleaned = text.split('&').filter(is_said);
    let cleaned = cleaned.collect::<Vec<_>>().join("&");
    let cleaned = match shape {
        Shape::LiteLlm => cleaned.as_str(),
        Shape::Own => text,
    };
    let uri: Uri = format!("/?{cleaned}").parse().unwrap_or_default();
    match Query::<T>::try_from_uri(&uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            Err(Refusal::invalid(
                None,
                format!("The query cannot be taken: {why}."),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Usd;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only reading it is tried")]
    struct Some {
        count: u64,
        name: Option<String>,
        amount: Option<Usd>,
    }

    #[test]
    fn a_text_in_the_wrong_place_is_not_repeated() {
        for json in [
            r#"{"count": "sk-canary"}"#,
            r#"{"count": 1, "amount": "sk-canary"}"#,
            r#""sk-canary""#,
            r#"{"count": sk-canary}"#,
        ] {
            let refusal = body::<Some>(json.as_bytes(), Shape::Own).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(!refusal.message.contains("canary"), "{refusal:?}");
        }
    }

    #[test]
    fn what_litellms_clients_leave_open_is_dropped_and_nothing_else() {
        let read = |text: &str| {
            let uri: Uri = format!("/x?count=1&{text}").parse().unwrap();
            query::<Some>(&uri, Shape::LiteLlm).unwrap().name
        };
        assert_eq!(read("name="), None);
        for (text, name) in [
            ("name=Zm9vYg==", "Zm9vYg=="),
            ("name==", "="),
            ("name=a%3D", "a="),
        ] {
            assert_eq!(read(text).as_deref(), Option::Some(name), "{text}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_in_ours_and_let_pass_in_litellms() {
        let json = br#"{"count": 1, "new_in_litellm": {}}"#;
        assert!(body::<Some>(json, Shape::LiteLlm).is_ok());
        let refusal = body::<Some>(json, Shape::Own).unwrap_err();
        assert_eq!(refusal.param.as_deref(), Some("new_in_litellm"));
        let uri: Uri = "/x?page=1&count=&new=2".parse().unwrap();
        assert!(query::<Anything>(&uri, Shape::LiteLlm).is_ok());
        assert_eq!(query::<Nothing>(&uri, Shape::Own).unwrap_err().status, 400);
    }
}
