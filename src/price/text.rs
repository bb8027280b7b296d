//! Amounts as text, exact: what is written is what is read.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{PICO_PER_USD, Usd};

/// A text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAmount;

impl fmt::Display for NoAmount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no amount of dollars; write a number such as 12.5")
    }
}

impl std::error::Error for NoAmount {}

impl FromStr for Usd {
    type Err = NoAmount;

    /// Decimal dollars, `12.5`; digits beyond the pico-dollar must be zero.
    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let (whole, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(rest) || (whole.is_empty() && rest.is_empty()) {
            return Err(NoAmount);
        }
        let (kept, beyond) = rest.split_at(rest.len().min(12));
        if beyond.bytes().any(|digit| digit != b'0') {
            return Err(NoAmount);
        }
        let number = |digits: &str| match digits {
            "" => Ok(0),
            digits => digits.parse::<u128>().map_err(|_| NoAmount),
        };
        let whole = number(whole)?.checked_mul(PICO_PER_USD).ok_or(NoAmount)?;
        let rest = number(&format!("{kept:0<12}"))?;
        Ok(Usd(whole.checked_add(rest).ok_or(NoAmount)?))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Usd;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an amount of dollars such as 12.5")
            }

            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Usd, E> {
                Ok(Usd(u128::from(dollars) * PICO_PER_USD))
            }

            fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Usd, E> {
                let dollars = u64::try_from(dollars).map_err(|_| E::custom(NoAmount))?;
                self.visit_u64(dollars)
            }

            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Usd, E> {
                Usd::from_dollars(dollars).ok_or_else(|| E::custom(NoAmount))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number"],
            "description": "An amount of US dollars, `12.5`; as text it is exact."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let pico = |text: &str| text.parse().map(Usd::pico);
        assert_eq!(pico("12.5"), Ok(12_500_000_000_000));
        assert_eq!(pico(".000000000001"), Ok(1));
        assert_eq!(pico("3.0000000000000"), Ok(3_000_000_000_000));
        for wrong in [
            "",
            ".",
            "-1",
            "1e3",
            "1,5",
            "0.0000000000001",
            "9".repeat(60).as_str(),
        ] {
            assert_eq!(pico(wrong), Err(NoAmount), "{wrong}");
        }
        let read = |json: &str| serde_json::from_str::<Usd>(json).ok().map(Usd::pico);
        assert_eq!(read("100"), Some(100_000_000_000_000));
        assert_eq!(read("0.1"), Some(100_000_000_000));
        assert_eq!(read("\"0.1\""), Some(100_000_000_000));
        assert_eq!(read("-1"), None);
        assert_eq!(read("null"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(pico: u64, more: u64) {
            let amount = Usd::from_pico(u128::from(pico) * u128::from(more >> 16));
            let text = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Usd>(&text).unwrap(), amount);
        }
    }
}
