//! What was answered, as people read it: cells of tables, and lines of details.

use serde_json::Value;

use super::{
    colour,
    table::{NOTHING, Table},
};

/// What is at a place, as a cell.
pub(super) fn cell(view: &Value, pointer: &str) -> String {
    view.pointer(pointer)
        .and_then(text)
        .unwrap_or_else(|| NOTHING.to_owned())
}

/// The time at a place, to the second.
pub(super) fn time(view: &Value, pointer: &str) -> String {
    let time = cell(view, pointer);
    match time.split_once('.') {
        Some((time, _)) if time.contains('T') => format!("{time}Z"),
        _ => time,
    }
}

/// The amount at a place, as dollars; nothing where there is none.
pub(super) fn dollars(view: &Value, pointer: &str, digits: Option<usize>) -> String {
    let amount = cell(view, pointer);
    match (amount.parse::<f64>(), digits) {
        (Ok(0.0), Some(_)) | (Err(_), _) => NOTHING.to_owned(),
        (Ok(dollars), Some(digits)) => format!("${dollars:.digits$}"),
        (Ok(_), None) => format!("${amount}"),
    }
}

/// All that is known, a line for each thing.
pub(super) fn details(view: &Value) -> String {
    let mut table = Table::default();
    for (name, value) in view.as_object().into_iter().flatten() {
        let shown = match (name.as_str(), text(value)) {
            (_, None) => continue,
            ("state", Some(word)) => colour::state(&word),
            (_, Some(shown)) => shown,
        };
        table.row([name.replace('_', " "), shown]);
    }
    table.to_string()
}

/// A value in one line; none where there is nothing in it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().filter_map(text).collect();
            Some(texts.join(", "))
        }
        Value::Object(members) if members.is_empty() => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_hold_what_people_read() {
        let view = json!({
            "id": "a", "models": ["x", "y"], "team": null, "spend": "0.5", "total": "0",
            "at": "2030-01-31T12:00:00.123Z", "limits": {},
        });
        assert_eq!(cell(&view, "/models"), "x, y");
        assert_eq!(cell(&view, "/team"), NOTHING);
        assert_eq!(dollars(&view, "/spend", Some(4)), "$0.5000");
        assert_eq!(dollars(&view, "/spend", None), "$0.5");
        assert_eq!(dollars(&view, "/total", Some(4)), NOTHING);
        assert_eq!(time(&view, "/at"), "2030-01-31T12:00:00Z");
        let lines = details(&view);
        assert!(
            !lines.contains("limits") && !lines.contains("team"),
            "{lines}"
        );
    }
}
