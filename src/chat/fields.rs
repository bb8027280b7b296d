//! Reads a JSON object member by member. What nobody takes is left, and becomes [`Extra`]: that is
//! how unknown and new fields survive.
//!
//! Requests are read strictly (a wrong type is the client's error, and names the field), answers
//! with the `lenient` methods (a member of an unexpected type stays where it is).

use serde_json::{Map, Value};

use super::extra::Extra;
use crate::error::GatewayError;

/// The members of an object that have not been taken yet, in their order. A list and no map: an object
/// of an API has few members, and a look at each is cheaper than a hash.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// The members of `value`.
    ///
    /// # Errors
    /// `InvalidBody` where it is no object; `what` names it in the message.
    pub fn of(value: Value, what: &'static str) -> Result<Self, GatewayError> {
        match value {
            Value::Object(map) => Ok(Fields(map.into_iter().collect())),
            _ => Err(wrong_type(what, "an object")),
        }
    }

    /// The members of `value`; none where it is no object.
    pub fn lenient(value: Value) -> Self {
        match value {
            Value::Object(map) => Fields(map.into_iter().collect()),
            _ => Fields::default(),
        }
    }

    /// Takes whatever `name` is. `null` is absent.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.position(name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_null())
    }

    /// Looks at `name` and leaves it.
    pub fn peek(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| !value.is_null())
    }

    /// Whether `name` is there, even as `null`.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Puts a member back.
    pub fn put(&mut self, name: &str, value: Value) {
        self.insert(name.to_owned(), value);
    }

    fn insert(&mut self, name: String, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name, value)),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let member = self.0.iter().find(|(known, _)| known == name);
        member.map(|(_, value)| value)
    }

    /// Takes a string. # Errors: `InvalidBody` where it is something else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// Takes a boolean. # Errors: `InvalidBody` where it is something else.
    pub fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    /// Takes a number. # Errors: `InvalidBody` where it is something else.
    pub fn number(
        &mut self,
        name: &'static str,
    ) -> Result<Option<serde_json::Number>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(wrong_type(name, "a number")),
        }
    }

    /// Takes a whole number that is not negative; `16.0` counts as one.
    /// # Errors: `InvalidBody` where it is something else.
    pub fn count(&mut self, name: &'static str) -> Result<Option<u64>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match as_count(&value) {
                Some(count) => Ok(Some(count)),
                None => Err(wrong_type(name, "a whole number")),
            },
        }
    }

    /// Takes a list. # Errors: `InvalidBody` where it is something else.
    pub fn list(&mut self, name: &'static str) -> Result<Option<Vec<Value>>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(wrong_type(name, "a list")),
        }
    }

    /// Takes an object. # Errors: `InvalidBody` where it is something else.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Fields>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields(map.into_iter().collect()))),
            Some(_) => Err(wrong_type(name, "an object")),
        }
    }

    /// Takes a string; anything else stays.
    pub fn lenient_text(&mut self, name: &str) -> Option<String> {
        match self.take_if(name, Value::is_string)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Takes a whole number that is not negative; anything else stays.
    pub fn lenient_count(&mut self, name: &str) -> Option<u64> {
        let at = self.position(name)?;
        let count = as_count(self.get(name)?)?;
        self.0.remove(at);
        Some(count)
    }

    /// Takes a boolean; anything else stays.
    pub fn lenient_boolean(&mut self, name: &str) -> Option<bool> {
        self.take_if(name, Value::is_boolean)?.as_bool()
    }

    /// Takes a list; anything else stays.
    pub fn lenient_list(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.take_if(name, Value::is_array)? {
            Value::Array(list) => Some(list),
            _ => None,
        }
    }

    /// Takes an object; anything else stays.
    pub fn lenient_object(&mut self, name: &str) -> Option<Fields> {
        match self.take_if(name, Value::is_object)? {
            Value::Object(map) => Some(Fields(map.into_iter().collect())),
            _ => None,
        }
    }

    fn take_if(&mut self, name: &str, wanted: fn(&Value) -> bool) -> Option<Value> {
        let value = self.get(name)?;
        // `null` says nothing that absence does not.
        match wanted(value) || value.is_null() {
            true => self.take(name),
            false => None,
        }
    }

    /// Whether all have been taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what nobody took of an inner object as `prefix.name` among these; [`unfold`] takes it
    /// out again. So a nested member survives, and can be named where it is lost.
    pub fn absorb(&mut self, prefix: &str, inner: Fields) {
        for (name, value) in inner.0 {
            self.insert(format!("{prefix}.{name}"), value);
        }
    }

    /// What nobody took, as `dialect`'s own.
    pub fn rest(self, dialect: &'static str) -> Extra {
        match self.0.is_empty() {
            true => Extra::default(),
            false => Extra::new(dialect, self.into_map()),
        }
    }

    /// What nobody took.
    pub fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }
}

fn as_count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        let is_whole = number >= 0.0 && number.fract() == 0.0 && number < 1e15;
        // In this range the conversion is exact.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        is_whole.then_some(number as u64)
    })
}

/// Takes the members out that [`Fields::absorb`] kept under `prefix`, under their own names.
pub fn unfold(members: &mut Map<String, Value>, prefix: &str) -> Map<String, Value> {
    let own_name = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
    if !members.keys().any(|name| own_name(name).is_some()) {
        return Map::new();
    }
    let (mut inner, mut outer) = (Map::new(), Map::new());
    for (name, value) in std::mem::take(members) {
        match own_name(&name) {
            Some(own) => inner.insert(own, value),
            None => outer.insert(name, value),
        };
    }
    *members = outer;
    inner
}

/// The error for a member of the wrong type.
pub fn wrong_type(name: &'static str, wanted: &str) -> GatewayError {
    GatewayError::invalid(format!("The field `{name}` must be {wanted}."), Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_taken_is_left() {
        let mut fields =
            Fields::of(json!({"a": "x", "b": null, "c": 3.0, "d": [1]}), "it").unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("b").unwrap(), None);
        assert_eq!(fields.count("c").unwrap(), Some(3));
        assert_eq!(fields.lenient_text("d"), None);
        assert_eq!(Value::Object(fields.into_map()), json!({"d": [1]}));
    }

    #[test]
    fn what_is_left_of_an_inner_object_finds_its_way_back() {
        let mut outer = Fields::of(json!({"a": 1}), "it").unwrap();
        outer.absorb("options", Fields::of(json!({"num_ctx": 2}), "it").unwrap());
        let mut members = outer.into_map();
        assert_eq!(json!(members), json!({"a": 1, "options.num_ctx": 2}));
        assert_eq!(
            json!(unfold(&mut members, "options")),
            json!({"num_ctx": 2})
        );
        assert_eq!(json!(members), json!({"a": 1}));
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        let mut fields = Fields::of(json!({"stream": "yes"}), "it").unwrap();
        assert_eq!(
            fields.boolean("stream").unwrap_err().param(),
            Some("stream")
        );
        assert!(Fields::of(json!([]), "it").is_err());
    }
}
