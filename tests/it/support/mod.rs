//! What the tests are made of: the built binary on free ports, an upstream that misbehaves on
//! command, and clients that see every byte. `support_works.rs` tests these against each other.

pub mod anthropic;
pub mod client;
pub mod client_h2;
pub mod config;
pub mod database;
pub mod gateway;
pub mod http;
pub mod memory;
pub mod openai;
pub mod output;
pub mod process;
pub mod redis;
pub mod relay;
pub mod sse;
pub mod start;
pub mod tls;
pub mod upstream;

use std::time::{Duration, Instant};

pub use client::Http1;
pub use client_h2::Http2;
pub use gateway::TestGateway;
pub use http::{Answer, Framing, Request};
pub use start::Builder;
pub use upstream::{Ending, Gate, Script, ScriptedUpstream, Step};

/// How long anything may take before a test gives up. Never part of what a test measures.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, and panics with `what` when it does not in time.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Awaits `future`, and panics with `what` when it takes longer than `limit`.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("took longer than {limit:?}: {what}"),
    }
}

/// Compares bodies too large to print.
#[track_caller]
pub fn assert_same_bytes(actual: &[u8], expected: &[u8], what: &str) {
    if actual == expected {
        return;
    }
    let at = actual
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let around = |bytes: &[u8]| {
        let end = bytes.len().min(at + 40);
        String::from_utf8_lossy(&bytes[at.min(bytes.len()).saturating_sub(20)..end]).into_owned()
    };
    panic!(
        "{what}: {} bytes where {} were expected; they part at byte {at}: `{}` for `{}`",
        actual.len(),
        expected.len(),
        around(actual),
        around(expected),
    );
}

/// Sixteen digits that no other test has.
pub fn random_hex() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Runs `count` futures at once and returns their results in order.
pub async fn all<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    futures: impl IntoIterator<Item = F>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("the task does not panic"));
    }
    results
}
