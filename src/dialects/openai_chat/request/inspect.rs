//! Reads from a request what routing needs.

use crate::{
    dialects::{
        Inspection, Labels, ModelPlace,
        scan::{Members, as_text, scan},
        splice::removals,
    },
    error::GatewayError,
};

/// The gateway's own fields; providers would refuse or misread them.
const GATEWAY_FIELDS: [&str; 2] = ["provider", "smart_routing"];

/// See [`crate::dialects::Dialect::inspect`].
pub(in crate::dialects) fn inspect(body: &[u8]) -> Result<Inspection, GatewayError> {
    let members = scan(body).map_err(|error| GatewayError::invalid(error.to_string(), None))?;
    let model = text(&members, "model")?.filter(|model| !model.is_empty());
    let model_at = match members.get("model") {
        Some(member) => ModelPlace::Value(member.value.clone()),
        None => ModelPlace::Missing {
            at: members.inside(),
            has_others: !members.all().is_empty(),
        },
    };
    // OpenRouter has a `provider` object of its own, which is none of the gateway's business.
    let provider_is_ours = members
        .value("provider")
        .is_none_or(|value| !value.starts_with(b"{"));
    let provider = if provider_is_ours {
        text(&members, "provider")?
    } else {
        None
    };
    Ok(Inspection {
        places: (&members).into(),
        model,
        model_at,
        stream: boolean(&members, "stream")?.unwrap_or(false),
        temperature: number(&members, "temperature")?,
        provider,
        labels: Labels {
            user: members.get("user").map(|member| member.value.clone()),
            metadata: members.get("metadata").map(|member| member.value.clone()),
        },
        cuts: removals(&members, |name| {
            GATEWAY_FIELDS.contains(&name) && (name != "provider" || provider_is_ours)
        }),
    })
}

/// The value of `name` unless it is absent or null.
fn present<'a>(members: &Members<'a>, name: &str) -> Option<&'a [u8]> {
    members.value(name).filter(|value| value != b"null")
}

fn text(members: &Members<'_>, name: &'static str) -> Result<Option<String>, GatewayError> {
    present(members, name)
        .map(|value| {
            as_text(value)
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| wrong_type(name, "a string"))
        })
        .transpose()
}

fn boolean(members: &Members<'_>, name: &'static str) -> Result<Option<bool>, GatewayError> {
    match present(members, name) {
        None => Ok(None),
        Some(b"true") => Ok(Some(true)),
        Some(b"false") => Ok(Some(false)),
        Some(_) => Err(wrong_type(name, "true or false")),
    }
}

fn number(members: &Members<'_>, name: &'static str) -> Result<Option<f64>, GatewayError> {
    present(members, name)
        .map(|value| serde_json::from_slice(value).map_err(|_| wrong_type(name, "a number")))
        .transpose()
}

fn wrong_type(name: &'static str, wanted: &str) -> GatewayError {
    GatewayError::invalid(format!("The field `{name}` must be {wanted}."), Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_routing_needs_is_read() {
        let body = br#"{"model":"gpt-4o","stream":true,"temperature":0.5,"messages":[],"provider":"local"}"#;
        let seen = inspect(body).unwrap();
        assert_eq!(seen.model.as_deref(), Some("gpt-4o"));
        assert_eq!(seen.model_at, ModelPlace::Value(9..17));
        assert!(seen.stream);
        assert_eq!(seen.temperature, Some(0.5));
        assert_eq!(seen.provider.as_deref(), Some("local"));
        assert_eq!(seen.cuts.len(), 1);
    }

    #[test]
    fn a_provider_object_is_the_providers_own() {
        let seen = inspect(br#"{"model":"m","provider":{"order":["x"]}}"#).unwrap();
        assert!(seen.provider.is_none() && seen.cuts.is_empty());
    }

    #[test]
    fn null_is_absent_and_wrong_types_name_their_field() {
        assert_eq!(
            inspect(br#"{"model":null,"stream":null}"#).unwrap().model,
            None
        );
        for (body, param) in [
            (&br#"{"model":1}"#[..], "model"),
            (br#"{"stream":"yes"}"#, "stream"),
            (br#"{"temperature":"hot"}"#, "temperature"),
        ] {
            assert_eq!(inspect(body).unwrap_err().param(), Some(param));
        }
    }
}
