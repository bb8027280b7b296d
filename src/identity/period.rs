//! Spans of time as operators and LiteLLM's clients write them: `30s`, `30m`, `12h`, `30d`, `2w`, `1mo`, and
//! `daily`, `weekly`, `monthly`, `yearly`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;
/// A longer span is a mistake of units.
const MAX_DAYS: i64 = 366 * 100;

/// A span of time: a fixed one, or one of the calendar (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    count: i64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// A text that is no span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPeriod;

impl fmt::Display for NoPeriod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no span of time; write one such as 30m, 12h, 30d, 2w, 1mo or monthly")
    }
}

impl std::error::Error for NoPeriod {}

impl FromStr for Period {
    type Err = NoPeriod;

    fn from_str(text: &str) -> Result<Self, NoPeriod> {
        let text = text.trim().to_ascii_lowercase();
        let whole = |unit| Ok(Period { count: 1, unit });
        match text.as_str() {
            "hourly" => return whole(Unit::Hour),
            "daily" => return whole(Unit::Day),
            "weekly" => return whole(Unit::Week),
            "monthly" => return whole(Unit::Month),
            "yearly" | "annually" => return whole(Unit::Year),
            _ => {}
        }
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = match text.get(digits.len()..).unwrap_or_default() {
            "" | "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "mo" => Unit::Month,
            "y" => Unit::Year,
            _ => return Err(NoPeriod),
        };
        let count: i64 = digits.parse().map_err(|_| NoPeriod)?;
        let period = Period { count, unit };
        let is_sound = count > 0 && period.about().is_some_and(|span| span <= MAX_DAYS * DAY);
        is_sound.then_some(period).ok_or(NoPeriod)
    }
}

impl Period {
    /// How many milliseconds it is about: exactly, but for months and years.
    pub fn about(self) -> Option<i64> {
        let unit = match self.unit {
            Unit::Second => SECOND,
            Unit::Minute => 60 * SECOND,
            Unit::Hour => 3600 * SECOND,
            Unit::Day => DAY,
            Unit::Week => 7 * DAY,
            Unit::Month => 30 * DAY,
            Unit::Year => 365 * DAY,
        };
        self.count.checked_mul(unit)
    }

    /// The end of the span that begins at `start`, in milliseconds since 1970: the same day and time of
    /// a later month for months, or that month's last day.
    pub fn end(self, start: i64) -> i64 {
        let months = match self.unit {
            Unit::Month => self.count,
            Unit::Year => self.count * 12,
            _ => return start.saturating_add(self.about().unwrap_or(i64::MAX)),
        };
        let (days, time) = (start.div_euclid(DAY), start.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let month = year * 12 + (month - 1) + months;
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let next = days_before(year + month / 12, month % 12 + 1);
        let first = days_before(year, month);
        (first + (day - 1).min(next - first - 1)) * DAY + time
    }
}

/// Year, month (from 1) and day (from 1) of a day since 1970. Howard Hinnant, `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The days from 1970 to the first of a month. Howard Hinnant, `days_from_civil`.
fn days_before(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
            Unit::Week => "w",
            Unit::Month => "mo",
            Unit::Year => "y",
        };
        write!(formatter, "{}{unit}", self.count)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string",
            "description": "A span of time: 30s, 30m, 12h, 30d, 2w, 1mo, 1y, daily, weekly, monthly or yearly."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn spans_are_read_as_litellm_and_people_write_them() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("45", 45_000),
            ("30m", 1_800_000),
            ("2H", 7_200_000),
            ("30d", 30 * DAY),
            ("2w", 14 * DAY),
            ("daily", DAY),
            ("weekly", 7 * DAY),
        ] {
            assert_eq!(period(text).about(), Some(milliseconds), "{text}");
            assert_eq!(period(&period(text).to_string()), period(text));
        }
        for wrong in [
            "",
            "d",
            "0d",
            "-1d",
            "1.5h",
            "30 d",
            "1q",
            "99999999999999999d",
            "500y",
        ] {
            assert_eq!(wrong.parse::<Period>(), Err(NoPeriod), "{wrong}");
        }
    }

    #[test]
    fn a_month_ends_on_the_same_day_of_the_next_one() {
        let at = |year, month, day| (days_before(year, month) + day - 1) * DAY + 5;
        let month = period("monthly");
        assert_eq!(month.end(at(2025, 1, 15)), at(2025, 2, 15));
        assert_eq!(month.end(at(2025, 1, 31)), at(2025, 2, 28));
        assert_eq!(month.end(at(2024, 1, 31)), at(2024, 2, 29));
        assert_eq!(month.end(at(2025, 12, 31)), at(2026, 1, 31));
        assert_eq!(period("13mo").end(at(2025, 11, 30)), at(2026, 12, 30));
        assert_eq!(period("yearly").end(at(2024, 2, 29)), at(2025, 2, 28));
        assert_eq!(period("1d").end(5), DAY + 5);
    }

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(20_454), (2026, 1, 1));
        for days in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert_eq!(days_before(year, month) + day - 1, days);
        }
    }
}
