//! Answers that are given again without asking a provider: in memory, in Redis, or in both with memory in
//! front.
//!
//! [`Cache::get`] finds an answer by its [`Key`], [`Cache::put`] keeps one. Neither fails: what cannot be found in
//! time is a miss, what cannot be kept is dropped and counted. [`storage`] is the same for Pingora's proxy.

mod entry;
pub mod flights;
mod memory;
mod purge;
mod record;
mod redis;
pub mod shape;
mod stats;
pub mod storage;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::{config, identity::CacheChoice, telemetry::metrics::cache::CacheMetrics};

pub use entry::{Entry, Key, Labels};
pub use memory::{Bounds, Memory};
use purge::Purges;
pub use purge::{Purged, Selector};
use redis::Redis;
pub use stats::{MemoryStats, RedisStats, Stats};

/// All answers that are kept. One for each process, which never goes away: Pingora's proxy asks for that.
pub struct Cache {
    tiers: ArcSwap<Tiers>,
    /// Another Redis is to be used.
    is_changed: Notify,
    /// Goes up with each purge: what was asked of Redis before one is not taken over after it.
    generation: AtomicU64,
    purges: Purges,
    /// How it serves.
    pub metrics: CacheMetrics,
}

/// Where answers are, by the settings in force.
struct Tiers {
    settings: Arc<config::Cache>,
    memory: Option<Arc<Memory>>,
    redis: Option<Arc<Redis>>,
}

/// Where an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// In memory.
    Memory,
    /// In Redis.
    Redis,
}

/// Whether a request's answer is kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Whether.
    pub is_on: bool,
    /// How long, unless the request says so itself.
    pub ttl: Duration,
}

impl Rules {
    /// Those of the settings, with what the route and, before it, the key has of its own.
    pub fn of(settings: &config::Cache, key: &CacheChoice, route: &CacheChoice) -> Self {
        let is_wanted = key.enabled.or(route.enabled).unwrap_or(settings.enabled);
        Rules {
            is_on: is_wanted && settings.backend != config::CacheBackend::Disabled,
            ttl: key
                .ttl
                .or(route.ttl)
                .unwrap_or_else(|| settings.ttl_seconds.duration()),
        }
    }
}

impl Cache {
    /// An empty one with the usual settings, for as long as the process lives.
    pub fn leak(metrics: CacheMetrics) -> &'static Self {
        let tiers = Tiers::new(config::Cache::default(), None, &metrics);
        Box::leak(Box::new(Cache {
            tiers: ArcSwap::from_pointee(tiers),
            is_changed: Notify::new(),
            generation: AtomicU64::new(0),
            purges: Purges::new(RandomState::new().hash_one("cache")),
            metrics,
        }))
    }

    /// Goes by these settings from now on. What is kept stays, as far as they allow.
    pub fn apply(&self, settings: &config::Cache) {
        let before = self.tiers.load_full();
        if *before.settings != *settings {
            let tiers = Tiers::new(settings.clone(), Some(&before), &self.metrics);
            self.tiers.store(Arc::new(tiers));
            self.is_changed.notify_one();
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<config::Cache> {
        self.tiers.load().settings.clone()
    }

    /// The answer under `key`: from memory, else from Redis within the time that the settings allow.
    pub async fn get(&self, key: &Key) -> Option<(Arc<Entry>, Tier)> {
        let (memory, redis) = {
            let tiers = self.tiers.load();
            if let Some(entry) = tiers.memory.as_ref().and_then(|memory| memory.get(key)) {
                return Some((entry, Tier::Memory));
            }
            let redis = tiers.redis.clone()?;
            (tiers.memory.clone(), redis)
        };
        let generation = self.generation.load(SeqCst);
        let entry = Arc::new(redis.get(key).await?);
        if let Some(memory) = memory {
            memory.put(*key, entry.clone());
            if self.generation.load(SeqCst) != generation {
                memory.remove(key);
            }
        }
        Some((entry, Tier::Redis))
    }

    /// The answer under `key`, if memory has it.
    pub fn get_memory(&self, key: &Key) -> Option<Arc<Entry>> {
        self.tiers.load().memory.as_ref()?.get(key)
    }

    /// Whether there is more to ask than memory: [`Cache::get`] may wait.
    pub fn has_redis(&self) -> bool {
        self.tiers.load().redis.is_some()
    }

    /// Keeps an answer: in memory at once, in Redis soon. Build it with [`Entry::compact`] where its parts come
    /// from larger buffers.
    pub fn put(&self, key: Key, entry: Arc<Entry>) {
        let tiers = self.tiers.load();
        if let Some(redis) = &tiers.redis {
            redis.put(key, entry.clone());
        }
        if let Some(memory) = &tiers.memory {
            memory.put(key, entry);
        }
    }

    /// What goes on beside requests: connections to Redis, writes, purges elsewhere. For as long as it is
    /// polled.
    pub async fn run(&self) {
        loop {
            let tiers = self.tiers.load_full();
            let Some(redis) = &tiers.redis else {
                self.is_changed.notified().await;
                continue;
            };
            let hear = async {
                if tiers.memory.is_some() {
                    self.hear(redis).await;
                }
            };
            let is_changed = async {
                loop {
                    self.is_changed.notified().await;
                    let now = self.tiers.load();
                    let is_same = now
                        .redis
                        .as_ref()
                        .is_some_and(|now| Arc::ptr_eq(now, redis));
                    if !is_same || now.memory.is_some() != tiers.memory.is_some() {
                        return;
                    }
                }
            };
            tokio::select! {
                _ = async { futures::join!(redis.keep(), hear) } => {}
                () = is_changed => {}
            }
        }
    }

    /// Until what waits for Redis has been written, or for a while.
    pub async fn flush(&self) {
        if let Some(redis) = self.redis() {
            redis.flush().await;
        }
    }

    fn begin_generation(&self) {
        self.generation.fetch_add(1, SeqCst);
    }

    fn memory(&self) -> Option<Arc<Memory>> {
        self.tiers.load().memory.clone()
    }

    fn redis(&self) -> Option<Arc<Redis>> {
        self.tiers.load().redis.clone()
    }
}

impl Tiers {
    /// What `settings` ask for. What `before` has is taken over where it may stay.
    fn new(settings: config::Cache, before: Option<&Tiers>, metrics: &CacheMetrics) -> Self {
        let old = before.and_then(|before| before.memory.as_ref());
        let memory = settings
            .in_memory()
            .then(|| memory(&settings, old, metrics));
        let redis = settings
            .in_redis()
            .then(|| redis(&settings, before, metrics));
        Tiers {
            settings: Arc::new(settings),
            memory,
            redis: redis.flatten(),
        }
    }
}

fn memory(
    settings: &config::Cache,
    old: Option<&Arc<Memory>>,
    metrics: &CacheMetrics,
) -> Arc<Memory> {
    let bytes = settings.max_bytes.0;
    let bounds = Bounds {
        bytes,
        entries: settings.max_entries.map(|entries| entries as usize),
        entry_bytes: settings.max_entry_bytes.0.min(bytes / 4),
    };
    if let Some(same) = old.filter(|old| old.bounds() == bounds) {
        return same.clone();
    }
    let memory = Memory::new(bounds, metrics.evictions.clone());
    if let Some(old) = old {
        memory.adopt(old);
    }
    Arc::new(memory)
}

fn redis(
    settings: &config::Cache,
    before: Option<&Tiers>,
    metrics: &CacheMetrics,
) -> Option<Arc<Redis>> {
    let of_redis = |settings: &config::Cache| {
        (
            settings.redis_url.clone(),
            settings.redis_prefix.clone(),
            settings.lookup_timeout_ms,
            settings.max_entry_bytes,
        )
    };
    let old = before.filter(|before| of_redis(&before.settings) == of_redis(settings));
    if let Some(same) = old.and_then(|old| old.redis.clone()) {
        return Some(same);
    }
    match Redis::new(settings, metrics) {
        Ok(redis) => Some(Arc::new(redis)),
        Err(problem) => {
            log::error!("no answers are kept in redis: {problem}");
            None
        }
    }
}

#[cfg(test)]
mod tests;
