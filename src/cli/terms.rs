//! Limits, budgets and the like, as options of commands.

use std::{convert::Infallible, fmt::Display, str::FromStr};

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    identity::{
        period::Period,
        terms::{Budget, Limits},
    },
    price::Usd,
};

/// A value, or `none` to take one away.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting<T> {
    /// No value.
    None,
    /// This one.
    Some(T),
}

impl<T: FromStr<Err: Display>> FromStr for Setting<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().eq_ignore_ascii_case("none") {
            true => Ok(Setting::None),
            false => text
                .parse()
                .map(Setting::Some)
                .map_err(|error: T::Err| error.to_string()),
        }
    }
}

/// Several values, with commas between; `none` for none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Several(Vec<String>);

impl FromStr for Several {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let values = match text.trim().eq_ignore_ascii_case("none") {
            true => Vec::new(),
            false => text
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect(),
        };
        Ok(Several(values))
    }
}

/// How much may be asked for, and spent.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitArguments {
    /// Requests a minute, or `none`
    #[arg(long, alias = "rpm", value_name = "RPM")]
    rate_limit: Option<Setting<u64>>,
    /// Tokens a minute, or `none`
    #[arg(long, alias = "tpm", value_name = "TPM")]
    token_limit: Option<Setting<u64>>,
    /// Requests a day, or `none`
    #[arg(long, alias = "rpd", value_name = "RPD")]
    day_limit: Option<Setting<u64>>,
    /// Requests at once, or `none`
    #[arg(long, value_name = "COUNT")]
    parallel_limit: Option<Setting<u64>>,
    /// Dollars that may be spent, or `none`
    #[arg(long, value_name = "USD")]
    budget: Option<Setting<Usd>>,
    /// Dollars beyond which it is said, or `none`
    #[arg(long, value_name = "USD")]
    soft_budget: Option<Setting<Usd>>,
    /// After which the budget begins anew: 30d, 1mo, weekly; `none` for never
    #[arg(long, value_name = "PERIOD")]
    budget_period: Option<Setting<Period>>,
}

/// Under which terms requests are served.
#[derive(Debug, Clone, Default, Args)]
pub struct TermsArguments {
    /// Models that may be used, as names or globs, with commas between; `none` for all
    #[arg(long = "models", alias = "model", value_name = "MODELS")]
    models: Vec<Several>,
    /// Routes that may be used, such as /v1/chat/completions or /v1/*; `none` for all
    #[arg(long = "routes", alias = "route", value_name = "PATHS")]
    routes: Vec<Several>,
    #[command(flatten)]
    limits: LimitArguments,
    /// Tags of every request, with commas between, or `none`
    #[arg(long = "tags", alias = "tag", value_name = "TAGS")]
    tags: Vec<Several>,
    /// What else is to be known, as a JSON object; it replaces what was there
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
}

impl LimitArguments {
    /// Whether one of several that are replaced together is said: then the others must be known.
    pub(super) fn is_partial(&self) -> bool {
        self.says_limits() || self.says_budget()
    }

    /// Puts what was said into a change of `current`.
    pub(super) fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        let known = |name| {
            current
                .and_then(|current: &Value| current.get(name))
                .cloned()
        };
        if self.says_limits() {
            let limits = known("limits").and_then(|known| serde_json::from_value(known).ok());
            let mut limits: Limits = limits.unwrap_or_default();
            put(&mut limits.requests_per_minute, self.rate_limit.as_ref());
            put(&mut limits.tokens_per_minute, self.token_limit.as_ref());
            put(&mut limits.requests_per_day, self.day_limit.as_ref());
            put(&mut limits.parallel_requests, self.parallel_limit.as_ref());
            body.insert("limits".to_owned(), json!(limits));
        }
        if self.says_budget() {
            let budget = known("budget").and_then(|known| serde_json::from_value(known).ok());
            let mut budget: Budget = budget.unwrap_or_default();
            put(&mut budget.max, self.budget.as_ref());
            put(&mut budget.soft, self.soft_budget.as_ref());
            put(&mut budget.period, self.budget_period.as_ref());
            body.insert("budget".to_owned(), json!(budget));
        }
    }

    fn says_limits(&self) -> bool {
        let limits = [
            &self.rate_limit,
            &self.token_limit,
            &self.day_limit,
            &self.parallel_limit,
        ];
        limits.into_iter().any(Option::is_some)
    }

    fn says_budget(&self) -> bool {
        self.budget.is_some() || self.soft_budget.is_some() || self.budget_period.is_some()
    }
}

impl TermsArguments {
    /// Whether one of several that are replaced together is said: then the others must be known.
    pub(super) fn is_partial(&self) -> bool {
        self.limits.is_partial()
    }

    /// Puts what was said into a change of `current`. What was not stays.
    pub(super) fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        for (name, said) in [
            ("models", &self.models),
            ("routes", &self.routes),
            ("tags", &self.tags),
        ] {
            if !said.is_empty() {
                let values: Vec<&String> = said.iter().flat_map(|one| &one.0).collect();
                body.insert(name.to_owned(), json!(values));
            }
        }
        self.limits.say(body, current);
        if let Some(metadata) = &self.metadata {
            body.insert("metadata".to_owned(), json!(metadata));
        }
    }
}

/// Puts a value in its place, or takes it away, where either was said.
fn put<T: Clone>(place: &mut Option<T>, said: Option<&Setting<T>>) {
    match said {
        None => {}
        Some(Setting::None) => *place = None,
        Some(Setting::Some(value)) => *place = Some(value.clone()),
    }
}

/// Puts a value into a change, or that there is to be none, where either was said.
pub(super) fn say<T: Serialize>(
    body: &mut Map<String, Value>,
    name: &str,
    said: Option<&Setting<T>>,
) {
    let value = match said {
        None => return,
        Some(Setting::None) => Value::Null,
        Some(Setting::Some(value)) => json!(value),
    };
    body.insert(name.to_owned(), value);
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "takes a JSON object such as {\"stage\":\"dev\"}".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_replaces_what_was_and_none_takes_it_away() {
        let said = TermsArguments {
            models: vec!["gpt-*, o3".parse().unwrap(), "sonnet".parse().unwrap()],
            limits: LimitArguments {
                rate_limit: Some("100".parse().unwrap()),
                budget: Some("12.5".parse().unwrap()),
                ..LimitArguments::default()
            },
            ..TermsArguments::default()
        };
        let mut body = Map::new();
        said.say(&mut body, None);
        let made = json!(body);
        let expected = json!({
            "models": ["gpt-*", "o3", "sonnet"], "limits": {"requests_per_minute": 100},
            "budget": {"max": "12.5"},
        });
        assert_eq!(made, expected);
        let said = TermsArguments {
            models: vec!["none".parse().unwrap()],
            limits: LimitArguments {
                token_limit: Some("7".parse().unwrap()),
                budget: Some(Setting::None),
                budget_period: Some("monthly".parse().unwrap()),
                ..LimitArguments::default()
            },
            ..TermsArguments::default()
        };
        assert!(said.is_partial() && !TermsArguments::default().is_partial());
        let mut body = Map::new();
        said.say(&mut body, Some(&made));
        let changed = json!({
            "models": [], "limits": {"requests_per_minute": 100, "tokens_per_minute": 7},
            "budget": {"period": "1mo"},
        });
        assert_eq!(json!(body), changed);
        assert!("many".parse::<Setting<u64>>().is_err());
    }
}
