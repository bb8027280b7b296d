//! Redis that is away, slow or lying: a miss in time, never more.

use std::time::{Duration, Instant};

use ai_gateway::{cache::Selector, config::CacheBackend};

use super::{Replica, entry, key};
use crate::support::{
    eventually,
    redis::{FakeRedis, Pretender, RedisServer, free_port},
};

/// Looks up 200 answers, one after the other, and says how long each took.
async fn misses(replica: &Replica) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 1000..1200 {
        let began = Instant::now();
        assert!(replica.get(number).await.is_none());
        times.push(began.elapsed());
    }
    times
}

/// A look-up waits for 20 ms at most, and after five such ones for nothing. The machine may be busy.
fn assert_short(times: &[Duration], most_waits: usize) {
    let waits = times
        .iter()
        .filter(|time| **time > Duration::from_millis(15))
        .count();
    assert!(waits <= most_waits, "{waits} look-ups waited: {times:?}");
    let all: Duration = times.iter().sum();
    assert!(all < Duration::from_millis(1000), "{all:?}");
}

#[tokio::test]
async fn nobody_listens() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let replica = Replica::start(CacheBackend::Tiered, &url);
    assert_short(&misses(&replica).await, 2);
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
        let replica = Replica::start(CacheBackend::Redis, &url);
        if matches!(kind, Pretender::Dozing) {
            eventually("it counts as there", async || replica.is_up()).await;
        }
        assert_short(&misses(&replica).await, 8);
        let port = fake.stop().await.port();
        let _redis = RedisServer::start_on(port, &[]).await;
        eventually("it is used", async || replica.is_up()).await;
        replica.put(1, &entry("1", "red")).await;
        assert!(replica.get(1).await.is_some());
    }
}

#[tokio::test]
async fn it_goes_and_comes_back() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    replica.put(1, &entry("1", "red")).await;
    assert!(replica.get(1).await.is_some());
    let port = redis.stop();
    assert_short(&misses(&replica).await, 8);
    let redis = RedisServer::start_on(port, &[]).await;
    eventually("it is used again", async || {
        replica.put(1, &entry("1", "red")).await;
        replica.get(1).await.is_some()
    })
    .await;
    drop(redis);
}

#[tokio::test]
async fn it_stops_answering_for_a_while() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    replica.put(1, &entry("1", "red")).await;
    redis.signal("-STOP");
    assert_short(&misses(&replica).await, 8);
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
    let replica = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
    redis.signal("-STOP");
    let body = vec![b'x'; 1 << 20];
    for number in 0..100 {
        replica.cache.put(key(number), entry(body.clone(), "red"));
    }
    let dropped = replica.cache.stats().redis.unwrap().dropped_writes;
    assert!(dropped >= 60, "{dropped} of 100 MiB were dropped");
    redis.signal("-CONT");
}
