//! Redis that is there.

use std::{sync::Arc, time::Duration};

use ai_gateway::{
    cache::{Selector, Tier},
    config::{self, CacheBackend},
};

use super::{Replica, entry, key, settings};
use crate::support::{eventually, redis::RedisServer};

#[tokio::test]
async fn answers_survive_a_restart() {
    let redis = RedisServer::start(&[]).await;
    let body = "data: ".to_owned() + &"long ".repeat(2000) + "\n\n";
    let short = entry("data: short\n\n", "red");
    let long = entry(body, "red");
    {
        let before = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
        before.put(1, &short).await;
        before.put(2, &long).await;
    }
    let after = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
    assert!(after.cache.get_memory(&key(1)).is_none());
    let (found, tier) = after.cache.get(&key(1)).await.unwrap();
    assert_eq!((found, tier), (short, Tier::Redis));
    assert_eq!(after.get(2).await, Some(long));
    let (_, tier) = after.cache.get(&key(2)).await.unwrap();
    assert_eq!(tier, Tier::Memory, "what was found is at hand from then on");
    assert!(after.get(3).await.is_none());

    let names: Vec<String> = redis.ask(&["KEYS", "*"]).await;
    assert_eq!(names.len(), 2);
    let long_name = format!("gateway:answer:{}", &key(2).hex()[..32]);
    assert!(names.contains(&long_name), "{names:?}");
    let length: usize = redis.ask(&["STRLEN", &long_name]).await;
    assert!(length < 1000, "compressed, it is {length} bytes");
    let ttl: u64 = redis.ask(&["PTTL", &long_name]).await;
    assert!((50_000..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn redis_alone_keeps_nothing_in_memory() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    replica.put(1, &entry("x", "red")).await;
    for _ in 0..2 {
        let (_, tier) = replica.cache.get(&key(1)).await.unwrap();
        assert_eq!(tier, Tier::Redis);
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_time() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    let mut brief = (*entry("x", "red")).clone();
    brief.ttl = Duration::from_millis(300);
    replica.put(1, &Arc::new(brief)).await;
    eventually("it is gone", async || replica.get(1).await.is_none()).await;
    eventually("redis has let it go", async || {
        redis.ask::<u64>(&["DBSIZE"]).await == 0
    })
    .await;
}

#[tokio::test]
async fn a_purge_reaches_redis_and_the_memory_of_other_replicas() {
    let redis = RedisServer::start(&[]).await;
    let one = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
    let other = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
    one.listens(&other).await;
    other.listens(&one).await;
    let mut long_name = (*entry("z", "red")).clone();
    long_name.labels.asked = "m".repeat(3000).into();
    let fill = async || {
        one.put(1, &entry("1", "red")).await;
        one.put(2, &entry("2", "blue")).await;
        one.put(3, &Arc::new(long_name.clone())).await;
        for number in 1..=3 {
            assert!(other.get(number).await.is_some());
        }
    };
    fill().await;
    let purged = one.cache.purge(Selector::Team("red".into())).await;
    assert_eq!(
        (purged.memory, purged.redis, purged.redis_error),
        (2, Some(2), None)
    );
    eventually("the other one drops them", async || {
        other.cache.get_memory(&key(1)).is_none()
    })
    .await;
    assert!(other.get(1).await.is_none() && other.get(3).await.is_none());
    assert!(
        other.cache.get_memory(&key(2)).is_some(),
        "and nothing else"
    );

    for selector in [
        Selector::Key("ada".into()),
        Selector::Model("gpt-5".into()),
        Selector::All,
    ] {
        fill().await;
        let purged = other.cache.purge(selector.clone()).await;
        assert_eq!((purged.memory, purged.redis), (3, Some(3)), "{selector:?}");
        eventually("the first one drops them", async || {
            one.cache.stats().memory.unwrap().entries == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_purge_that_was_missed_empties_memory() {
    let redis = RedisServer::start(&[]).await;
    let one = Replica::connected(CacheBackend::Tiered, &redis.url()).await;
    let other = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    one.listens(&other).await;
    one.put(1, &entry("1", "red")).await;
    // As if it had not listened for a while, in which somebody purged something.
    let _: u64 = redis.ask(&["INCR", "gateway:purges:count"]).await;
    let _: u64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    eventually("memory is emptied", async || {
        one.cache.get_memory(&key(1)).is_none()
    })
    .await;
}

#[tokio::test]
async fn gateways_with_other_prefixes_see_nothing_of_each_other() {
    let redis = RedisServer::start(&[]).await;
    let one = Replica::connected(CacheBackend::Redis, &redis.url()).await;
    let other = Replica::with(config::Cache {
        redis_prefix: "staging".into(),
        ..settings(CacheBackend::Redis, &redis.url())
    });
    eventually("redis is asked", async || other.is_up()).await;
    one.put(1, &entry("1", "red")).await;
    assert!(other.get(1).await.is_none());
    let purged = other.cache.purge(Selector::All).await;
    assert_eq!(purged.redis, Some(0));
    assert!(one.get(1).await.is_some());
}

#[tokio::test]
async fn a_server_with_a_password_and_another_database() {
    let redis = RedisServer::start(&["--requirepass", "p@ss"]).await;
    let url = format!("redis://:p%40ss@127.0.0.1:{}/3", redis.port);
    let replica = Replica::connected(CacheBackend::Redis, &url).await;
    replica.put(1, &entry("1", "red")).await;
    assert!(replica.get(1).await.is_some());
}

#[tokio::test]
async fn a_reload_goes_from_memory_to_redis_and_back() {
    let redis = RedisServer::start(&[]).await;
    let replica = Replica::with(config::Cache::default());
    replica.put(1, &entry("1", "red")).await;
    let mut settings = settings(CacheBackend::Tiered, &redis.url());
    replica.cache.apply(&settings);
    eventually("redis is asked", async || replica.is_up()).await;
    replica.put(2, &entry("2", "red")).await;
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).await, 1);
    settings.backend = CacheBackend::Memory;
    replica.cache.apply(&settings);
    assert!(replica.get(2).await.is_some());
    eventually("the connections are closed", async || {
        let clients: String = redis.ask(&["CLIENT", "LIST"]).await;
        clients.lines().count() == 1
    })
    .await;
}
