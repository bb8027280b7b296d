use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::cache::Labels;

fn memory(bytes: usize, entries: Option<usize>) -> Memory {
    counted(
        bytes,
        entries,
        &IntCounter::new("evictions", "test").unwrap(),
    )
}

fn counted(bytes: usize, entries: Option<usize>, evictions: &IntCounter) -> Memory {
    let bounds = Bounds {
        bytes,
        entries,
        entry_bytes: bytes / 4,
    };
    Memory::new(bounds, evictions.clone())
}

fn key(number: u64) -> Key {
    use sha2::{Digest, Sha256};
    Key(Sha256::digest(number.to_le_bytes()).into())
}

fn entry(length: usize) -> Arc<Entry> {
    Arc::new(Entry {
        labels: Labels::default(),
        fingerprint: [0; 32],
        is_stream: false,
        headers: Vec::new(),
        body: Bytes::from(vec![b'x'; length].into_boxed_slice()),
        usage: None,
        created: SystemTime::now(),
        ttl: Duration::from_secs(3600),
    })
}

#[test]
fn what_is_put_is_found_until_it_expires() {
    let memory = memory(1 << 20, None);
    memory.put(key(1), entry(10));
    assert_eq!(memory.get(&key(1)).unwrap().body.len(), 10);
    assert!(memory.get(&key(2)).is_none());

    let mut old = (*entry(10)).clone();
    old.created = SystemTime::now() - Duration::from_secs(3601);
    memory.put(key(1), Arc::new(old));
    assert!(memory.get(&key(1)).is_none());
    assert!(memory.is_empty(), "an expired answer takes up memory");
}

#[test]
fn what_is_too_long_is_not_kept_and_takes_the_place_of_nothing_else() {
    let memory = memory(1 << 20, None);
    memory.put(key(1), entry(10));
    memory.put(key(2), entry(10));
    memory.put(key(2), entry((1 << 18) + 1));
    assert!(memory.get(&key(2)).is_none(), "the old answer is outdated");
    assert!(memory.get(&key(1)).is_some());
    memory.put(key(3), entry(1 << 18));
    assert!(memory.get(&key(3)).is_some());
}

#[test]
fn their_number_is_bounded_too() {
    for most in [1, 10, 100, 5000] {
        let memory = memory(64 << 20, Some(most));
        for number in 0..20_000 {
            memory.put(key(number), entry(10));
        }
        assert!(memory.len() <= most, "{} of {most}", memory.len());
        assert!(memory.len() * 10 >= most * 9, "{} of {most}", memory.len());
    }
}

#[test]
fn a_scan_leaves_what_is_asked_for_again() {
    let memory = memory(4 << 20, None);
    // About 1600 answers fit; 400 are asked for now and then.
    let popular: Vec<Key> = (0..400).map(key).collect();
    popular.iter().for_each(|key| memory.put(*key, entry(2000)));
    for number in 0..20_000 {
        if number % 200 == 0 {
            popular.iter().for_each(|key| drop(memory.get(key)));
        }
        memory.put(key(1_000_000 + number), entry(2000));
    }
    let left = popular
        .iter()
        .filter(|key| memory.get(key).is_some())
        .count();
    assert!(left >= 380, "{left} of 400 are left");
}

#[test]
fn what_is_dropped_for_room_is_counted() {
    let evictions = IntCounter::new("evictions", "test").unwrap();
    let memory = counted(1 << 20, None, &evictions);
    for number in 0..1000 {
        memory.put(key(number), entry(10_000));
    }
    assert_eq!(evictions.get() as usize + memory.len(), 1000);
}

#[test]
fn other_bounds_keep_what_fits() {
    let large = memory(4 << 20, None);
    for number in 0..100 {
        large.put(key(number), entry(10_000));
    }
    let small = memory(1 << 19, None);
    small.adopt(&large);
    assert!((30..=52).contains(&small.len()), "{}", small.len());
}

#[derive(Debug, Clone)]
enum Step {
    Put(u64, usize),
    Get(u64),
    Purge(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..200_u64, 0..40_000_usize).prop_map(|(key, length)| Step::Put(key, length)),
        3 => (0..200_u64).prop_map(Step::Get),
        1 => (1..50_u64).prop_map(Step::Purge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_is_never_above_its_bounds(
        steps in proptest::collection::vec(step(), 1..300),
        bytes in 50_000..500_000_usize,
        entries in proptest::option::of(1..50_usize),
    ) {
        let memory = memory(bytes, entries);
        let mut lengths = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Put(number, length) => {
                    memory.put(key(number), entry(length));
                    lengths.insert(number, length);
                }
                Step::Get(number) => if let Some(found) = memory.get(&key(number)) {
                    prop_assert_eq!(Some(&found.body.len()), lengths.get(&number));
                }
                Step::Purge(part) => {
                    let before = memory.len() as u64;
                    let gone = memory.purge(|key, _| u64::from(key.0[0]) % part == 0);
                    prop_assert_eq!(before - gone, memory.len() as u64);
                }
            }
            // The shards share the bound, each rounded up.
            prop_assert!(memory.bytes() <= bytes as u64 + 256);
            prop_assert!(memory.len() <= entries.unwrap_or(usize::MAX));
        }
    }
}
