//! `${NAME}` and `os.environ/NAME` in values. It works on the parsed tree, so that what a variable
//! holds is text and nothing else, whatever quotes, colons or line breaks are in it.

use super::{
    failure::Failure,
    tree::{Node, Value},
};

/// How variables are looked up. An empty variable counts as one that is not set.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces variables in every value below `node`; answers what could not be replaced.
pub(super) fn substitute(node: &mut Node, lookup: Lookup<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    walk(node, lookup, &mut failures);
    failures
}

fn walk(node: &mut Node, lookup: Lookup<'_>, failures: &mut Vec<Failure>) {
    match &mut node.value {
        Value::Null => {}
        Value::Sequence(items) => {
            items
                .iter_mut()
                .for_each(|item| walk(item, lookup, failures));
        }
        Value::Mapping(entries) => {
            entries
                .iter_mut()
                .for_each(|(_, value)| walk(value, lookup, failures));
        }
        Value::Scalar(scalar) => match expand(&scalar.text, lookup) {
            Ok(None) => {}
            // `${NAME:-}` without quotes: the same as leaving the value out.
            Ok(Some(text)) if text.is_empty() && scalar.plain => node.value = Value::Null,
            Ok(Some(text)) => scalar.written = Some(std::mem::replace(&mut scalar.text, text)),
            Err(message) => failures.push(Failure::new(message).at(node)),
        },
    }
}

/// The text with its variables replaced; `None` where there is nothing to replace.
fn expand(text: &str, lookup: Lookup<'_>) -> Result<Option<String>, String> {
    let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
    if let Some(name) = text.strip_prefix("os.environ/") {
        return variable(check_name(name)?)
            .map(Some)
            .ok_or_else(|| not_set(name));
    }
    if !text.contains('$') {
        return Ok(None);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let Some((reference, after)) = after.split_once('}') else {
                return Err("`${` without its `}`; write `$$` for a plain `$`".to_owned());
            };
            expanded.push_str(&resolve(reference, &variable)?);
            after
        } else {
            expanded.push('$');
            after
        };
    }
    expanded.push_str(rest);
    Ok((expanded != text).then_some(expanded))
}

/// What stands for `NAME` or `NAME:-default`.
fn resolve(reference: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if default.is_some_and(|default| default.contains("${")) {
        return Err("a default cannot hold another `${…}`".to_owned());
    }
    variable(check_name(name)?)
        .or_else(|| default.map(str::to_owned))
        .ok_or_else(|| not_set(name))
}

fn check_name(name: &str) -> Result<&str, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!(
            "`{name}` is not the name of a variable; write `${{NAME}}` or `${{NAME:-default}}`, \
             and `$$` for a plain `$`"
        ));
    }
    Ok(name)
}

fn not_set(name: &str) -> String {
    format!("the environment variable `{name}` is not set; set it, or write `${{{name}:-default}}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("a: b # c\nd: e".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_plain_dollars() {
        let expand = |text| expand(text, &environment);
        assert_eq!(
            expand("Bearer ${KEY}!"),
            Ok(Some("Bearer a: b # c\nd: e!".into()))
        );
        assert_eq!(expand("os.environ/KEY"), Ok(Some("a: b # c\nd: e".into())));
        assert_eq!(expand("${NONE:-4080}"), Ok(Some("4080".into())));
        assert_eq!(expand("${EMPTY:-x}"), Ok(Some("x".into())));
        assert_eq!(expand("${NONE:-}"), Ok(Some(String::new())));
        assert_eq!(expand("$$100 and $5"), Ok(Some("$100 and $5".into())));
        assert_eq!(expand("pa$word"), Ok(None));
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        let message = |text| expand(text, &environment).unwrap_err();
        assert!(message("${NONE}").contains("`NONE` is not set"));
        assert!(message("os.environ/NONE").contains("`NONE` is not set"));
        assert!(message("${EMPTY}").contains("`EMPTY` is not set"));
        assert!(message("${KEY").contains("without its `}`"));
        assert!(message("${A B}").contains("`A B` is not the name of a variable"));
        assert!(message("${NONE:-${KEY}}").contains("another"));
    }
}
