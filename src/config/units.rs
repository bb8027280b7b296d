//! Quantities with units as an operator writes them: durations in seconds, sizes in bytes.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A duration in seconds; fractions are allowed (`0.5`).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Seconds(pub f64);

impl Seconds {
    /// A year: longer is a mistake of units.
    pub const MAX: Seconds = Seconds(31_536_000.0);

    /// As a [`Duration`].
    pub fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if seconds.is_finite() && (0.0..=Seconds::MAX.0).contains(&seconds) {
            Ok(Seconds(seconds))
        } else {
            Err(de::Error::custom(format!(
                "{seconds} is not a duration in seconds between 0 and a year"
            )))
        }
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": 0, "maximum": 31_536_000,
            "description": "A duration in seconds; fractions are allowed."})
    }
}

/// A size in bytes: a plain number, or a number with `KB`, `MB`, `GB` (powers of 1000) or
/// `KiB`, `MiB`, `GiB` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize)]
pub struct ByteSize(pub usize);

impl ByteSize {
    /// Reads what an operator typed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = text.get(digits.len()..).unwrap_or_default().trim();
        let factor: usize = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err(format!("`{text}` is not a size; write 1048576 or 1MiB")),
        };
        digits
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(ByteSize)
            .ok_or_else(|| format!("`{text}` is not a size; write 1048576 or 1MiB"))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as 1048576 or 1MiB")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<ByteSize, E> {
                usize::try_from(number).map(ByteSize).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "string"],
            "description": "A size in bytes: 1048576, or 1MiB, 1MB."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_and_without_a_unit() {
        assert_eq!(ByteSize::parse("33554432"), Ok(ByteSize(32 << 20)));
        assert_eq!(ByteSize::parse("32MiB"), Ok(ByteSize(32 << 20)));
        assert_eq!(ByteSize::parse("512 MB"), Ok(ByteSize(512_000_000)));
        assert!(ByteSize::parse("12 parsecs").is_err());
        assert!(ByteSize::parse("99999999999999999999GiB").is_err());
    }
}
