//! How limits are kept. Cloned handles count into the same metrics.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::cache::RedisMetrics;

/// The metrics of limits and budgets.
#[derive(Clone)]
pub struct LimitMetrics {
    refused: IntCounterVec,
    alerts: IntCounterVec,
    /// Subjects that are remembered.
    pub subjects: IntGauge,
    /// Requests that waited for Redis, because a lease was used up.
    pub waits: IntCounter,
    /// Questions to Redis, those before anybody had to wait included.
    pub redis_calls: IntCounter,
    /// Whether limits are shared through Redis and it answers: 1, or 0 while each replica is on its own. 1 also
    /// where they are not shared.
    pub shared: IntGauge,
    /// Redis under them.
    pub redis: RedisMetrics,
}

impl LimitMetrics {
    /// Declares and registers them.
    ///
    /// # Errors
    /// Only where two have the same name, which a test excludes.
    pub fn new(registry: &Registry, redis: RedisMetrics) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry
                .register(Box::new(counter.clone()))
                .map(|()| counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry
                .register(Box::new(counters.clone()))
                .map(|()| counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let shared = gauge(
            "gateway_limits_shared",
            "0 while limits are to be shared through Redis and it does not answer, so that each replica is on its own.",
        )?;
        shared.set(1);
        Ok(LimitMetrics {
            refused: counters(
                "gateway_limit_refusals_total",
                "Requests refused, by whose limit and which.",
                &["subject", "limit"],
            )?,
            alerts: counters(
                "gateway_budget_alerts_total",
                "Alerts that a budget is used, by what became of them.",
                &["result"],
            )?,
            subjects: gauge(
                "gateway_limit_subjects",
                "Keys, users, teams and others whose use of limits is remembered.",
            )?,
            waits: counter(
                "gateway_limit_redis_waits_total",
                "Times that a request waited for Redis because a lease was used up.",
            )?,
            redis_calls: counter(
                "gateway_limit_redis_calls_total",
                "Questions to Redis about limits.",
            )?,
            shared,
            redis,
        })
    }

    /// A request was refused.
    pub fn refused(&self, subject: &'static str, limit: &'static str) {
        self.refused.with_label_values(&[subject, limit]).inc();
    }

    /// An alert was `sent`, `dropped` or `failed`.
    pub fn alert(&self, result: &'static str) {
        self.alerts.with_label_values(&[result]).inc();
    }
}
