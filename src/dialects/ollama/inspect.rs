//! Reads from a request what routing needs. Two things differ from OpenAI's: an answer streams
//! unless the request says otherwise, and `temperature` stands inside `options`.

use crate::{
    dialects::{
        Inspection, ModelPlace,
        scan::{Members, as_text, scan},
        splice::removals,
    },
    error::GatewayError,
};

/// The gateway's own fields; Ollama would ignore them, but they are none of its business.
const GATEWAY_FIELDS: [&str; 2] = ["provider", "smart_routing"];

/// See [`crate::dialects::Dialect::inspect`].
pub(super) fn inspect(body: &[u8]) -> Result<Inspection, GatewayError> {
    let members = read(body)?;
    let model_at = match members.get("model") {
        Some(member) => ModelPlace::Value(member.value.clone()),
        None => ModelPlace::Missing {
            at: members.inside(),
            has_others: !members.all().is_empty(),
        },
    };
    Ok(Inspection {
        places: (&members).into(),
        model: text(&members, "model")?.filter(|model| !model.is_empty()),
        model_at,
        stream: stream(&members)?,
        temperature: temperature(&members)?,
        provider: text(&members, "provider")?,
        cuts: removals(&members, |name| GATEWAY_FIELDS.contains(&name)),
        ..Inspection::default()
    })
}

fn read(body: &[u8]) -> Result<Members<'_>, GatewayError> {
    scan(body).map_err(|error| GatewayError::invalid(error.to_string(), None))
}

/// The value of `name` unless it is absent or null.
fn present<'a>(members: &Members<'a>, name: &str) -> Option<&'a [u8]> {
    members.value(name).filter(|value| value != b"null")
}

fn text(members: &Members<'_>, name: &'static str) -> Result<Option<String>, GatewayError> {
    let Some(value) = present(members, name) else {
        return Ok(None);
    };
    match as_text(value) {
        Some(text) => Ok(Some(text.into_owned())),
        None => Err(wrong_type(name, "a string")),
    }
}

fn stream(members: &Members<'_>) -> Result<bool, GatewayError> {
    match present(members, "stream") {
        None | Some(b"true") => Ok(true),
        Some(b"false") => Ok(false),
        Some(_) => Err(wrong_type("stream", "true or false")),
    }
}

fn temperature(members: &Members<'_>) -> Result<Option<f64>, GatewayError> {
    let Some(options) = present(members, "options") else {
        return Ok(None);
    };
    if !options.starts_with(b"{") {
        return Err(wrong_type("options", "an object"));
    }
    let options = read(options)?;
    let Some(value) = present(&options, "temperature") else {
        return Ok(None);
    };
    match serde_json::from_slice(value) {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(wrong_type("temperature", "a number")),
    }
}

fn wrong_type(name: &'static str, wanted: &str) -> GatewayError {
    GatewayError::invalid(format!("The field `{name}` must be {wanted}."), Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_streams_unless_the_request_says_otherwise() {
        assert!(inspect(br#"{"model":"m"}"#).unwrap().stream);
        assert!(inspect(br#"{"stream":null}"#).unwrap().stream);
        assert!(!inspect(br#"{"stream":false}"#).unwrap().stream);
    }

    #[test]
    fn the_temperature_stands_inside_the_options() {
        let body = br#"{"model":"m","temperature":1,"options":{"temperature":0.5},"provider":"p"}"#;
        let seen = inspect(body).unwrap();
        assert_eq!(seen.temperature, Some(0.5));
        assert_eq!(seen.model_at, ModelPlace::Value(9..12));
        assert_eq!(seen.provider.as_deref(), Some("p"));
        assert_eq!(seen.cuts.len(), 1);
    }

    #[test]
    fn wrong_types_name_their_field() {
        for (body, param) in [
            (&br#"{"model":1}"#[..], "model"),
            (br#"{"stream":"yes"}"#, "stream"),
            (br#"{"options":[]}"#, "options"),
            (br#"{"options":{"temperature":"hot"}}"#, "temperature"),
        ] {
            assert_eq!(inspect(body).unwrap_err().param(), Some(param));
        }
    }
}
