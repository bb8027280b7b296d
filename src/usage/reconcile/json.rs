//! Answers of OpenAI's and Anthropic's interfaces for organizations, as they came: one page, several in an array, or
//! one a line.
//!
//! OpenAI: `/v1/organization/usage/*` (`input_tokens`, cached ones included) and `/v1/organization/costs`
//! (`amount.value` in dollars, `line_item`). Anthropic: `/v1/organizations/usage_report/messages` and
//! `/v1/organizations/cost_report` (`amount` in cents, as text).

use serde_json::{Deserializer, Value};

use super::{Amount, Count, FileError, Theirs, csv::day};

pub(super) fn read(text: &str) -> Result<Theirs, FileError> {
    let mut theirs = Theirs::default();
    for page in Deserializer::from_str(text).into_iter::<Value>() {
        match page.map_err(|error| FileError::Form(error.to_string()))? {
            Value::Array(pages) => {
                for (number, page) in pages.iter().enumerate() {
                    // All but the last one have more, of course.
                    theirs.has_more = false;
                    add_page(&mut theirs, page, number)?;
                }
            }
            page => {
                theirs.has_more = false;
                add_page(&mut theirs, &page, 0)?;
            }
        }
    }
    Ok(theirs)
}

fn add_page(theirs: &mut Theirs, page: &Value, number: usize) -> Result<(), FileError> {
    let data = page.get("data").and_then(Value::as_array);
    let Some(data) = data else {
        let place = format!("page {}", number + 1);
        return Err(FileError::value(place, "it has no `data`"));
    };
    theirs.has_more |= page
        .get("has_more")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    for (at, bucket) in data.iter().enumerate() {
        let place = format!("bucket {}", at + 1);
        let (kind, start) = match (bucket.get("start_time"), bucket.get("starting_at")) {
            (Some(start), _) => ("openai", start),
            (None, Some(start)) => ("anthropic", start),
            _ => {
                let what = "it has neither `start_time` nor `starting_at`";
                return Err(FileError::value(place, what));
            }
        };
        theirs.kind = Some(kind);
        let start = start
            .as_str()
            .map_or_else(|| start.to_string(), str::to_owned);
        let start = day(&start).ok_or_else(|| FileError::value(&place, "its start is no time"))?;
        let results = bucket.get("results").and_then(Value::as_array);
        for result in results.into_iter().flatten() {
            let count = match kind {
                "openai" => openai(result),
                _ => anthropic(result),
            };
            let count = count.ok_or_else(|| {
                FileError::value(&place, "a result has neither tokens nor an amount in USD")
            })?;
            theirs.add(start, model(result), count);
        }
    }
    Ok(())
}

/// OpenAI's costs name a model in `line_item`: `gpt-4o-2024-08-06, input`.
fn model(result: &Value) -> &str {
    let named = result.get("model").or_else(|| result.get("line_item"));
    super::csv::line_item(named.and_then(Value::as_str).unwrap_or_default())
}

fn openai(result: &Value) -> Option<Count> {
    if let Some(amount) = result.get("amount") {
        let currency = amount.get("currency").and_then(Value::as_str);
        let is_usd = currency.is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
        return cost(amount.get("value").filter(|_| is_usd)?, 1);
    }
    tokens(
        number(result, "input_tokens"),
        number(result, "output_tokens"),
    )
}

fn anthropic(result: &Value) -> Option<Count> {
    if let Some(amount) = result.get("amount") {
        let currency = result.get("currency").and_then(Value::as_str);
        let is_usd = currency.is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
        return cost(Some(amount).filter(|_| is_usd)?, 100);
    }
    let written = result.get("cache_creation");
    let written = |name: &str| {
        written
            .and_then(|written| number(written, name))
            .unwrap_or(0)
    };
    let of = |name: &str| number(result, name).unwrap_or(0);
    let input = number(result, "uncached_input_tokens")?
        .saturating_add(of("cache_read_input_tokens"))
        .saturating_add(written("ephemeral_5m_input_tokens"))
        .saturating_add(written("ephemeral_1h_input_tokens"));
    tokens(Some(input), number(result, "output_tokens"))
}

fn number(object: &Value, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

fn tokens(input: Option<u64>, output: Option<u64>) -> Option<Count> {
    (input.is_some() || output.is_some()).then_some(Count {
        input_tokens: input.or(Some(0)),
        output_tokens: output.or(Some(0)),
        cost: None,
    })
}

/// An amount of which `parts` are a dollar.
fn cost(amount: &Value, parts: i128) -> Option<Count> {
    let text = amount
        .as_str()
        .map_or_else(|| amount.to_string(), str::to_owned);
    let Amount(pico) = Amount::read(&text)?;
    Some(Count {
        cost: Some(Amount(pico / parts)),
        ..Count::default()
    })
}
