//! Redis that is there.

use std::time::{Duration, Instant};

use ai_gateway::{
    limits::{
        Algorithm, Settings, Wait,
        subject::{Kind, Limit, Rules, Subject},
    },
    price::Usd,
};

use super::{asks, budget, calls, load, replicas, rpm, tokens};
use crate::support::redis::RedisServer;

const SECONDS: u64 = 8;

/// Patient ones: what is tested here is not how slow this machine is.
fn patient(algorithm: Algorithm) -> Settings {
    Settings {
        algorithm,
        patience: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// Whether this machine is so busy that Redis, or whoever asks it, is late: then some are refused, as they should be.
/// That never more get through than may holds anyway.
fn is_starved(began: Instant, span: Duration) -> bool {
    let is_starved = began.elapsed() > span + span / 4;
    if is_starved {
        eprintln!(
            "limits: took {:?} for {span:?} of requests",
            began.elapsed()
        );
    }
    is_starved
}

/// Everything that a request may count against, far from its limits.
fn roomy(_: u64) -> Vec<Subject<'static>> {
    let key = Rules {
        tokens_per_minute: Some(100_000_000),
        parallel: Some(5000),
        ..rpm(600_000)
    };
    let team = Rules {
        requests_per_minute: Some(600_000),
        ..budget(1000.0)
    };
    vec![
        Subject::new(Kind::Key, "k", key),
        Subject::new(Kind::User, "u", rpm(600_000)),
        Subject::new(Kind::Team, "t", team),
        Subject::new(Kind::Model, "m", rpm(600_000)),
        Subject::new(Kind::Provider, "p", rpm(600_000)),
        Subject::new(Kind::Global, "", rpm(600_000)),
    ]
}

#[tokio::test]
async fn most_requests_ask_nobody_and_none_is_refused_that_has_room() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 8, &patient(Algorithm::TokenBucket(1000))).await;
    let span = Duration::from_secs(SECONDS);
    let began = Instant::now();
    let (admitted, refused) = load(&all, 1000, span, roomy, asks(100, 0.0001)).await;
    if is_starved(began, span) {
        return;
    }
    assert_eq!((admitted, refused), (1000 * SECONDS, 0));
    let (calls, waits) = (
        calls(&all),
        all.iter().map(|one| one.metrics.waits.get()).sum::<u64>(),
    );
    eprintln!("limits: {calls} calls for {admitted} requests, {waits} waited");
    assert!(
        calls * 20 <= admitted,
        "{calls} calls for {admitted} requests"
    );
}

/// Ten times what is allowed: no more than one in a hundred beyond it gets through, nor much less.
async fn greedy(settings: Settings, saved_up: u64) {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 8, &settings).await;
    let span = Duration::from_secs(SECONDS);
    let subjects = |_| {
        vec![
            Subject::new(Kind::Key, "greedy", rpm(6000)),
            Subject::new(Kind::Global, "", rpm(6_000_000)),
        ]
    };
    let began = Instant::now();
    let (admitted, _) = load(&all, 1000, span, subjects, asks(1, 0.0)).await;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (admitted, saved_up) = (admitted as f64, saved_up as f64);
    let allowed = match settings.algorithm {
        Algorithm::TokenBucket(_) => saved_up + 100.0 * began.elapsed().as_secs_f64(),
        Algorithm::SlidingWindow => saved_up,
    };
    let calls = calls(&all);
    eprintln!("limits: {admitted} of {allowed:.0}, {calls} calls");
    assert!(admitted <= allowed * 1.01, "{admitted} of {allowed}");
    if is_starved(began, span) {
        return;
    }
    assert!(admitted >= allowed * 0.95, "{admitted} of {allowed}");
    assert!(calls * 20 <= 1000 * SECONDS, "{calls} calls");
}

#[tokio::test]
async fn eight_replicas_together_keep_a_bucket_to_the_hundredth() {
    greedy(patient(Algorithm::TokenBucket(50)), 300).await;
}

#[tokio::test]
async fn eight_replicas_together_keep_a_window() {
    greedy(patient(Algorithm::SlidingWindow), 6000).await;
}

#[tokio::test]
async fn eight_replicas_together_overspend_a_budget_by_less_than_one_request() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 8, &patient(Algorithm::TokenBucket(1000))).await;
    let subjects = |_| vec![Subject::new(Kind::Team, "t", budget(1.0))];
    let span = Duration::from_secs(4);
    let began = Instant::now();
    // 4000 requests for 1.2 thousandths each; 834 of them go beyond a dollar.
    let (admitted, refused) = load(&all, 1000, span, subjects, asks(1, 0.0012)).await;
    eprintln!(
        "limits: {admitted} within the budget, {refused} beyond, {} calls",
        calls(&all)
    );
    assert!(admitted <= 834, "{admitted}");
    assert!(admitted >= 826 || is_starved(began, span), "{admitted}");
    let refusal = all[0]
        .admit(&subjects(0), &asks(1, 0.0012))
        .await
        .unwrap_err();
    assert_eq!(refusal.quota.limit, Limit::Budget);
}

#[tokio::test]
async fn what_is_too_little_for_one_replica_is_soon_of_use_to_another() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 8, &patient(Algorithm::TokenBucket(1000))).await;
    let subject = [Subject::new(Kind::Team, "t", budget(1.0))];
    let (began, mut spent) = (Instant::now(), 0);
    // Each may cost three times what it does: 250 of them, and near the end each replica holds too little for one.
    for replica in all.iter().cycle() {
        if let Ok(admission) = replica.admit(&subject, &asks(1, 0.012)).await {
            admission.settle(&tokens(1), Usd::from_dollars(0.004).unwrap());
            spent += 1;
        }
        let span = Duration::from_secs(3);
        if spent == 250 || (began.elapsed() > span && !is_starved(began, span)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(spent, 250, "in {:?}", began.elapsed());
    for replica in &all {
        assert!(replica.admit(&subject, &asks(1, 0.012)).await.is_err());
    }
}

#[tokio::test]
async fn a_budget_is_used_to_its_end_though_replicas_come_and_go() {
    let redis = RedisServer::start(&[]).await;
    let subject = [Subject::new(Kind::Team, "t", budget(1.0))];
    let mut spent = 0;
    for number in 1..=3 {
        let all = replicas(&redis, number, &patient(Algorithm::TokenBucket(1000))).await;
        for place in 0..30 {
            let replica = &all[place % all.len()];
            if let Ok(admission) = replica.admit(&subject, &asks(1, 0.01)).await {
                admission.settle(&tokens(1), Usd::from_dollars(0.01).unwrap());
                spent += 1;
            }
        }
        // What is leased in vain goes back, and what was spent is told.
        tokio::time::sleep(Duration::from_millis(3500)).await;
    }
    assert_eq!(spent, 90);
    let last = &replicas(&redis, 3, &patient(Algorithm::TokenBucket(1000))).await[0];
    let mut more = 0;
    while let Ok(admission) = last.admit(&subject, &asks(1, 0.01)).await {
        admission.settle(&tokens(1), Usd::from_dollars(0.01).unwrap());
        more += 1;
    }
    assert_eq!(more, 10);
}

#[tokio::test]
async fn requests_at_once_are_counted_over_all_replicas() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 8, &patient(Algorithm::TokenBucket(1000))).await;
    let rules = Rules {
        parallel: Some(20),
        ..Rules::default()
    };
    let subject = [Subject::new(Kind::Key, "k", rules)];
    let mut open = Vec::new();
    for _ in 0..2 {
        for replica in &all {
            open.push(replica.admit(&subject, &asks(1, 0.0)).await.unwrap());
        }
    }
    let mut refused = 0;
    for _ in 0..4 {
        for replica in &all {
            match replica.admit(&subject, &asks(1, 0.0)).await {
                Ok(admission) => open.push(admission),
                Err(refusal) => {
                    assert_eq!(refusal.wait, Wait::Ending);
                    refused += 1;
                }
            }
        }
    }
    assert!(open.len() <= 20 && open.len() >= 16, "{}", open.len());
    assert!(refused >= 28);
    open.clear();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut again = Vec::new();
    for _ in 0..20 {
        again.push(all[0].admit(&subject, &asks(1, 0.0)).await.unwrap());
    }
    assert!(all[1].admit(&subject, &asks(1, 0.0)).await.is_err());
}

#[tokio::test]
async fn whoever_waits_as_long_as_told_is_let_in_by_another_replica_too() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 2, &patient(Algorithm::TokenBucket(1000))).await;
    let subject = [Subject::new(Kind::Key, "k", rpm(30))];
    for place in 0..30 {
        all[place % 2]
            .admit(&subject, &asks(1, 0.0))
            .await
            .unwrap()
            .settle(&tokens(1), Usd::ZERO);
    }
    let refusal = all[0].admit(&subject, &asks(1, 0.0)).await.unwrap_err();
    let Wait::After(wait) = refusal.wait else {
        panic!()
    };
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    tokio::time::sleep(wait).await;
    assert!(all[1].admit(&subject, &asks(1, 0.0)).await.is_ok());
}

#[tokio::test]
async fn whoever_is_cancelled_while_redis_is_asked_leaves_nothing_behind() {
    let redis = RedisServer::start(&[]).await;
    let all = replicas(&redis, 1, &patient(Algorithm::TokenBucket(1000))).await;
    let rules = Rules {
        parallel: Some(4),
        ..rpm(10)
    };
    let subject = [Subject::new(Kind::Key, "k", rules)];
    for _ in 0..100 {
        let ask = asks(1, 0.0);
        let mut request = Box::pin(all[0].admit(&subject, &ask));
        let _ = futures::poll!(&mut request);
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for _ in 0..10 {
        all[0]
            .admit(&subject, &asks(1, 0.0))
            .await
            .unwrap()
            .settle(&tokens(1), Usd::ZERO);
    }
    assert!(all[0].admit(&subject, &asks(1, 0.0)).await.is_err());
}
