//! How the cache serves, and Redis under it. Cloned handles count into the same metrics.

use prometheus::{Counter, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

use crate::{chat::usage::Usage, price::Usd};

/// The metrics of the cache.
#[derive(Clone)]
pub struct CacheMetrics {
    hits: IntCounterVec,
    bypass: IntCounterVec,
    /// Requests whose answer was looked for and not found.
    pub misses: IntCounter,
    /// Answers dropped from memory to make room.
    pub evictions: IntCounter,
    /// Answers that did not get to Redis: it was away, or too many were waiting.
    pub dropped_writes: IntCounter,
    /// The memory that answers take up.
    pub bytes: IntGauge,
    /// Answers in memory.
    pub entries: IntGauge,
    /// Tokens of answers that were given again, as the provider had counted them.
    pub saved_tokens: IntCounter,
    /// What those would have cost.
    pub saved_usd: Counter,
    /// How Redis does.
    pub redis: RedisMetrics,
}

/// How a Redis server does.
#[derive(Clone)]
pub struct RedisMetrics {
    /// Calls that failed.
    pub errors: IntCounter,
    /// Calls without an answer in time.
    pub timeouts: IntCounter,
    /// How many servers are in use.
    pub servers: IntGauge,
    /// How many servers are asked; those that do not answer are left alone for a while.
    pub up: IntGauge,
}

/// How a request came by an answer without a call of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitKind {
    /// From memory.
    Memory,
    /// From Redis.
    Redis,
    /// From a request that was under way.
    Coalesced,
}

impl HitKind {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            HitKind::Memory => "memory",
            HitKind::Redis => "redis",
            HitKind::Coalesced => "coalesced",
        }
    }
}

impl CacheMetrics {
    /// Declares and registers them.
    ///
    /// # Errors
    /// Only where two have the same name, which a test excludes.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| register(registry, IntCounter::new(name, help)?);
        let gauge = |name, help| register(registry, IntGauge::new(name, help)?);
        let by = |name: &str, help: &str, label| {
            let vec = IntCounterVec::new(Opts::new(name, help), &[label])?;
            register(registry, vec)
        };
        Ok(CacheMetrics {
            hits: by(
                "gateway_cache_hits_total",
                "Requests answered without a call of their own; kind is memory, redis or coalesced.",
                "kind",
            )?,
            bypass: by(
                "gateway_cache_bypass_total",
                "Requests whose answer was not looked for, by reason.",
                "reason",
            )?,
            misses: counter(
                "gateway_cache_misses_total",
                "Requests whose answer was looked for and not found.",
            )?,
            evictions: counter(
                "gateway_cache_evictions_total",
                "Answers dropped from memory to make room.",
            )?,
            dropped_writes: counter(
                "gateway_cache_dropped_writes_total",
                "Answers that did not get to Redis: it was away, or too many were waiting.",
            )?,
            bytes: gauge(
                "gateway_cache_bytes",
                "The memory that kept answers take up.",
            )?,
            entries: gauge("gateway_cache_entries", "Answers in memory.")?,
            saved_tokens: counter(
                "gateway_cache_saved_tokens_total",
                "Tokens of answers that were given again.",
            )?,
            saved_usd: register(
                registry,
                Counter::new(
                    "gateway_cache_saved_usd_total",
                    "What answers that were given again would have cost, where the price is known.",
                )?,
            )?,
            redis: RedisMetrics {
                errors: counter("gateway_redis_errors_total", "Calls to Redis that failed.")?,
                timeouts: counter(
                    "gateway_redis_timeouts_total",
                    "Calls to Redis without an answer in time.",
                )?,
                servers: gauge("gateway_redis_servers", "Redis servers that are in use.")?,
                up: gauge(
                    "gateway_redis_servers_up",
                    "Redis servers that are asked; those that do not answer are left alone for a while.",
                )?,
            },
        })
    }

    /// A request was answered without a call of its own. `usage` and `cost` are those of the first answer.
    pub fn hit(&self, kind: HitKind, usage: Option<&Usage>, cost: Option<Usd>) {
        self.hits.with_label_values(&[kind.name()]).inc();
        self.saved_tokens.inc_by(usage.map_or(0, Usage::total));
        self.saved_usd.inc_by(cost.map_or(0.0, Usd::dollars));
    }

    /// A request's answer was not looked for. `reason` is one of a few words.
    pub fn bypass(&self, reason: &'static str) {
        self.bypass.with_label_values(&[reason]).inc();
    }

    /// Requests that were answered so.
    pub fn hits(&self, kind: HitKind) -> u64 {
        self.hits.with_label_values(&[kind.name()]).get()
    }

    /// Requests whose answer was not looked for, by reason.
    pub fn bypasses(&self) -> Vec<(String, u64)> {
        let families = self.bypass.collect();
        let all = families.iter().flat_map(|family| family.get_metric());
        all.filter_map(|metric| {
            let label = metric.get_label().first()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count"
            )]
            let count = metric.get_counter().get_value() as u64;
            Some((label.value().to_owned(), count))
        })
        .collect()
    }
}

fn register<Metric: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Metric,
) -> prometheus::Result<Metric> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
