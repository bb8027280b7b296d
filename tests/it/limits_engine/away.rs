//! Redis that goes away and comes back.

use std::time::{Duration, Instant};

use ai_gateway::{
    limits::{
        Settings, WhileAway,
        subject::{Kind, Rules, Subject},
    },
    price::Usd,
};

use super::{asks, budget, load, replicas, rpm, tokens};
use crate::support::{eventually, redis::RedisServer};

#[tokio::test]
async fn without_redis_each_replica_has_an_even_share_and_with_it_they_share_again() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 4, &Settings::default()).await;
    let subjects = |_| vec![Subject::new(Kind::Key, "k", rpm(6000))];
    load(&all, 400, Duration::from_secs(2), subjects, asks(1, 0.0)).await;
    let port = redis.stop();
    for replica in &all {
        eventually("it is known that redis is away", async || {
            replica.metrics.shared.get() == 0
        })
        .await;
    }
    // What was leased goes on; from then on 100 a second, 25 for each.
    load(&all, 2000, Duration::from_secs(2), subjects, asks(1, 0.0)).await;
    let (admitted, _) = load(&all, 1000, Duration::from_secs(4), subjects, asks(1, 0.0)).await;
    assert!((360..=440).contains(&admitted), "{admitted}");
    let _redis = RedisServer::start_on(port, &[]).await;
    for replica in &all {
        eventually("they share again", async || {
            replica.metrics.shared.get() == 1 && replica.fleet.is_up()
        })
        .await;
    }
    let (admitted, _) = load(&all, 400, Duration::from_secs(2), subjects, asks(1, 0.0)).await;
    assert_eq!(admitted, 800);
}

#[tokio::test]
async fn without_redis_a_budget_is_shared_evenly_and_what_was_spent_is_told_afterwards() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 2, &Settings::default()).await;
    let subject = [Subject::new(Kind::Team, "t", budget(1.0))];
    let one = asks(1, 0.01);
    let mut spent = 0;
    for place in 0..20 {
        all[place % 2]
            .admit(&subject, &one)
            .await
            .unwrap()
            .settle(&tokens(1), one.cost);
        spent += 1;
    }
    let port = redis.stop();
    for replica in &all {
        eventually("redis is away", async || !replica.fleet.is_up()).await;
    }
    for _ in 0..200 {
        for replica in &all {
            if let Ok(admission) = replica.admit(&subject, &one).await {
                admission.settle(&tokens(1), one.cost);
                spent += 1;
            }
        }
    }
    assert!((80..=102).contains(&spent), "{spent}");
    let _redis = RedisServer::start_on(port, &[]).await;
    for replica in &all {
        replica.is_up().await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Redis has forgotten everything; the replicas have not.
    for _ in 0..200 {
        for replica in &all {
            if let Ok(admission) = replica.admit(&subject, &one).await {
                admission.settle(&tokens(1), one.cost);
                spent += 1;
            }
        }
    }
    assert!((99..=102).contains(&spent), "{spent}");
}

#[tokio::test]
async fn who_would_rather_refuse_refuses_without_redis_and_nobody_waits_long() {
    let redis = RedisServer::start(&[]).await;
    let settings = Settings {
        while_away: WhileAway::Reject,
        ..Settings::default()
    };
    let all = replicas(&redis, 1, &settings).await;
    let subject = [Subject::new(Kind::Key, "k", rpm(60))];
    while let Ok(admission) = all[0].admit(&subject, &asks(1, 0.0)).await {
        admission.settle(&tokens(1), Usd::ZERO);
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    // It is there and does not answer.
    redis.signal("-STOP");
    let began = Instant::now();
    for _ in 0..50 {
        let began = Instant::now();
        let refusal = all[0].admit(&subject, &asks(1, 0.0)).await.unwrap_err();
        assert!(refusal.is_away);
        assert!(
            began.elapsed() < Duration::from_millis(600),
            "{:?}",
            began.elapsed()
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    eventually("that is said", async || all[0].metrics.shared.get() == 0).await;
    redis.signal("-CONT");
    eventually("it comes back by itself", async || {
        all[0].admit(&subject, &asks(1, 0.0)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn before_redis_was_ever_there_limits_hold() {
    let replica = super::Replica::start("redis://127.0.0.1:1/0", &Settings::default());
    let rules = Rules {
        parallel: Some(2),
        ..rpm(60)
    };
    let subject = [Subject::new(Kind::Key, "k", rules)];
    let began = Instant::now();
    let mut admitted = 0;
    while began.elapsed() < Duration::from_secs(3) {
        if let Ok(admission) = replica.admit(&subject, &asks(1, 0.0)).await {
            admission.settle(&tokens(1), Usd::ZERO);
            admitted += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((1..=4).contains(&admitted), "{admitted}");
}

#[tokio::test]
async fn whoever_moves_to_another_redis_takes_along_what_was_spent_and_waits_for_nobody() {
    let (one, other) = (RedisServer::start(&[]).await, RedisServer::start(&[]).await);
    let settings = Settings {
        patience: Duration::from_secs(5),
        ..Settings::default()
    };
    let all = replicas(&one, 1, &settings).await;
    let subject = [Subject::new(Kind::Team, "t", budget(1.0))];
    let ask = asks(1, 0.1);
    for _ in 0..4 {
        let admission = all[0].admit(&subject, &ask).await.unwrap();
        admission.settle(&tokens(1), ask.cost);
    }
    // A question is under way that nobody will answer.
    one.signal("-STOP");
    let fresh = [Subject::new(Kind::Key, "k", rpm(6000))];
    let limits = all[0].limits;
    let waiting = tokio::spawn(async move {
        let fresh = [Subject::new(Kind::Key, "k", rpm(6000))];
        limits
            .admit(&fresh, &asks(1, 0.0), ai_gateway::limits::Now::read())
            .await
            .is_ok()
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let fleet = super::Replica::fleet(&other.url(), &all[0].metrics);
    limits.share(Some(fleet.clone()));
    eventually("the other one is asked", async || fleet.is_up()).await;
    let began = Instant::now();
    assert!(all[0].admit(&fresh, &asks(1, 0.0)).await.is_ok());
    assert!(waiting.await.unwrap());
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let mut more = 0;
    while let Ok(admission) = all[0].admit(&subject, &ask).await {
        admission.settle(&tokens(1), ask.cost);
        more += 1;
    }
    assert_eq!(more, 6);
    // And shared with nobody, it is the same.
    limits.share(None);
    assert!(all[0].admit(&subject, &ask).await.is_err());
    assert!(all[0].admit(&fresh, &asks(1, 0.0)).await.is_ok());
}
