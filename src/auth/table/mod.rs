//! The store's keys, in memory: found at the same price whether there is one or a million. Shared by all
//! snapshots; `tasks` keeps it up to date while requests read it.

mod groups;
mod load;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;
use subtle::ConstantTimeEq;

use crate::{
    error::Fault,
    identity::{Identity, virtual_key::Hash},
    store,
};
pub use groups::{GroupKind, Groups, standing};
pub use load::Loader;

/// A change of one key stops the readers of a sixty-fourth of all.
const SHARDS: usize = 64;

/// The store's keys.
pub struct KeyTable {
    shards: Vec<RwLock<Shard>>,
    /// Those whom keys belong to.
    pub groups: Groups,
    count: AtomicUsize,
    is_loaded: AtomicBool,
    had_keys: AtomicBool,
    /// Of the loading under way, or of the last one.
    generation: AtomicU32,
}

/// By the hash's first sixteen bytes, which no two keys share; the rest is compared in constant time.
type Shard = HashMap<u128, Entry, BuildHasherDefault<Plain>>;

struct Entry {
    rest: [u8; 16],
    /// Until when it may be used, in milliseconds since 1970.
    until: i64,
    /// Why it may not be used before that either; `None` where it may.
    fault: Option<Fault>,
    /// Whether it is from before a rotation.
    is_retired: bool,
    generation: u32,
    identity: Arc<Identity>,
}

/// What is known of a key.
pub enum Found {
    /// Whose it is.
    Usable(Arc<Identity>),
    /// Whose it is, and why it may not be used.
    Refused(Fault, Arc<Identity>),
    /// Nothing.
    Nothing,
}

impl Default for KeyTable {
    fn default() -> Self {
        KeyTable {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            groups: Groups::default(),
            count: AtomicUsize::new(0),
            is_loaded: AtomicBool::new(false),
            had_keys: AtomicBool::new(false),
            generation: AtomicU32::new(0),
        }
    }
}

impl KeyTable {
    /// A table that is complete as it is: where there is no store.
    pub fn loaded() -> Self {
        let table = KeyTable::default();
        table.is_loaded.store(true, Ordering::Relaxed);
        table
    }

    /// What is known of the key with that hash.
    pub fn find(&self, hash: &Hash) -> Found {
        let (place, rest) = split(hash);
        let Some(shard) = self.shard(place) else {
            return Found::Nothing;
        };
        let shard = shard.read();
        let Some(entry) = shard.get(&place) else {
            return Found::Nothing;
        };
        if !bool::from(entry.rest.ct_eq(&rest)) {
            return Found::Nothing;
        }
        // Before it is cloned: that would hold up the look at it.
        let fault = entry.fault(&entry.identity);
        let identity = entry.identity.clone();
        match fault {
            None => Found::Usable(identity),
            Some(fault) => Found::Refused(fault, identity),
        }
    }

    /// Whether all keys have been read.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    /// Whether there are keys, or were since the process began.
    pub fn has_keys(&self) -> bool {
        self.had_keys.load(Ordering::Relaxed)
    }

    /// Whether all have been read, and there were none since the process began.
    pub fn is_known_empty(&self) -> bool {
        self.is_loaded() && !self.has_keys()
    }

    /// How many keys there are, those included that may not be used.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn shard(&self, place: u128) -> Option<&RwLock<Shard>> {
        // The low bits find the place within a shard.
        let shard = usize::try_from(place >> 122).unwrap_or(0);
        self.shards.get(shard)
    }

    fn put(&self, hash: &Hash, entry: Entry) {
        let (place, _) = split(hash);
        let before = self
            .shard(place)
            .and_then(|shard| shard.write().insert(place, entry));
        if before.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.had_keys.store(true, Ordering::Relaxed);
    }

    fn remove(&self, hash: &Hash) {
        let (place, _) = split(hash);
        let before = self
            .shard(place)
            .and_then(|shard| shard.write().remove(&place));
        if before.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Entry {
    /// Why it may not be used now.
    fn fault(&self, identity: &Identity) -> Option<Fault> {
        if let Some(fault) = self.fault {
            return Some(fault);
        }
        // Most never end, and need not know what time it is.
        if self.until != i64::MAX && self.until <= store::now() {
            return Some(match self.is_retired {
                true => Fault::Rotated,
                false => Fault::Expired,
            });
        }
        let mut groups = identity.profile.as_ref()?.groups();
        let is_blocked = groups.any(|group| group.now().blocked);
        is_blocked.then_some(Fault::GroupBlocked)
    }
}

fn split(hash: &Hash) -> (u128, [u8; 16]) {
    let (mut place, mut rest) = ([0; 16], [0; 16]);
    for (to, from) in place.iter_mut().chain(&mut rest).zip(hash) {
        *to = *from;
    }
    (u128::from_le_bytes(place), rest)
}

/// SHA-256 is as even as any hash of it would be, and nobody who looks a key up chooses those that are
/// there.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u128(&mut self, place: u128) {
        self.0 = place as u64;
    }
}

#[cfg(test)]
mod tests;
