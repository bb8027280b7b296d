//! Limits that replicas share through a real Redis: how exact they are, how seldom they ask, and what happens while
//! Redis is away.

mod away;
mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ai_gateway::{
    chat::usage::Usage,
    config::RedisServers,
    limits::{
        Admission, Limits, Now, Refusal, Settings,
        fleet::Fleet,
        subject::{Estimate, Rules, SpendRules, Subject},
    },
    price::Usd,
    telemetry::metrics::{cache::CacheMetrics, limits::LimitMetrics},
};
use prometheus::Registry;
use tokio::task::JoinHandle;

use crate::support::{eventually, redis::RedisServer};

/// A process's limits, as far as they matter here.
struct Replica {
    limits: &'static Limits,
    metrics: LimitMetrics,
    fleet: Arc<Fleet>,
    task: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Replica {
    fn start(url: &str, settings: &Settings) -> Self {
        let registry = Registry::new();
        let redis = CacheMetrics::new(&registry).unwrap().redis;
        let metrics = LimitMetrics::new(&registry, redis).unwrap();
        let limits = Limits::leak(settings.clone(), metrics.clone());
        let fleet = Self::fleet(url, &metrics);
        limits.share(Some(fleet.clone()));
        let task = tokio::spawn(limits.run());
        Replica {
            limits,
            metrics,
            fleet,
            task,
        }
    }

    fn fleet(url: &str, metrics: &LimitMetrics) -> Arc<Fleet> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Relaxed);
        let servers = RedisServers::parse(url).unwrap();
        Arc::new(Fleet::new(servers, "test", number, metrics.clone()).unwrap())
    }

    async fn admit(&self, subjects: &[Subject<'_>], ask: &Estimate) -> Result<Admission, Refusal> {
        self.limits.admit(subjects, ask, Now::read()).await
    }

    async fn is_up(&self) {
        eventually("redis is asked", async || self.fleet.is_up()).await;
    }
}

/// So many replicas that know of each other.
async fn replicas(redis: &RedisServer, count: u64, settings: &Settings) -> Vec<Replica> {
    let url = redis.url();
    let all: Vec<_> = (0..count).map(|_| Replica::start(&url, settings)).collect();
    for replica in &all {
        replica.is_up().await;
        eventually("all are known", async || replica.fleet.replicas() >= count).await;
    }
    all
}

fn calls(all: &[Replica]) -> u64 {
    all.iter().map(|one| one.metrics.redis_calls.get()).sum()
}

fn rpm(limit: u64) -> Rules {
    Rules {
        requests_per_minute: Some(limit),
        ..Rules::default()
    }
}

fn budget(max: f64) -> Rules {
    Rules {
        spend: Some(SpendRules {
            max: Usd::from_dollars(max),
            ..SpendRules::default()
        }),
        ..Rules::default()
    }
}

fn asks(tokens: u64, dollars: f64) -> Estimate {
    Estimate {
        input_tokens: tokens,
        output_tokens: 0,
        cost: Usd::from_dollars(dollars).unwrap(),
    }
}

fn tokens(count: u64) -> Usage {
    Usage {
        input: count,
        ..Usage::default()
    }
}

/// Sends requests, so many a second, to one replica after the other, and says how many were admitted and refused.
/// Each waits for its answer by itself, as in a server.
async fn load(
    all: &[Replica],
    per_second: u64,
    span: Duration,
    subjects: impl Fn(u64) -> Vec<Subject<'static>>,
    ask: Estimate,
) -> (u64, u64) {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let total = per_second * u64::try_from(span.as_millis()).unwrap() / 1000;
    for number in 0..total {
        let due = Duration::from_nanos(number * 1_000_000_000 / per_second);
        if let Some(wait) = due.checked_sub(began.elapsed()) {
            tokio::time::sleep(wait).await;
        }
        let place = usize::try_from(number).unwrap() % all.len();
        let (limits, subjects) = (all[place].limits, subjects(number));
        tasks.spawn(async move {
            match limits.admit(&subjects, &ask, Now::read()).await {
                Ok(admission) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    admission.settle(&tokens(ask.input_tokens), ask.cost);
                    true
                }
                Err(_) => false,
            }
        });
    }
    let mut counts = (0, 0);
    while let Some(is_in) = tasks.join_next().await {
        match is_in.unwrap() {
            true => counts.0 += 1,
            false => counts.1 += 1,
        }
    }
    counts
}
