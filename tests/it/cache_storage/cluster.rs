//! A cluster of three.

use std::time::{Duration, Instant};

use ai_gateway::{cache::Selector, config::CacheBackend, redis_client};

use super::{Replica, entry, key};
use crate::support::{eventually, redis::RedisServer};

const SLOTS: u16 = 16_384;

/// Three members, each with a third of the slots.
async fn cluster() -> Vec<RedisServer> {
    let mut members = Vec::new();
    for _ in 0..3 {
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-require-full-coverage",
            "no",
            "--cluster-node-timeout",
            "2000",
        ];
        members.push(RedisServer::start(&arguments).await);
    }
    for (number, member) in members.iter().enumerate() {
        let bounds = [number, number + 1].map(|at| at * usize::from(SLOTS) / 3);
        let [first, last] = [bounds[0].to_string(), (bounds[1] - 1).to_string()];
        let _: () = member
            .ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
            .await;
        let epoch = (number + 1).to_string();
        let _: () = member.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        let first = members[0].port.to_string();
        let _: () = member.ask(&["CLUSTER", "MEET", "127.0.0.1", &first]).await;
    }
    for member in &members {
        eventually("the cluster is well", async || {
            let info: String = member.ask(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
        })
        .await;
    }
    members
}

fn name(number: u64) -> String {
    format!("gateway:answer:{}", &key(number).hex()[..32])
}

fn owner(number: u64) -> usize {
    let slot = redis_client::slot(name(number).as_bytes());
    (0..3)
        .find(|at| usize::from(slot) < (at + 1) * usize::from(SLOTS) / 3)
        .unwrap()
}

#[tokio::test]
async fn a_cluster_keeps_answers_as_one_server_does() {
    let members = cluster().await;
    // One member names the others.
    let url = format!("redis+cluster://127.0.0.1:{}", members[1].port);
    let one = Replica::connected(CacheBackend::Tiered, &url).await;
    assert_eq!(one.cache.stats().redis.unwrap().servers.len(), 3);
    let other = Replica::connected(CacheBackend::Redis, &url).await;
    one.listens(&other).await;
    for number in 0..300 {
        let team = if number % 3 == 0 { "red" } else { "blue" };
        one.cache.put(key(number), entry("answer", team));
    }
    one.cache.flush().await;
    for member in &members {
        let held: u64 = member.ask(&["DBSIZE"]).await;
        assert!((70..=130).contains(&held), "{held} of 300");
    }
    for number in 0..300 {
        assert!(other.get(number).await.is_some(), "{number}");
    }
    let purged = other.cache.purge(Selector::Team("red".into())).await;
    assert_eq!((purged.redis, purged.redis_error), (Some(100), None));
    eventually("the first one's memory is purged", async || {
        one.cache.stats().memory.unwrap().entries == 200
    })
    .await;
    assert!(other.get(3).await.is_none() && other.get(4).await.is_some());

    a_slot_moves(&members, &other).await;
    a_member_goes(members, &other).await;
}

/// A slot that another member has from now on is followed there.
async fn a_slot_moves(members: &[RedisServer], replica: &Replica) {
    let number = (1..300)
        .find(|&number| number % 3 != 0 && owner(number) == 0)
        .unwrap();
    let slot = redis_client::slot(name(number).as_bytes()).to_string();
    let _: u64 = members[0].ask(&["DEL", &name(number)]).await;
    let id: String = members[1].ask(&["CLUSTER", "MYID"]).await;
    for member in members {
        let _: () = member
            .ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id])
            .await;
    }
    replica.put(number, &entry("elsewhere", "blue")).await;
    let found = replica.get(number).await.expect("it is followed");
    assert_eq!(found.body, "elsewhere");
    let there: u64 = members[1].ask(&["EXISTS", &name(number)]).await;
    assert_eq!(there, 1);
}

/// A member that is away costs the others' answers nothing.
async fn a_member_goes(mut members: Vec<RedisServer>, replica: &Replica) {
    drop(members.remove(2));
    let kept = |at| (1..300).filter(move |&number| number % 3 != 0 && owner(number) == at);
    for _ in 0..3 {
        for number in kept(2) {
            assert!(replica.get(number).await.is_none());
        }
    }
    let began = Instant::now();
    let mut count = 0;
    for number in kept(1) {
        assert!(replica.get(number).await.is_some(), "{number}");
        count += 1;
    }
    assert!(count > 40);
    assert!(began.elapsed() < Duration::from_secs(1));
}
