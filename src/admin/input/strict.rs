//! Members that a route does not know are refused, at any depth: a limit that is mistyped would be no
//! limit. What is known is what the route's schema says, which is what its document says.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::super::refusal::Refusal;

/// The first member of `value` that a `T` does not have.
pub(super) fn unknown<T: JsonSchema>(value: &Value) -> Option<Refusal> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    look(&schema, schema.as_value(), value, "")
}

fn look(root: &Schema, schema: &Value, value: &Value, place: &str) -> Option<Refusal> {
    let schema = resolve(root, schema).as_object()?;
    match value {
        Value::Object(members) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties");
            let inside = |(name, value): (&String, &Value)| {
                let place = match place {
                    "" => name.clone(),
                    place => format!("{place}.{name}"),
                };
                let known = properties.and_then(|properties| properties.get(name));
                match known.or(rest.filter(|rest| rest.is_object() || **rest == true)) {
                    Some(schema) => look(root, schema, value, &place),
                    None if properties.is_some() => Some(refuse(&place, name, properties)),
                    None => None,
                }
            };
            let own = || members.iter().find_map(inside);
            // Where one of several forms may be meant, the object's is.
            match alternatives(root, schema) {
                Some(object) if properties.is_none() => look(root, object, value, place),
                _ => own(),
            }
        }
        Value::Array(items) => {
            let of_items = schema.get("items")?;
            let mut items = items.iter();
            items.find_map(|item| look(root, of_items, item, place))
        }
        _ => None,
    }
}

/// What a reference leads to.
fn resolve<'s>(root: &'s Schema, schema: &'s Value) -> &'s Value {
    let target = schema.get("$ref").and_then(Value::as_str);
    let pointer = target.and_then(|target| target.strip_prefix('#'));
    pointer
        .and_then(|pointer| root.as_value().pointer(pointer))
        .unwrap_or(schema)
}

fn alternatives<'s>(root: &'s Schema, schema: &'s Map<String, Value>) -> Option<&'s Value> {
    let forms = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    let mut forms = forms.as_array()?.iter();
    forms.find(|form| resolve(root, form).get("properties").is_some())
}

fn refuse(place: &str, name: &str, properties: Option<&Map<String, Value>>) -> Refusal {
    let known = properties.into_iter().flatten().map(|(known, _)| known);
    let near = known
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let shown: String = place.chars().take(100).collect();
    let message = match near {
        Some((_, near)) => format!("There is no field `{shown}`; did you mean `{near}`?"),
        None => format!("There is no field `{shown}`."),
    };
    Refusal::invalid(Some(&shown), message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        list: Vec<Inner>,
        named: BTreeMap<String, Inner>,
        free: Map<String, Value>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        limit: u64,
    }

    #[test]
    fn what_is_not_known_is_refused_at_any_depth() {
        let place = |value: Value| unknown::<Outer>(&value)?.param;
        assert_eq!(
            place(json!({"name": 1, "free": {"any": {"thing": 1}}})),
            None
        );
        assert_eq!(
            place(json!({"inner": {"limit": 1}, "list": [{"limit": 1}]})),
            None
        );
        assert_eq!(
            place(json!({"inner": null, "named": {"x": {"limit": 1}}})),
            None
        );
        assert_eq!(place(json!({"nam": 1})).as_deref(), Some("nam"));
        assert_eq!(
            place(json!({"inner": {"limits": 1}})).as_deref(),
            Some("inner.limits")
        );
        assert_eq!(
            place(json!({"list": [{"x": 1}]})).as_deref(),
            Some("list.x")
        );
        assert_eq!(
            place(json!({"named": {"a": {"x": 1}}})).as_deref(),
            Some("named.a.x")
        );
        let refusal = unknown::<Outer>(&json!({"inner": {"limits": 1}})).unwrap();
        assert!(refusal.message.contains("`limit`"), "{refusal:?}");
    }
}
