//! What the cache holds and how it has served.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cache;
use crate::{config::CacheBackend, telemetry::metrics::cache::HitKind};

/// What the cache holds and how it has served since the process began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// Whether answers are kept, unless a route or a key says otherwise.
    pub enabled: bool,
    /// Where.
    pub backend: CacheBackend,
    /// How long, in seconds.
    pub ttl_seconds: f64,
    /// What memory holds; `None` where it is not in use.
    pub memory: Option<MemoryStats>,
    /// How Redis does; `None` where it is not in use.
    pub redis: Option<RedisStats>,
    /// Requests answered without a call of their own, by where the answer came from.
    pub hits: BTreeMap<String, u64>,
    /// Requests whose answer was looked for and not found.
    pub misses: u64,
    /// Hits among the requests whose answer was looked for, from 0 to 1; `None` before the first.
    pub hit_rate: Option<f64>,
    /// Requests whose answer was not looked for, by reason.
    pub bypasses: BTreeMap<String, u64>,
    /// Tokens of the answers that were given again.
    pub saved_tokens: u64,
    /// What those would have cost, where the price is known.
    pub saved_usd: f64,
}

/// What memory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryStats {
    /// Answers.
    pub entries: u64,
    /// How many there may be.
    pub max_entries: Option<u64>,
    /// The bytes that they take up.
    pub bytes: u64,
    /// The bytes that they may take up.
    pub max_bytes: u64,
    /// Answers that were dropped to make room.
    pub evictions: u64,
}

/// How Redis does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedisStats {
    /// Its servers, and whether each is asked.
    pub servers: BTreeMap<String, bool>,
    /// Calls that failed.
    pub errors: u64,
    /// Calls without an answer in time.
    pub timeouts: u64,
    /// Answers that were not written there.
    pub dropped_writes: u64,
}

impl Cache {
    /// What it holds, and how it has served.
    pub fn stats(&self) -> Stats {
        let settings = self.settings();
        let metrics = &self.metrics;
        let kinds = [HitKind::Memory, HitKind::Redis, HitKind::Coalesced];
        let hits = kinds.map(|kind| (kind.name().to_owned(), metrics.hits(kind)));
        let all_hits: u64 = hits.iter().map(|(_, count)| count).sum();
        let misses = metrics.misses.get();
        let looked = all_hits + misses;
        Stats {
            enabled: settings.enabled,
            backend: settings.backend,
            ttl_seconds: settings.ttl_seconds.0,
            memory: self.memory_stats(),
            redis: self.redis_stats(),
            hits: hits.into(),
            misses,
            hit_rate: (looked > 0).then(|| all_hits as f64 / looked as f64),
            bypasses: metrics.bypasses().into_iter().collect(),
            saved_tokens: metrics.saved_tokens.get(),
            saved_usd: metrics.saved_usd.get(),
        }
    }

    /// Brings those metrics up to date that are looked at rather than counted.
    pub fn refresh_gauges(&self) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let memory = self.memory_stats();
        let memory = memory.map_or((0, 0), |memory| (memory.bytes, memory.entries));
        self.metrics.bytes.set(gauge(memory.0));
        self.metrics.entries.set(gauge(memory.1));
        let servers = self.redis_stats().map(|redis| redis.servers);
        let servers = servers.unwrap_or_default();
        let up = servers.values().filter(|is_up| **is_up).count();
        self.metrics.redis.servers.set(gauge(servers.len() as u64));
        self.metrics.redis.up.set(gauge(up as u64));
    }

    fn memory_stats(&self) -> Option<MemoryStats> {
        let memory = self.memory()?;
        let bounds = memory.bounds();
        Some(MemoryStats {
            entries: memory.len() as u64,
            max_entries: bounds.entries.map(|entries| entries as u64),
            bytes: memory.bytes(),
            max_bytes: bounds.bytes as u64,
            evictions: self.metrics.evictions.get(),
        })
    }

    fn redis_stats(&self) -> Option<RedisStats> {
        let redis = self.redis()?;
        let nodes = redis.client.nodes();
        Some(RedisStats {
            servers: nodes
                .iter()
                .map(|node| (node.address.clone(), node.is_up()))
                .collect(),
            errors: self.metrics.redis.errors.get(),
            timeouts: self.metrics.redis.timeouts.get(),
            dropped_writes: self.metrics.dropped_writes.get(),
        })
    }
}
