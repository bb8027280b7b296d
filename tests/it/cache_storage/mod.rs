//! Where answers are kept: how much memory that takes, Redis that is there, away, slow or lying, clusters.

mod bounded;
mod cluster;
mod redis;
mod surface;
mod unreliable_redis;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ai_gateway::{
    cache::{Cache, Entry, Key, Labels, Selector},
    config::{self, CacheBackend},
    secret::Secret,
    telemetry::metrics::cache::CacheMetrics,
};
use bytes::Bytes;
use http::{HeaderValue, header};
use prometheus::Registry;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::support::eventually;

/// A process's cache, as far as it matters here.
struct Replica {
    cache: &'static Cache,
    task: JoinHandle<()>,
}

impl Replica {
    /// One that is patient with Redis, for tests that are not about that.
    fn start(backend: CacheBackend, url: &str) -> Self {
        Self::with(settings(backend, url))
    }

    fn with(settings: config::Cache) -> Self {
        let cache = Cache::leak(CacheMetrics::new(&Registry::new()).unwrap());
        cache.apply(&settings);
        let task = tokio::spawn(cache.run());
        Replica { cache, task }
    }

    /// One whose servers answer.
    async fn connected(backend: CacheBackend, url: &str) -> Self {
        let replica = Self::start(backend, url);
        eventually("redis is asked", async || replica.is_up()).await;
        replica
    }

    fn is_up(&self) -> bool {
        let servers = self.cache.stats().redis.unwrap().servers;
        !servers.is_empty() && servers.values().all(|is_up| *is_up)
    }

    /// Waits until it hears of purges elsewhere.
    async fn listens(&self, other: &Replica) {
        eventually("it hears of purges", async || {
            // Connecting empties memory as well; only then it is heard.
            self.put(0, &entry("", "green")).await;
            self.put(1, &entry("", "yellow")).await;
            other.cache.purge(Selector::Team("green".into())).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let [green, yellow] = [0, 1].map(|number| self.cache.get_memory(&key(number)));
            green.is_none() && yellow.is_some()
        })
        .await;
        other.cache.purge(Selector::All).await;
        eventually("nothing is left", async || {
            self.cache.get_memory(&key(1)).is_none()
        })
        .await;
    }

    /// Puts an answer and waits until Redis has it.
    async fn put(&self, number: u64, entry: &Arc<Entry>) {
        self.cache.put(key(number), entry.clone());
        self.cache.flush().await;
    }

    async fn get(&self, number: u64) -> Option<Arc<Entry>> {
        Some(self.cache.get(&key(number)).await?.0)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn settings(backend: CacheBackend, url: &str) -> config::Cache {
    config::Cache {
        backend,
        redis_url: Some(Secret::new(url)),
        lookup_timeout_ms: 5000,
        ..config::Cache::default()
    }
}

fn key(number: u64) -> Key {
    Key(Sha256::digest(number.to_le_bytes()).into())
}

fn entry(body: impl Into<Bytes>, team: &str) -> Arc<Entry> {
    Arc::new(Entry {
        labels: Labels {
            team: Some(team.into()),
            key: Some("ada".into()),
            account: Some("key_ada".into()),
            asked: "gpt".into(),
            provider: "openai".into(),
            model: "gpt-5".into(),
        },
        fingerprint: [0; 32],
        is_stream: true,
        headers: vec![(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        )],
        body: body.into(),
        usage: None,
        created: now(),
        ttl: Duration::from_secs(60),
    })
}

/// Redis keeps milliseconds.
fn now() -> SystemTime {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_millis(since.as_millis() as u64)
}
