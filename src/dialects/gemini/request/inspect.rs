//! Reads from a request what routing needs. Model and stream are in the path.

use crate::{
    dialects::{
        Inspection, ModelPlace,
        scan::{Members, as_text, scan},
        splice::removals,
    },
    error::GatewayError,
};

/// The gateway's own fields, and the model: some clients repeat it in the body, where it would
/// contradict the path once the gateway has chosen another.
const CUT: [&str; 3] = ["model", "provider", "smart_routing"];

/// See [`crate::dialects::Dialect::inspect`].
pub(in crate::dialects::gemini) fn inspect(body: &[u8]) -> Result<Inspection, GatewayError> {
    let members = scan(body).map_err(|error| GatewayError::invalid(error.to_string(), None))?;
    let model = text(&members, "model")?.map(|model| match model.strip_prefix("models/") {
        Some(name) => name.to_owned(),
        None => model,
    });
    Ok(Inspection {
        places: (&members).into(),
        model: model.filter(|model| !model.is_empty()),
        model_at: ModelPlace::Elsewhere,
        stream: false,
        temperature: temperature(&members),
        provider: text(&members, "provider")?,
        cuts: removals(&members, |name| CUT.contains(&name)),
        ..Inspection::default()
    })
}

fn text(members: &Members<'_>, name: &'static str) -> Result<Option<String>, GatewayError> {
    match members.value(name) {
        None | Some(b"null") => Ok(None),
        Some(value) => match as_text(value) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(crate::chat::fields::wrong_type(name, "a string")),
        },
    }
}

fn temperature(members: &Members<'_>) -> Option<f64> {
    let config = members
        .value("generationConfig")
        .or_else(|| members.value("generation_config"))?;
    serde_json::from_slice(scan(config).ok()?.value("temperature")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::splice::splice;
    use bytes::Bytes;

    #[test]
    fn the_gateways_fields_and_the_model_are_cut() {
        let body = Bytes::from_static(
            br#"{"model":"models/g","contents":[],"provider":"x","generation_config":{"temperature":0.5}}"#,
        );
        let seen = inspect(&body).unwrap();
        assert_eq!(seen.model.as_deref(), Some("g"));
        assert_eq!(seen.provider.as_deref(), Some("x"));
        assert_eq!(seen.temperature, Some(0.5));
        let sent = splice(&body, &seen.cuts, Some((&seen.model_at, "other")));
        assert_eq!(
            sent,
            &br#"{"contents":[],"generation_config":{"temperature":0.5}}"#[..]
        );
        assert_eq!(
            inspect(br#"{"provider":1}"#).unwrap_err().param(),
            Some("provider")
        );
    }
}
