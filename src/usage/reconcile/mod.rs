//! A provider's own count of a time against the ledger: by day and model, in tokens and in dollars.

mod csv;
mod json;
mod ours;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Serialize, Serializer};
use thiserror::Error;

pub use csv::Columns;
pub use ours::ours;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileError {
    /// It is neither.
    #[error("this is neither CSV with a line of titles nor JSON: {0}")]
    Form(String),
    /// A line or an object lacks what it must have, or has something else there.
    #[error("{place}: {what}")]
    Value {
        /// Where: `line 3`.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// A column is not there.
    #[error("no column tells the {what}; the titles are {titles}. Name one with --{what}-column")]
    Column {
        /// What it would tell.
        what: &'static str,
        /// Those there are.
        titles: String,
    },
    /// There is nothing in it.
    #[error("there is no usage in it")]
    Empty,
}

impl FileError {
    fn value(place: impl fmt::Display, what: impl Into<String>) -> Self {
        FileError::Value {
            place: place.to_string(),
            what: what.into(),
        }
    }
}

/// What somebody counted. `None` is not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Tokens of prompts, cached ones included.
    pub input_tokens: Option<u64>,
    /// Tokens of answers.
    pub output_tokens: Option<u64>,
    /// What it cost, in USD.
    #[serde(rename = "cost_usd")]
    pub cost: Option<Amount>,
}

impl Count {
    fn add(&mut self, other: Count) {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        self.cost = match (self.cost, other.cost) {
            (Some(one), Some(other)) => Some(Amount(one.0.saturating_add(other.0))),
            (one, other) => one.or(other),
        };
    }
}

/// Whole pico-dollars, which may be owed to either side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

impl Amount {
    /// Of dollars as text. `None` where it is no number.
    fn read(text: &str) -> Option<Self> {
        let (sign, text) = match text.trim().strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.trim()),
        };
        let text = text.strip_prefix('$').unwrap_or(text);
        let exact = text.parse::<crate::price::Usd>().ok();
        let about = || crate::price::Usd::from_dollars(text.parse().ok()?);
        let pico = i128::try_from(exact.or_else(about)?.pico()).ok()?;
        Some(Amount(sign * pico))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = crate::price::Usd::from_pico(self.0.unsigned_abs());
        formatter.pad(&format!("{sign}{amount}"))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        serializer.serialize_f64(self.0 as f64 / 1e12)
    }
}

/// Counts by day (in milliseconds since 1970) and model, whose name is empty where all are counted together.
pub type Counts = BTreeMap<(i64, String), Count>;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Theirs {
    /// Whose form it has: a kind of provider of the catalog. `None` where it is nobody's.
    pub kind: Option<&'static str>,
    /// What it counts.
    pub counts: Counts,
    /// Whether it says that there is more of it.
    pub has_more: bool,
}

impl Theirs {
    /// Reads a file: OpenAI's and Anthropic's exports, CSV and JSON, or any CSV with such columns.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, columns: &Columns) -> Result<Self, FileError> {
        let text = text.trim_start_matches('\u{feff}');
        let theirs = match text.trim_start().starts_with(['{', '[']) {
            true => json::read(text)?,
            false => csv::read(text, columns)?,
        };
        match theirs.counts.is_empty() {
            true => Err(FileError::Empty),
            false => Ok(theirs),
        }
    }

    fn add(&mut self, day: i64, model: &str, count: Count) {
        let key = (day - day.rem_euclid(DAY), model.trim().to_owned());
        self.counts.entry(key).or_default().add(count);
    }

    /// From its first day to behind its last one, in milliseconds since 1970.
    pub fn span(&self) -> (i64, i64) {
        let mut days = self.counts.keys().map(|(day, _)| *day);
        let first = days.next().unwrap_or_default();
        (first, days.next_back().unwrap_or(first) + DAY)
    }

    /// Keeps those of a time.
    pub fn between(&mut self, since: i64, until: i64) {
        let since = since.saturating_sub(since.rem_euclid(DAY));
        self.counts
            .retain(|(day, _), _| *day >= since && *day < until);
    }
}

/// How far counts may be apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tolerance {
    /// In per cent of what the provider counted.
    pub percent: f64,
    /// Dollars that do not matter whatever the percentage: exports are rounded.
    pub usd: f64,
}

/// A day and a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The day, `2026-01-31`.
    pub day: String,
    /// The model, by the provider's name; empty where all are compared together.
    pub model: String,
    /// What the provider counted.
    pub theirs: Count,
    /// What the ledger has.
    pub ours: Count,
    /// Ours less theirs, where they say it.
    pub difference: Difference,
    /// Whether that is within the tolerance.
    pub within: bool,
}

/// Ours less theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Tokens of prompts.
    pub input_tokens: Option<i64>,
    /// Tokens of answers.
    pub output_tokens: Option<i64>,
    /// Dollars.
    #[serde(rename = "cost_usd")]
    pub cost: Option<Amount>,
}

/// A name as both sides have it: exports call `claude-haiku-4-5-20251001` "Claude Haiku 4.5", too.
fn canonical(model: &str) -> String {
    let name = model.to_lowercase().replace([' ', '.', '_'], "-");
    let dated = |form: &str| {
        let (before, tail) = name.split_at_checked(name.len().checked_sub(form.len())?)?;
        let fits =
            |(byte, wanted): (u8, u8)| byte == wanted || (wanted == b'd' && byte.is_ascii_digit());
        let is_date = tail.bytes().zip(form.bytes()).all(fits);
        is_date.then(|| before.to_owned())
    };
    let plain = dated("-20dd-dd-dd").or_else(|| dated("-20dddddd"));
    plain.unwrap_or_else(|| name.strip_suffix("-latest").unwrap_or(&name).to_owned())
}

/// Compares by day and model; by day alone where the provider does not tell models apart. `shown` writes a day.
pub fn compare(
    theirs: &Counts,
    ours: &Counts,
    tolerance: Tolerance,
    shown: impl Fn(i64) -> String,
) -> Vec<Line> {
    let whole_days: BTreeSet<i64> = theirs
        .keys()
        .filter(|(_, model)| model.is_empty())
        .map(|(day, _)| *day)
        .collect();
    let mut lines: BTreeMap<(i64, String), (String, Count, Count)> = BTreeMap::new();
    for (counts, is_theirs) in [(theirs, true), (ours, false)] {
        for ((day, model), count) in counts {
            let name = match whole_days.contains(day) {
                true => "",
                false => model,
            };
            let line = lines.entry((*day, canonical(name))).or_default();
            if is_theirs || line.0.is_empty() {
                name.clone_into(&mut line.0);
            }
            match is_theirs {
                true => line.1.add(*count),
                false => line.2.add(*count),
            }
        }
    }
    let says = says(theirs);
    let line = |((day, _), (model, mut theirs, ours)): ((i64, String), (String, Count, Count))| {
        // What they would have counted and do not list is nothing.
        theirs.input_tokens = theirs.input_tokens.or(says.input_tokens);
        theirs.output_tokens = theirs.output_tokens.or(says.output_tokens);
        theirs.cost = theirs.cost.or(says.cost);
        let (difference, within) = difference(&theirs, &ours, tolerance);
        Line {
            day: shown(day),
            model,
            theirs,
            ours,
            difference,
            within,
        }
    };
    lines.into_iter().map(line).collect()
}

/// Nothing of each kind that is counted at all.
fn says(theirs: &Counts) -> Count {
    let any = |of: fn(&Count) -> bool| theirs.values().any(of);
    Count {
        input_tokens: any(|count| count.input_tokens.is_some()).then_some(0),
        output_tokens: any(|count| count.output_tokens.is_some()).then_some(0),
        cost: any(|count| count.cost.is_some()).then_some(Amount(0)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "percentages")]
fn difference(theirs: &Count, ours: &Count, tolerance: Tolerance) -> (Difference, bool) {
    let share = tolerance.percent / 100.0;
    let mut within = true;
    let mut tokens = |theirs: Option<u64>, ours: Option<u64>| {
        let theirs = i64::try_from(theirs?).unwrap_or(i64::MAX);
        let ours = i64::try_from(ours.unwrap_or(0)).unwrap_or(i64::MAX);
        let difference = ours.saturating_sub(theirs);
        within &= difference.unsigned_abs() as f64 <= theirs as f64 * share;
        Some(difference)
    };
    let input_tokens = tokens(theirs.input_tokens, ours.input_tokens);
    let output_tokens = tokens(theirs.output_tokens, ours.output_tokens);
    let cost = theirs.cost.map(|theirs| {
        let ours = ours.cost.unwrap_or_default();
        let difference = ours.0.saturating_sub(theirs.0);
        let allowed = (theirs.0.unsigned_abs() as f64 * share).max(tolerance.usd * 1e12);
        within &= difference.unsigned_abs() as f64 <= allowed;
        Amount(difference)
    });
    let difference = Difference {
        input_tokens,
        output_tokens,
        cost,
    };
    (difference, within)
}

#[cfg(test)]
mod tests;
