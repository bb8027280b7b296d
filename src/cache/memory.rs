//! Answers in memory, bounded by bytes and, where that is asked for, by number.
//!
//! `quick_cache` is underneath: its policy (a clock with a probation for newcomers and a memory of what it has
//! dropped, like S3-FIFO) keeps what is asked for again when a scan goes through, a look-up takes a shared lock
//! of one shard and moves nothing, and weights are counted exactly. An LRU list would do neither of the first
//! two; `moka` has background work and a look-up that costs several times as much.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use foldhash::fast::RandomState;
use prometheus::IntCounter;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync};
use smallvec::SmallVec;

use super::{Entry, Key};

/// The weight of an answer of the usual size, for the first size of tables.
const USUAL_WEIGHT: usize = 4096;
/// A shard holds at least so many of the longest answers.
const LONGEST_PER_SHARD: usize = 4;

/// What memory may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in all.
    pub bytes: usize,
    /// Answers in all.
    pub entries: Option<usize>,
    /// Bytes of one's body.
    pub entry_bytes: usize,
}

/// The answers in memory.
pub struct Memory {
    table: sync::Cache<Key, Arc<Entry>, Weight, RandomState, Evictions>,
    bounds: Bounds,
}

impl Memory {
    /// An empty one. What it drops to make room is counted in `evictions`.
    pub fn new(bounds: Bounds, evictions: IntCounter) -> Self {
        let usual = (bounds.bytes / USUAL_WEIGHT).max(1);
        let most = bounds.bytes / (LONGEST_PER_SHARD * bounds.entry_bytes).max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Rounded up to a power of two in there.
        let shards = (4 * cores).next_power_of_two().min(previous_power(most));
        let share = |entries: usize| bounds.bytes.div_ceil(entries.max(1));
        let weight = Weight {
            // What is heavier than 97 % of the bound is not let in at all.
            least: bounds
                .entries
                .map_or(0, |entries| share(entries).min(bounds.bytes / 32 * 31)),
        };
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(bounds.entries.map_or(usual, |entries| entries.min(usual)))
            .weight_capacity(bounds.bytes as u64)
            .build();
        let evictions = Evictions(evictions);
        let table = match options {
            Ok(options) => {
                sync::Cache::with_options(options, weight, RandomState::default(), evictions)
            }
            // Both capacities are set above.
            Err(_) => sync::Cache::with(
                usual,
                bounds.bytes as u64,
                weight,
                RandomState::default(),
                evictions,
            ),
        };
        Memory { table, bounds }
    }

    /// What it may hold.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The answer under `key`, if it may still be given.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = self.table.get(key)?;
        if entry.is_fresh(SystemTime::now()) {
            return Some(entry);
        }
        // Not one that has taken its place meanwhile.
        self.table
            .remove_if(key, |other| Arc::ptr_eq(other, &entry));
        None
    }

    /// Keeps an answer. One that is too long is not kept, and one that it would have replaced is gone.
    pub fn put(&self, key: Key, entry: Arc<Entry>) {
        if entry.body.len() > self.bounds.entry_bytes {
            self.table.remove(&key);
        } else {
            self.table.insert(key, entry);
        }
    }

    /// Drops the answer under `key`.
    pub(super) fn remove(&self, key: &Key) {
        self.table.remove(key);
    }

    /// Drops what `is_meant`, and says how many that were.
    pub fn purge(&self, is_meant: impl Fn(&Key, &Entry) -> bool) -> u64 {
        let count = AtomicUsize::new(0);
        self.table.retain(|key, entry| {
            let is_meant = is_meant(key, entry);
            count.fetch_add(usize::from(is_meant), Relaxed);
            !is_meant
        });
        count.into_inner() as u64
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The memory that they take up. Where their number is bounded, each takes up its share at least.
    pub fn bytes(&self) -> u64 {
        self.table.weight()
    }

    /// Takes over what `other` holds.
    pub(super) fn adopt(&self, other: &Memory) {
        for (key, entry) in other.table.iter() {
            self.put(key, entry);
        }
    }
}

/// The largest power of two that is not above `number`; 1 at least.
fn previous_power(number: usize) -> usize {
    match number.checked_ilog2() {
        Some(power) => 1 << power,
        None => 1,
    }
}

/// What an answer takes of the bound. A bound on their number makes each take its share at least.
#[derive(Clone)]
struct Weight {
    least: usize,
}

impl Weighter<Key, Arc<Entry>> for Weight {
    fn weight(&self, _: &Key, entry: &Arc<Entry>) -> u64 {
        entry.weight().max(self.least) as u64
    }
}

/// Counts what is dropped to make room, and lets go of it once no shard is locked.
#[derive(Clone)]
struct Evictions(IntCounter);

impl Lifecycle<Key, Arc<Entry>> for Evictions {
    type RequestState = SmallVec<[Arc<Entry>; 4]>;

    fn on_evict(&self, state: &mut Self::RequestState, _: Key, entry: Arc<Entry>) {
        self.0.inc();
        state.push(entry);
    }
}

#[cfg(test)]
mod tests;
