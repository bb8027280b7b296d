//! Redis that is away, slow or lying: a miss in time, never more.

use std::time::{Duration, Instant};

use ai_gateway::{
    cache::Selector,
    config::{self, CacheBackend},
};

use super::{Replica, entry, key, settings};
use crate::support::{
    eventually,
    redis::{FakeRedis, Pretender, RedisServer, free_port},
};

/// How long a look-up may take here, and how much longer on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_secs(2);

/// One with the deadline of production, more or less.
fn start(backend: CacheBackend, url: &str) -> Replica {
    Replica::with(config::Cache {
        lookup_timeout_ms: u32::try_from(DEADLINE.as_millis()).unwrap(),
        ..settings(backend, url)
    })
}

async fn connected(backend: CacheBackend, url: &str) -> Replica {
    let replica = start(backend, url);
    eventually("redis is asked", async || replica.is_up()).await;
    replica
}

/// Looks up 200 answers, one after the other: each is a miss in time, and few are waited for.
async fn assert_misses(replica: &Replica) {
    let timeouts = || replica.cache.stats().redis.unwrap().timeouts;
    let before = timeouts();
    for number in 1000..1200 {
        let began = Instant::now();
        assert!(replica.get(number).await.is_none());
        let took = began.elapsed();
        assert!(took < DEADLINE + SLACK, "{took:?}");
    }
    let waited = timeouts() - before;
    assert!(waited <= 8, "{waited} look-ups were waited for");
}

/// Waits until answers are kept in Redis and found there.
async fn is_used(replica: &Replica) {
    eventually("redis is used", async || {
        replica.put(1, &entry("1", "red")).await;
        replica.get(1).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn nobody_listens() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let replica = start(CacheBackend::Tiered, &url);
    assert_misses(&replica).await;
    replica.cache.put(key(1), entry("1", "red"));
    assert!(replica.get(1).await.is_some(), "memory works");
    let purged = replica.cache.purge(Selector::All).await;
    assert_eq!((purged.memory, purged.redis), (1, None));
    assert!(purged.redis_error.unwrap().contains("left alone"));
}

#[tokio::test]
async fn it_never_answers_and_then_is_there() {
    for kind in [Pretender::Silent, Pretender::Babbling, Pretender::Dozing] {
        let fake = FakeRedis::start(kind).await;
        let url = format!("redis://{}", fake.address);
        let replica = start(CacheBackend::Redis, &url);
        if matches!(kind, Pretender::Dozing) {
            eventually("it counts as there", async || replica.is_up()).await;
        }
        assert_misses(&replica).await;
        let port = fake.stop().await.port();
        let _redis = RedisServer::start_on(port, &[]).await;
        is_used(&replica).await;
    }
}

#[tokio::test]
async fn it_goes_and_comes_back() {
    let redis = RedisServer::start(&[]).await;
    let replica = connected(CacheBackend::Redis, &redis.url()).await;
    is_used(&replica).await;
    let port = redis.stop();
    assert_misses(&replica).await;
    let redis = RedisServer::start_on(port, &[]).await;
    is_used(&replica).await;
    drop(redis);
}

#[tokio::test]
async fn it_stops_answering_for_a_while() {
    let redis = RedisServer::start(&[]).await;
    let replica = connected(CacheBackend::Redis, &redis.url()).await;
    is_used(&replica).await;
    redis.signal("-STOP");
    assert_misses(&replica).await;
    assert!(replica.cache.stats().redis.unwrap().timeouts >= 5);
    redis.signal("-CONT");
    eventually("it is used again", async || replica.get(1).await.is_some()).await;
}

#[tokio::test]
async fn it_holds_something_else() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    for number in 1..=5 {
        replica.put(number, &entry("answer", "red")).await;
    }
    let name = |number: u64| format!("gateway:answer:{}", &key(number).hex()[..32]);
    let _: () = redis.ask(&["SET", &name(1), "garbage"]).await;
    let _: u64 = redis.ask(&["COPY", &name(5), &name(2), "REPLACE"]).await;
    let _: u64 = redis.ask(&["SETRANGE", &name(3), "60", "?"]).await;
    let _: u64 = redis.ask(&["DEL", &name(4)]).await;
    let _: u64 = redis.ask(&["LPUSH", &name(4), "a list"]).await;
    for number in 1..=4 {
        assert!(replica.get(number).await.is_none(), "{number}");
    }
    assert!(replica.get(5).await.is_some());
    assert!(replica.cache.stats().redis.unwrap().errors >= 4);
    let purged = replica.cache.purge(Selector::Team("red".into())).await;
    assert_eq!(purged.redis_error, None);
    let purged = replica.cache.purge(Selector::All).await;
    assert_eq!(purged.redis_error, None);
    assert_eq!(
        redis.ask::<u64>(&["DBSIZE"]).await,
        1,
        "the count of purges"
    );
}

#[tokio::test]
async fn writes_that_it_does_not_take_are_dropped() {
    let redis = RedisServer::start(&[]).await;
    let replica = connected(CacheBackend::Tiered, &redis.url()).await;
    redis.signal("-STOP");
    let body = vec![b'x'; 1 << 20];
    for number in 0..100 {
        replica.cache.put(key(number), entry(body.clone(), "red"));
    }
    let dropped = replica.cache.stats().redis.unwrap().dropped_writes;
    assert!(dropped >= 60, "{dropped} of 100 MiB were dropped");
    redis.signal("-CONT");
}
