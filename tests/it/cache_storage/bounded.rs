//! How much memory answers take up, as the kernel counts it.

use std::{process::Command, sync::Arc, time::Instant};

use ai_gateway::{
    cache::{Cache, Key},
    config::{self, ByteSize},
    telemetry::metrics::cache::CacheMetrics,
};
use bytes::Bytes;
use prometheus::Registry;

use super::entry;

const BOUND: usize = 64 << 20;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse::<usize>().unwrap() << 10
}

/// Runs another test of this file in a process of its own, for memory is measured.
fn alone(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("cache_storage::bounded::{name}")])
        .args(["--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let line = errors.lines().find(|line| line.starts_with("resident"));
    eprintln!("{}", line.unwrap_or("nothing was measured"));
    assert!(line.is_some());
}

#[test]
fn a_million_answers_go_through_64_mib_and_take_up_no_more_than_half_as_much_again() {
    alone("a_million_usual_ones");
}

#[test]
fn very_short_answers_are_counted_with_all_that_belongs_to_them() {
    alone("short_ones");
}

#[test]
#[ignore = "run by a test above"]
fn a_million_usual_ones() {
    // Most of them short, as answers are.
    measure(1_000_000, |number| {
        100 + (number * number * 7919 % 90).pow(2) as usize
    });
}

#[test]
#[ignore = "run by a test above"]
fn short_ones() {
    measure(300_000, |number| 1 + number as usize % 20);
}

/// A key as scattered as SHA-256 makes them, and sooner made.
fn scattered(number: u64) -> Key {
    let mut key = [0; 32];
    for (at, part) in key.chunks_exact_mut(8).enumerate() {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ at as u64);
        part.copy_from_slice(&(mixed ^ (mixed >> 29)).to_le_bytes());
    }
    Key(key)
}

fn measure(count: u64, length: impl Fn(u64) -> usize) {
    let cache = Cache::leak(CacheMetrics::new(&Registry::new()).unwrap());
    cache.apply(&config::Cache {
        max_bytes: ByteSize(BOUND),
        ..config::Cache::default()
    });
    let text = vec![b'x'; 8192];
    let usual = entry(Bytes::new(), "red");
    let began = Instant::now();
    let before = resident_bytes();
    let mut most = 0;
    for number in 0..count {
        let mut entry = (*usual).clone();
        let body = text.get(..length(number).min(text.len())).unwrap();
        entry.body = Bytes::copy_from_slice(body);
        cache.put(scattered(number), Arc::new(entry));
        if number % 10_000 == 0 {
            most = most.max(resident_bytes());
        }
    }
    most = most.max(resident_bytes());
    let memory = cache.stats().memory.unwrap();
    let grown = most - before;
    eprintln!(
        "resident growth {:.1} MiB for a bound of 64 MiB ({:.2}x), {} answers of {:.1} MiB are left, {:.1} s",
        grown as f64 / 1_048_576.0,
        grown as f64 / BOUND as f64,
        memory.entries,
        memory.bytes as f64 / 1_048_576.0,
        began.elapsed().as_secs_f64(),
    );
    assert_eq!(memory.entries + memory.evictions, count);
    assert!(memory.bytes <= BOUND as u64);
    assert!(memory.bytes >= BOUND as u64 / 10 * 9, "the bound is used");
    assert!(grown * 2 <= BOUND * 3, "{grown} bytes");
}
