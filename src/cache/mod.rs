//! Answers that are given again without asking a provider: in memory, in Redis, or in both with memory in
//! front.
//!
//! [`Cache::get`] finds an answer by its [`Key`], [`Cache::put`] keeps one. Neither fails: what cannot be found in
//! time is a miss, what cannot be kept is dropped and counted. [`storage`] is the same for Pingora's proxy.

mod entry;
pub mod flights;
mod memory;
mod purge;
pub mod shape;
mod stats;
pub mod storage;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{config, identity::CacheChoice, telemetry::metrics::cache::CacheMetrics};

pub use entry::{Entry, Key, Labels};
pub use memory::{Bounds, Memory};
pub use purge::{Purged, Selector};
pub use stats::Stats;

/// All answers that are kept. One for each process, which never goes away: Pingora's proxy asks for that.
pub struct Cache {
    tiers: ArcSwap<Tiers>,
    /// How it serves.
    pub metrics: CacheMetrics,
}

/// Where answers are, by the settings in force.
struct Tiers {
    settings: Arc<config::Cache>,
    memory: Option<Arc<Memory>>,
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
    pub ttl: std::time::Duration,
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
        let settings = config::Cache::default();
        let tiers = Tiers::new(settings, None, &metrics);
        Box::leak(Box::new(Cache {
            tiers: ArcSwap::from_pointee(tiers),
            metrics,
        }))
    }

    /// Goes by these settings from now on. What is kept stays, as far as they allow.
    pub fn apply(&self, settings: &config::Cache) {
        let before = self.tiers.load_full();
        if *before.settings != *settings {
            let tiers = Tiers::new(settings.clone(), Some(&before), &self.metrics);
            self.tiers.store(Arc::new(tiers));
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<config::Cache> {
        self.tiers.load().settings.clone()
    }

    /// The answer under `key`: from memory, else from Redis within the time that the settings allow.
    pub async fn get(&self, key: &Key) -> Option<(Arc<Entry>, Tier)> {
        if let Some(entry) = self.get_memory(key) {
            return Some((entry, Tier::Memory));
        }
        None
    }

    /// The answer under `key`, if memory has it.
    pub fn get_memory(&self, key: &Key) -> Option<Arc<Entry>> {
        self.tiers.load().memory.as_ref()?.get(key)
    }

    /// Keeps an answer: in memory at once, in Redis soon.
    pub fn put(&'static self, key: Key, entry: Arc<Entry>) {
        let tiers = self.tiers.load();
        if let Some(memory) = &tiers.memory {
            memory.put(key, entry);
        }
    }

    /// Drops what `selector` means, here, in Redis and in the memory of other replicas.
    pub async fn purge(&self, selector: Selector) -> Purged {
        let memory = self.memory();
        let memory = memory.map_or(0, |memory| {
            memory.purge(|_, entry| selector.matches(&entry.labels))
        });
        Purged {
            memory,
            ..Purged::default()
        }
    }

    /// What it holds, and how it has served.
    pub fn stats(&self) -> Stats {
        let Some(memory) = self.memory() else {
            return Stats::default();
        };
        Stats {
            entries: memory.len() as u64,
            bytes: memory.bytes(),
            max_bytes: memory.bounds().bytes as u64,
        }
    }

    /// Drops the one answer whose key begins so.
    async fn forget(&self, short: &[u8; 16]) -> bool {
        let memory = self.memory();
        memory.is_some_and(|memory| memory.purge(|key, _| key.0.starts_with(short)) > 0)
    }

    fn memory(&self) -> Option<Arc<Memory>> {
        self.tiers.load().memory.clone()
    }
}

impl Tiers {
    /// What `settings` ask for. What `before` has is taken over where it may stay.
    fn new(settings: config::Cache, before: Option<&Tiers>, metrics: &CacheMetrics) -> Self {
        let bounds = Bounds {
            bytes: settings.max_bytes.0,
            entries: settings.max_entries.map(|entries| entries as usize),
            entry_bytes: settings.max_entry_bytes.0,
        };
        let memory = settings.in_memory().then(|| {
            let old = before.and_then(|before| before.memory.as_ref());
            if let Some(same) = old.filter(|old| old.bounds() == bounds) {
                return same.clone();
            }
            let memory = Memory::new(bounds, metrics.evictions.clone());
            if let Some(old) = old {
                memory.adopt(old);
            }
            Arc::new(memory)
        });
        Tiers {
            settings: Arc::new(settings),
            memory,
        }
    }
}
