//! What a change says of a field: nothing, that it is to be empty, or what it is to be.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a change says of a field. A field that has it needs `#[serde(default)]`, and
/// `skip_serializing_if = "Patch::is_absent"` where it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Absent,
    /// It is to be empty: `null`.
    Empty,
    /// It is to be this.
    Is(T),
}

impl<T> Patch<T> {
    /// Whether nothing is said.
    pub fn is_absent(&self) -> bool {
        matches!(self, Patch::Absent)
    }

    /// Carries the change out.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Patch::Absent => {}
            Patch::Empty => *field = None,
            Patch::Is(value) => *field = Some(value),
        }
    }

    /// Carries the change out on what is never missing: empty is as it is at first.
    pub fn apply_or_default(self, field: &mut T)
    where
        T: Default,
    {
        match self {
            Patch::Absent => {}
            Patch::Empty => *field = T::default(),
            Patch::Is(value) => *field = value,
        }
    }

    /// Changes what it is to be.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Patch::Absent => Patch::Absent,
            Patch::Empty => Patch::Empty,
            Patch::Is(value) => Patch::Is(change(value)),
        }
    }

    /// What it is to be, if that is said.
    pub fn value(&self) -> Option<&T> {
        match self {
            Patch::Is(value) => Some(value),
            Patch::Absent | Patch::Empty => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::deserialize(deserializer)?;
        Ok(value.map_or(Patch::Empty, Patch::Is))
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Option::<T>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Change {
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        team: Patch<String>,
    }

    #[test]
    fn what_is_not_said_is_told_from_what_is_to_be_empty() {
        let read = |json: &str| serde_json::from_str::<Change>(json).unwrap();
        for (json, team) in [
            ("{}", Patch::Absent),
            (r#"{"team":null}"#, Patch::Empty),
            (r#"{"team":"red"}"#, Patch::Is("red".to_owned())),
        ] {
            let change = Change { team };
            assert_eq!(read(json), change);
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
        }
        let mut field = Some("blue".to_owned());
        read("{}").team.apply(&mut field);
        assert_eq!(field.as_deref(), Some("blue"));
        read(r#"{"team":null}"#).team.apply(&mut field);
        assert_eq!(field, None);
    }
}
