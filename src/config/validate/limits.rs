//! Checks of the `rate_limiting` section, and of the limits of keys and providers.

use super::Check;
use crate::config::{LimitAlgorithm, LimitSet};

const MAX_TIMEOUT_MS: u32 = 10_000;
const MAX_BURST_PERCENT: u32 = 10_000;

impl Check<'_> {
    pub(super) fn limits(&mut self) {
        let section = &self.config.rate_limiting;
        if !(1..=MAX_TIMEOUT_MS).contains(&section.redis_timeout_ms) {
            let message = format!("takes milliseconds from 1 to {MAX_TIMEOUT_MS}");
            self.problem("rate_limiting.redis_timeout_ms", message);
        }
        let is_bucket = section.algorithm == LimitAlgorithm::TokenBucket;
        if is_bucket && !(1..=MAX_BURST_PERCENT).contains(&section.burst_percent) {
            let message = format!("takes percent from 1 to {MAX_BURST_PERCENT}");
            self.problem("rate_limiting.burst_percent", message);
        }
        let alerts = &section.alerts;
        let is_percent = |percent: &u32| (1..=1000).contains(percent);
        if alerts.thresholds_percent.len() > 30 || !alerts.thresholds_percent.iter().all(is_percent)
        {
            let message = "takes up to 30 percentages from 1 to 1000";
            self.problem("rate_limiting.alerts.thresholds_percent", message);
        }
        if let Some(url) = &alerts.webhook_url {
            let is_url = url.parse::<http::Uri>().is_ok_and(|url| {
                url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https"))
            });
            if !is_url {
                let message = "is no URL; write one such as https://example.com/hook";
                self.problem("rate_limiting.alerts.webhook_url", message);
            }
        }
        let named = [
            ("users", &section.users),
            ("teams", &section.teams),
            ("models", &section.models),
            ("tags", &section.tags),
        ];
        let single = [
            ("global", &section.global),
            ("per_user", &section.per_user),
            ("per_model", &section.per_model),
        ];
        for (name, set) in single {
            self.limit_set(&format!("rate_limiting.{name}"), set);
        }
        for (group, sets) in named {
            for (name, set) in sets {
                self.limit_set(&format!("rate_limiting.{group}.{name}"), set);
            }
        }
        for (index, key) in self.config.auth.keys.iter().enumerate() {
            self.limit_set(&format!("auth.keys.{index}.limits"), &key.limits);
        }
        for (name, provider) in &self.config.providers {
            self.limit_set(&format!("providers.{name}.limits"), &provider.limits);
        }
    }

    fn limit_set(&mut self, path: &str, set: &LimitSet) {
        let has_budget = set.max_budget.is_some() || set.soft_budget.is_some();
        if set.budget_duration.is_some() && !has_budget {
            let message = "is the time of a budget that is not there; add `max_budget`";
            self.problem(&format!("{path}.budget_duration"), message);
        }
        if let (Some(soft), Some(max)) = (set.soft_budget, set.max_budget)
            && soft > max
        {
            let message = "is more than `max_budget`, so that it is never reached";
            self.problem(&format!("{path}.soft_budget"), message);
        }
    }
}
