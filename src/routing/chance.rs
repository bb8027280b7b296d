//! Random numbers where nobody could gain by guessing them.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A random number below `count`; 0 where that is 0.
pub fn below(count: u64) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = KEYS.hash_one(NUMBER.fetch_add(1, Ordering::Relaxed));
    number.checked_rem(count).unwrap_or_default()
}

/// A random place in a list of `count`; none in an empty one.
pub fn place(count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(below(count)).ok()
}
