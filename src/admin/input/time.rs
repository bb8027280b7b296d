//! Moments as the admin interface writes them: RFC 3339 in UTC, `2026-01-31T12:00:00.000Z`.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The last moment that has four digits of a year.
const LAST: i64 = 253_402_300_799_999;

/// A moment, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// Reads a moment or a day, which is its first moment: `2026-01-31T12:00:00Z`, `2026-01-31 12:00:00`,
    /// `2026-01-31`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = match text.len() {
            10 => Cow::Owned(format!("{text}T00:00:00Z")),
            _ => Cow::Borrowed(text.strip_suffix("+00:00").unwrap_or(text)),
        };
        let time = humantime::parse_rfc3339_weak(&text).ok()?;
        let since = time.duration_since(UNIX_EPOCH).ok()?;
        Some(Time(i64::try_from(since.as_millis()).ok()?))
    }

    /// Its day: `2026-01-31`.
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_millis(self.0.clamp(0, LAST).unsigned_abs());
        let time: SystemTime = UNIX_EPOCH + since;
        humantime::format_rfc3339_millis(time).fmt(formatter)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Time::parse(&text)
            .ok_or_else(|| de::Error::custom("no time; write one such as 2026-01-31T12:00:00Z"))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time",
            "description": "A moment, RFC 3339 in UTC; a day stands for its beginning."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days_are_read() {
        let noon = Time(1_769_860_800_000);
        assert_eq!(noon.to_string(), "2026-01-31T12:00:00.000Z");
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31 12:00:00",
            "2026-01-31T12:00:00+00:00",
            "2026-01-31T12:00:00.000Z",
        ] {
            assert_eq!(Time::parse(text), Some(noon), "{text}");
        }
        assert_eq!(
            Time::parse("2026-01-31").map(Time::day).as_deref(),
            Some("2026-01-31")
        );
        for wrong in ["", "yesterday", "2026-13-01", "2026-01-31T12:00:00+02:00"] {
            assert_eq!(Time::parse(wrong), None, "{wrong}");
        }
        let _ = (Time(i64::MIN).to_string(), Time(i64::MAX).to_string());
    }
}
