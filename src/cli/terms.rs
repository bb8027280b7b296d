//! Limits, budgets and the like, as options of commands.

use std::{convert::Infallible, fmt::Display, str::FromStr};

use clap::Args;
use serde_json::{Map, Value};

use crate::{
    identity::{Terms, period::Period},
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

/// Under which terms requests are served.
#[derive(Debug, Clone, Default, Args)]
pub struct TermsArguments {
    /// Models that may be used, as names or globs, with commas between; `none` for all
    #[arg(long = "models", alias = "model", value_name = "MODELS")]
    models: Vec<Several>,
    /// Routes that may be used, such as /v1/chat/completions or /v1/*; `none` for all
    #[arg(long = "routes", alias = "route", value_name = "PATHS")]
    routes: Vec<Several>,
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
    /// Tags of every request, with commas between, or `none`
    #[arg(long = "tags", alias = "tag", value_name = "TAGS")]
    tags: Vec<Several>,
    /// What else is to be known, as a JSON object; it replaces what was there
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
}

impl TermsArguments {
    /// Puts what was said into the terms. What was not stays.
    pub(super) fn apply(&self, terms: &mut Terms) {
        several(&mut terms.models, &self.models);
        several(&mut terms.routes, &self.routes);
        several(&mut terms.tags, &self.tags);
        let (limits, budget) = (&mut terms.limits, &mut terms.budget);
        put(&mut limits.requests_per_minute, self.rate_limit.as_ref());
        put(&mut limits.tokens_per_minute, self.token_limit.as_ref());
        put(&mut limits.requests_per_day, self.day_limit.as_ref());
        put(&mut limits.parallel_requests, self.parallel_limit.as_ref());
        put(&mut budget.max, self.budget.as_ref());
        put(&mut budget.soft, self.soft_budget.as_ref());
        put(&mut budget.period, self.budget_period.as_ref());
        if let Some(metadata) = &self.metadata {
            terms.metadata.clone_from(metadata);
        }
    }
}

/// Puts a value in its place, or takes it away, where either was said.
pub(super) fn put<T: Clone>(place: &mut Option<T>, said: Option<&Setting<T>>) {
    match said {
        None => {}
        Some(Setting::None) => *place = None,
        Some(Setting::Some(value)) => *place = Some(value.clone()),
    }
}

fn several(place: &mut Vec<String>, said: &[Several]) {
    if !said.is_empty() {
        *place = said.iter().flat_map(|one| one.0.iter().cloned()).collect();
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "takes a JSON object such as {\"stage\":\"dev\"}".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_replaces_what_was_and_none_takes_it_away() {
        let mut terms = Terms::default();
        let several = |text: &str| vec![text.parse().unwrap()];
        let said = TermsArguments {
            models: vec!["gpt-*, o3".parse().unwrap(), "sonnet".parse().unwrap()],
            rate_limit: Some("100".parse().unwrap()),
            budget: Some("12.5".parse().unwrap()),
            budget_period: Some("monthly".parse().unwrap()),
            ..TermsArguments::default()
        };
        said.apply(&mut terms);
        assert_eq!(terms.models, ["gpt-*", "o3", "sonnet"]);
        assert_eq!(terms.limits.requests_per_minute, Some(100));
        TermsArguments {
            models: several("none"),
            budget: Some(Setting::None),
            ..TermsArguments::default()
        }
        .apply(&mut terms);
        assert!(terms.models.is_empty() && terms.budget.max.is_none());
        assert_eq!(terms.limits.requests_per_minute, Some(100));
        assert!("many".parse::<Setting<u64>>().is_err());
    }
}
