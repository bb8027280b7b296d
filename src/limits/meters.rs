//! The meters of all subjects, found by kind and id. Those that would be no different if they were new are forgotten.

use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::{Now, rate::Algorithm, state::State, subject::Kind};

const SHARDS: usize = 64;
const KINDS: [Kind; 11] = [
    Kind::KeyModel,
    Kind::Key,
    Kind::User,
    Kind::Tag,
    Kind::TeamModel,
    Kind::Team,
    Kind::Project,
    Kind::Shared,
    Kind::Model,
    Kind::Provider,
    Kind::Global,
];

/// What one subject has used. Whoever meets it often may keep it.
pub struct Meter {
    pub(super) kind: Kind,
    pub(super) id: Arc<str>,
    pub(super) state: Mutex<State>,
    /// Redis has answered.
    pub(super) answered: Notify,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Meter({:?} {})", self.kind, self.id)
    }
}

type Shard = RwLock<HashMap<Arc<str>, Arc<Meter>, RandomState>>;

/// All meters.
pub(super) struct Meters {
    kinds: Box<[Box<[Shard]>]>,
    /// Where tidying goes on.
    next: AtomicUsize,
}

impl Meters {
    pub fn new() -> Self {
        let shards = || (0..SHARDS).map(|_| Shard::default()).collect();
        Meters {
            kinds: KINDS.iter().map(|_| shards()).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The meter of a subject.
    pub fn of(&self, kind: Kind, id: &str) -> Arc<Meter> {
        let Some(shard) = self.shard(kind, id) else {
            // Not reached: every kind has its shards.
            return meter(kind, id);
        };
        if let Some(meter) = shard.read().get(id) {
            return meter.clone();
        }
        let mut shard = shard.write();
        if let Some(meter) = shard.get(id) {
            return meter.clone();
        }
        let meter = meter(kind, id);
        shard.insert(meter.id.clone(), meter.clone());
        meter
    }

    /// The meter of a subject that has one.
    pub fn find(&self, kind: Kind, id: &str) -> Option<Arc<Meter>> {
        self.shard(kind, id)?.read().get(id).cloned()
    }

    fn shard(&self, kind: Kind, id: &str) -> Option<&Shard> {
        // Ids differ at their ends.
        let bytes = id.as_bytes().iter().rev().take(8);
        let end = bytes.fold(0_u64, |end, byte| end << 8 | u64::from(*byte));
        let mixed = end.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        let kind = KINDS.iter().position(|other| *other == kind)?;
        let place = usize::try_from(mixed).unwrap_or(0) % SHARDS;
        self.kinds.get(kind)?.get(place)
    }

    /// Shows all of a kind.
    pub fn each(&self, kind: Kind, mut show: impl FnMut(&Arc<Meter>)) {
        let place = KINDS.iter().position(|other| *other == kind);
        let shards = place.and_then(|place| self.kinds.get(place));
        for shard in shards.into_iter().flatten() {
            shard.read().values().for_each(&mut show);
        }
    }

    /// Shows all.
    pub fn every(&self, mut show: impl FnMut(&Arc<Meter>)) {
        for shard in self.kinds.iter().flatten() {
            shard.read().values().for_each(&mut show);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let shards = self.kinds.iter().flatten();
        shards.map(|shard| shard.read().len()).sum()
    }

    /// Looks through this part of the meters: forgets those that nobody holds and that would be no different if they
    /// were new, and shows the others.
    pub fn tidy(
        &self,
        shards: usize,
        algorithm: Algorithm,
        now: Now,
        mut show: impl FnMut(&Arc<Meter>),
    ) {
        for _ in 0..shards.min(SHARDS * KINDS.len()) {
            let place = self.next.fetch_add(1, Relaxed) % (SHARDS * KINDS.len());
            let shard = self.kinds.iter().flatten().nth(place);
            let Some(shard) = shard else { continue };
            if shard.read().is_empty() {
                continue;
            }
            let mut shard = shard.write();
            shard.retain(|_, meter| {
                show(meter);
                // New holders come by this map alone, or from another one.
                Arc::strong_count(meter) > 1 || !meter.state.lock().is_idle(algorithm, now)
            });
            if shard.capacity() > 4 * shard.len() + 64 {
                shard.shrink_to_fit();
            }
        }
    }

    /// Shards in all.
    pub fn shards() -> usize {
        SHARDS * KINDS.len()
    }
}

fn meter(kind: Kind, id: &str) -> Arc<Meter> {
    Arc::new(Meter {
        kind,
        id: id.into(),
        state: Mutex::default(),
        answered: Notify::new(),
    })
}
