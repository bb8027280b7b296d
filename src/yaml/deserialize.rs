//! Reads typed values out of the tree. Each failure carries the innermost node that it is about.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::MapAccessDeserializer,
    },
};

use super::{
    failure::Failure,
    tree::{Node, Value},
};

impl Node {
    /// Its value as what it looks like.
    fn visit<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Value::Mapping(entries) => visitor.visit_map(Entries::of(entries)),
            Value::Scalar(scalar) => {
                if let Some(boolean) = scalar.boolean() {
                    visitor.visit_bool(boolean)
                } else if let Some(number) = scalar.integer() {
                    integer(number, visitor)
                } else if let Some(number) = scalar.float() {
                    visitor.visit_f64(number)
                } else {
                    visitor.visit_borrowed_str(&scalar.text)
                }
            }
        }
    }

    /// Its value as a boolean where it can be one; a `1` from a variable is a number elsewhere.
    fn visit_boolean<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Scalar(scalar) if scalar.boolean().is_some() => {
                visitor.visit_bool(scalar.boolean().unwrap_or_default())
            }
            _ => self.visit(visitor),
        }
    }

    fn visit_number<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Failure> {
        if let Value::Scalar(scalar) = &self.value {
            if let Some(number) = scalar.integer() {
                return integer(number, visitor);
            }
            if !scalar.plain && scalar.written.is_none() {
                let message = format!("{} is quoted and thereby a string", scalar.text);
                if scalar.text.parse::<f64>().is_ok() {
                    return Err(Failure::new(message + "; take the quotes away"));
                }
            }
        }
        self.visit(visitor)
    }

    /// Its value as a string, which a number may be (`model: 3.5`), a boolean not: that is more
    /// often a mistake.
    fn visit_string<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Scalar(scalar)
                if scalar.written.is_none() && scalar.plain && scalar.boolean().is_some() =>
            {
                Err(Failure::new(
                    "expected a string, found true or false; put it in quotes",
                ))
            }
            Value::Scalar(scalar) => visitor.visit_borrowed_str(&scalar.text),
            Value::Null => Err(Failure::invalid_type(Unexpected::Unit, &"a string")),
            _ => self.visit(visitor),
        }
    }

    /// Its value as a collection. A key with nothing behind it, as when all below it is commented
    /// out, is an empty one.
    fn visit_collection<'de, V: Visitor<'de>>(
        &'de self,
        visitor: V,
        list: bool,
    ) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Null if list => visitor.visit_seq(Items([].iter())),
            Value::Null => visitor.visit_map(Entries::of(&[])),
            _ => self.visit(visitor),
        }
    }

    fn visit_choice<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Scalar(scalar) => visitor.visit_enum(scalar.text.as_str().into_deserializer()),
            Value::Mapping(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries::of(entries)))
            }
            _ => Err(Failure::invalid_type(
                match &self.value {
                    Value::Null => Unexpected::Unit,
                    Value::Sequence(_) => Unexpected::Seq,
                    _ => Unexpected::Map,
                },
                &"a name",
            )),
        }
    }
}

fn integer<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, Failure> {
    if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else {
        visitor.visit_i128(number)
    }
}

/// The items of a list. Here and in [`Entries`] a failure that a type's own check raises, after
/// its value was read, is given the place of that value.
struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(item) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(item)
            .map(Some)
            .map_err(|failure| failure.at(item))
    }
}

/// The entries of a mapping.
struct Entries<'de> {
    rest: std::slice::Iter<'de, (Node, Node)>,
    value: Option<&'de Node>,
}

impl<'de> Entries<'de> {
    fn of(entries: &'de [(Node, Node)]) -> Self {
        Entries {
            rest: entries.iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(key)
            .map(Some)
            .map_err(|failure| failure.at(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some(value) = self.value.take() else {
            return Err(Failure::new("a value without its key"));
        };
        seed.deserialize(value).map_err(|failure| failure.at(value))
    }
}

/// Several of serde's questions with the same answer.
macro_rules! answer {
    ($how:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.$how(visitor).map_err(|failure| failure.at(self))
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Failure;

    answer!(visit: deserialize_any deserialize_unit deserialize_bytes deserialize_byte_buf);
    answer!(visit_boolean: deserialize_bool);
    answer!(visit_number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64);
    answer!(visit_string: deserialize_str deserialize_string deserialize_char);

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor
            .visit_str(self.name().unwrap_or_default())
            .map_err(|failure: Failure| failure.at(self))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|failure| failure.at(self))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_collection(visitor, true)
            .map_err(|failure| failure.at(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_collection(visitor, false)
            .map_err(|failure| failure.at(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.visit_choice(visitor)
            .map_err(|failure| failure.at(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}
