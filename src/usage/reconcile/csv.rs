//! Exports as CSV, with commas, semicolons or tabs: OpenAI's of usage and of costs, Anthropic's of both, and any
//! other whose columns are known or named.

use super::{Amount, Count, FileError, Theirs};

/// The columns of a file, where they are not known by their titles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The day or the time.
    pub date: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Tokens of prompts, cached ones included.
    pub input: Option<String>,
    /// Tokens of answers.
    pub output: Option<String>,
    /// Dollars.
    pub cost: Option<String>,
}

/// Titles by which a column is known, the best first.
const DATES: &[&str] = &[
    "usage_date_utc",
    "start_time_iso",
    "start_time",
    "date",
    "day",
    "time",
    "timestamp",
    "usage_date",
    "created_at",
];
const MODELS: &[&str] = &[
    "model_version",
    "model",
    "model_id",
    "served_model",
    "line_item",
];
const INPUTS: &[&str] = &["input_tokens", "prompt_tokens"];
const OUTPUTS: &[&str] = &["output_tokens", "completion_tokens", "usage_output_tokens"];
const COSTS: &[&str] = &[
    "cost_usd",
    "amount_value",
    "cost",
    "amount",
    "spend",
    "total_cost",
];
/// Parts of the prompt in Anthropic's export.
const PARTS: &[&str] = &[
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_read",
];

/// Where columns are.
struct Places {
    date: usize,
    model: Option<usize>,
    input: Vec<usize>,
    output: Option<usize>,
    cost: Option<usize>,
}

pub(super) fn read(text: &str, columns: &Columns) -> Result<Theirs, FileError> {
    let first = text.lines().next().unwrap_or_default();
    let separator = ['\t', ';', ',']
        .into_iter()
        .find(|separator| first.contains(*separator))
        .ok_or_else(|| FileError::Form("its first line has no columns".to_owned()))?;
    let mut lines = lines(text, separator);
    let titles: Vec<String> = lines
        .next()
        .map(|(_, titles)| titles)
        .unwrap_or_default()
        .iter()
        .map(|title| title.trim().to_lowercase())
        .collect();
    let places = places(&titles, columns)?;
    let has = |title: &str| titles.iter().any(|one| one == title);
    let mut theirs = Theirs {
        kind: match (has("usage_date_utc"), has("start_time_iso")) {
            (true, _) => Some("anthropic"),
            (false, true) => Some("openai"),
            _ => None,
        },
        ..Theirs::default()
    };
    for (number, cells) in lines {
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.trim());
        // A title more than cells, or a line without anything: the file's end.
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let place = format!("line {number}");
        let date = cell(places.date);
        let start = day(date).ok_or_else(|| {
            FileError::value(
                &place,
                format!("`{date}` is no day; write 2026-01-31 or seconds since 1970"),
            )
        })?;
        let count = count(&places, cell, &place)?;
        // OpenAI lists days on which there was nothing.
        if count == Count::default() {
            continue;
        }
        let model = places.model.map_or("", cell);
        theirs.add(start, line_item(model), count);
    }
    Ok(theirs)
}

fn places(titles: &[String], columns: &Columns) -> Result<Places, FileError> {
    let find = |named: &Option<String>, known: &[&str], what: &'static str| {
        let at = |name: &str| titles.iter().position(|title| title == name);
        match named {
            Some(name) => match at(&name.trim().to_lowercase()) {
                Some(place) => Ok(Some(place)),
                None => Err(missing(titles, what)),
            },
            None => Ok(known.iter().find_map(|name| at(name))),
        }
    };
    let input = find(&columns.input, INPUTS, "input")?;
    let parts = || {
        let place = |name: &&str| titles.iter().position(|title| title == name);
        PARTS.iter().filter_map(place).collect()
    };
    let places = Places {
        date: find(&columns.date, DATES, "date")?.ok_or_else(|| missing(titles, "date"))?,
        model: find(&columns.model, MODELS, "model")?,
        input: input.map_or_else(parts, |place| vec![place]),
        output: find(&columns.output, OUTPUTS, "output")?,
        cost: find(&columns.cost, COSTS, "cost")?,
    };
    match places.input.is_empty() && places.output.is_none() && places.cost.is_none() {
        true => Err(missing(titles, "cost")),
        false => Ok(places),
    }
}

fn missing(titles: &[String], what: &'static str) -> FileError {
    FileError::Column {
        what,
        titles: titles.join(", "),
    }
}

fn count<'c>(
    places: &Places,
    cell: impl Fn(usize) -> &'c str,
    place: &str,
) -> Result<Count, FileError> {
    let tokens = |at: usize| match cell(at) {
        "" | "--" => Ok(None),
        text => whole(text)
            .map(Some)
            .ok_or_else(|| FileError::value(place, format!("`{text}` is no number of tokens"))),
    };
    let mut input: Option<u64> = None;
    for at in &places.input {
        if let Some(tokens) = tokens(*at)? {
            input = Some(input.unwrap_or(0).saturating_add(tokens));
        }
    }
    let cost =
        match places.cost.map(&cell) {
            None | Some("" | "--") => None,
            Some(text) => Some(Amount::read(text).ok_or_else(|| {
                FileError::value(place, format!("`{text}` is no amount of dollars"))
            })?),
        };
    Ok(Count {
        input_tokens: input,
        output_tokens: places.output.map(tokens).transpose()?.flatten(),
        cost,
    })
}

/// OpenAI's exports write whole numbers as `59200.0`.
fn whole(text: &str) -> Option<u64> {
    let whole = text.split_once('.').map_or(text, |(whole, rest)| {
        let is_zero = rest.bytes().all(|digit| digit == b'0');
        if is_zero { whole } else { text }
    });
    whole.replace(',', "").parse().ok()
}

/// The model of a line of a bill: `gpt-4o-2024-08-06, input`.
pub(super) fn line_item(text: &str) -> &str {
    text.split_once(", ").map_or(text, |(model, _)| model)
}

/// The beginning of a day or of a moment in it, in milliseconds since 1970: RFC 3339, a date, or seconds since
/// 1970.
pub(super) fn day(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    let date = text.get(..10)?;
    let midnight = humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok()?;
    let is_alone = text.len() == 10;
    // Offsets move a moment into another day.
    let offset = || {
        let rest = text
            .get(19..)?
            .trim_start_matches(|one: char| one == '.' || one.is_ascii_digit());
        let (sign, rest) = match rest.split_at_checked(1)? {
            ("+", rest) => (-1, rest),
            ("-", rest) => (1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
        Some(sign * minutes * 60_000)
    };
    let time = || {
        let time = text.get(11..19)?;
        let whole = humantime::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
        Some(milliseconds(whole) + offset().unwrap_or(0))
    };
    match is_alone {
        true => Some(milliseconds(midnight)),
        false => Some(time().unwrap_or_else(|| milliseconds(midnight))),
    }
}

fn milliseconds(time: std::time::SystemTime) -> i64 {
    let since = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Lines of cells, with the number of each: RFC 4180, whose cells in quotes may hold line breaks.
fn lines(text: &str, separator: char) -> impl Iterator<Item = (usize, Vec<String>)> {
    let mut rest = text.chars().peekable();
    let mut number = 0;
    std::iter::from_fn(move || {
        rest.peek()?;
        number += 1;
        let begin = number;
        let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
        while let Some(one) = rest.next() {
            match one {
                '"' if is_quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    cell.push('"');
                }
                '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
                '\n' if !is_quoted => break,
                '\r' if !is_quoted => {}
                one if one == separator && !is_quoted => cells.push(std::mem::take(&mut cell)),
                one => {
                    number += usize::from(one == '\n');
                    cell.push(one);
                }
            }
        }
        cells.push(cell);
        Some((begin, cells))
    })
}
