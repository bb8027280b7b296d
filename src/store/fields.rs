//! What fields of records take: what could break a terminal, a log or a header is refused when it comes
//! in, not wherever it goes out.

use super::StoreError;
use crate::identity::Terms;

/// Ids, names and labels are no longer than this.
const MAX_NAME_BYTES: usize = 256;
/// All that is said of a record in JSON is no longer than this.
const MAX_JSON_BYTES: usize = 64 << 10;
const MAX_LIST: usize = 1000;

/// Looks at a name: something is in it, and nothing that does not show.
pub(super) fn name(field: &'static str, value: &str) -> Result<(), StoreError> {
    if value.trim().is_empty() {
        return Err(StoreError::invalid(field, "is empty"));
    }
    text(field, value)
}

/// The same, where there may be none.
pub(super) fn optional_name(field: &'static str, value: Option<&String>) -> Result<(), StoreError> {
    value.map_or(Ok(()), |value| name(field, value))
}

fn text(field: &'static str, value: &str) -> Result<(), StoreError> {
    if value.len() > MAX_NAME_BYTES {
        let why = format!("is longer than {MAX_NAME_BYTES} bytes");
        return Err(StoreError::invalid(field, why));
    }
    if value.chars().any(char::is_control) {
        return Err(StoreError::invalid(field, "holds control characters"));
    }
    Ok(())
}

/// Looks at terms.
pub(super) fn terms(terms: &Terms) -> Result<(), StoreError> {
    for (field, values) in [
        ("models", &terms.models),
        ("allowed_routes", &terms.routes),
        ("tags", &terms.tags),
    ] {
        if values.len() > MAX_LIST {
            let why = format!("has more than {MAX_LIST} entries");
            return Err(StoreError::invalid(field, why));
        }
        values.iter().try_for_each(|value| name(field, value))?;
    }
    for (alias, model) in &terms.aliases {
        name("aliases", alias)?;
        name("aliases", model)?;
    }
    for headers in terms.headers.values() {
        for (header, value) in headers {
            let is_sound = http::HeaderName::try_from(header).is_ok()
                && http::HeaderValue::try_from(value).is_ok();
            if !is_sound {
                let why = format!("`{}` is no header", header.escape_debug());
                return Err(StoreError::invalid("headers", why));
            }
        }
    }
    json("metadata", terms).map(drop)
}

/// What goes into a column of JSON.
pub(super) fn json(
    field: &'static str,
    value: &impl serde::Serialize,
) -> Result<String, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::invalid(field, error.to_string()))?;
    match text.len() > MAX_JSON_BYTES {
        true => {
            let why = format!("is longer than {MAX_JSON_BYTES} bytes");
            Err(StoreError::invalid(field, why))
        }
        false => Ok(text),
    }
}
