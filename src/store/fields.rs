//! What fields of records take: what could break a terminal, a log or a header is refused when it comes
//! in, not wherever it goes out.

use super::StoreError;
use crate::identity::Terms;

/// Ids, names and labels are no longer than this.
const MAX_NAME_BYTES: usize = 256;
/// All that is said of a record in JSON is no longer than this.
const MAX_JSON_BYTES: usize = 64 << 10;
const MAX_LIST: usize = 1000;
/// What is said in JSON nests no deeper than this: far less than what whoever reads it takes.
const MAX_DEPTH: usize = 32;

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
    if text.len() > MAX_JSON_BYTES {
        let why = format!("is longer than {MAX_JSON_BYTES} bytes");
        return Err(StoreError::invalid(field, why));
    }
    if depth(&text) > MAX_DEPTH {
        let why = format!("nests deeper than {MAX_DEPTH} levels");
        return Err(StoreError::invalid(field, why));
    }
    Ok(text)
}

/// How deep JSON nests.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_of_json_is_that_of_its_brackets_outside_texts() {
        for (text, expected) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1}],"c":[]}"#, 3),
            (r#"["[[\"[[",{"\\":{}}]"#, 3),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn what_would_not_be_read_again_is_not_written() {
        let mut value = serde_json::json!(1);
        for _ in 0..MAX_DEPTH {
            value = serde_json::json!([value]);
        }
        assert!(json("metadata", &value).is_ok());
        assert!(json("metadata", &[value]).is_err());
    }
}
