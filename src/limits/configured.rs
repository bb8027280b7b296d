//! From what operators wrote to what holds.

use std::time::Duration;

use super::{
    Settings, WhileAway,
    edge::EdgeLimits,
    rate::Algorithm,
    subject::{Rules, SpendRules},
};
use crate::config::{
    BudgetAlerts, EdgeGuard, LimitAlgorithm, LimitSet, RateLimiting, WhileRedisIsAway,
};

impl From<&RateLimiting> for Settings {
    fn from(section: &RateLimiting) -> Self {
        let BudgetAlerts {
            thresholds_percent,
            webhook_url,
            ..
        } = &section.alerts;
        Settings {
            algorithm: match section.algorithm {
                LimitAlgorithm::TokenBucket => {
                    Algorithm::TokenBucket(section.burst_percent.saturating_mul(10))
                }
                LimitAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
            },
            while_away: match section.while_redis_is_away {
                WhileRedisIsAway::Local => WhileAway::Local,
                WhileRedisIsAway::Reject => WhileAway::Reject,
            },
            patience: Duration::from_millis(u64::from(section.redis_timeout_ms)),
            thresholds: thresholds_percent.clone(),
            alerts: section.enabled && webhook_url.is_some(),
        }
    }
}

impl From<&LimitSet> for Rules {
    fn from(set: &LimitSet) -> Self {
        let is_set = set.max_budget.is_some() || set.soft_budget.is_some();
        Rules {
            requests_per_minute: set.rpm,
            tokens_per_minute: set.tpm,
            requests_per_day: set.rpd,
            tokens_per_day: set.tpd,
            parallel: set.max_parallel_requests,
            spend: is_set.then_some(SpendRules {
                max: set.max_budget,
                soft: set.soft_budget,
                period: set.budget_duration,
                // So that all replicas, and each whenever it asks, mean the same period: by the calendar's beginning.
                since: Some(0),
            }),
        }
    }
}

impl From<&EdgeGuard> for EdgeLimits {
    fn from(guard: &EdgeGuard) -> Self {
        EdgeLimits {
            requests_per_second: guard.requests_per_second,
            parallel_per_address: guard.parallel_per_address,
            parallel: guard.parallel,
            addresses: usize::try_from(guard.addresses).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Now, spend::Spend};

    #[test]
    fn budgets_of_the_configuration_follow_the_calendar() {
        let set = LimitSet {
            max_budget: Some(crate::price::Usd::from_pico(1)),
            budget_duration: Some("1mo".parse().unwrap()),
            ..LimitSet::default()
        };
        let rules = Rules::from(&set).spend.unwrap();
        let mut spend = Spend::default();
        // 2026-02-14.
        let now = Now {
            nanos: 0,
            wall: (20_454 + 44) * 86_400_000,
        };
        spend.advance(&rules, now.wall);
        assert_eq!(spend.since, Some((20_454 + 31) * 86_400_000));
        assert_eq!(spend.end, Some((20_454 + 59) * 86_400_000));
    }

    #[test]
    fn a_budget_without_a_period_has_one_beginning_whenever_it_is_asked_for() {
        let set = LimitSet {
            max_budget: Some(crate::price::Usd::from_pico(1)),
            ..LimitSet::default()
        };
        let rules = Rules::from(&set).spend.unwrap();
        assert_eq!(rules.period_at(1000), rules.period_at(2000));
        assert_eq!(rules.period_at(1000).1, None);
    }
}
