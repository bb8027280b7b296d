//! A thousand requests a second that no provider can serve: they do not become more calls than they
//! are, and they leave nothing behind in memory.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    caller::Caller,
    fault::Fault,
    load::{Verdict, judge},
    scene::{BUDGET_SIZE, FEW, Scene},
};
use crate::support::Http1;

const PER_SECOND: u64 = 1000;
const WARM_UP_SECONDS: u64 = 2;
const SECONDS: u64 = 3;
const MAX_GROWTH_KIB: u64 = 8 << 10;

/// Sends requests at their time, whether or not those before have been answered; returns how many.
async fn storm(address: SocketAddr, seconds: u64) -> usize {
    let idle: Arc<Mutex<Vec<Http1>>> = Arc::default();
    let mut tick = interval(Duration::from_secs(1) / PER_SECOND as u32);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for _ in 0..PER_SECOND * seconds {
        tick.tick().await;
        let idle = idle.clone();
        calls.spawn(async move {
            let kept = idle.lock().expect("no panic while locked").pop();
            let mut client = match kept {
                Some(client) => client,
                None => Http1::connect(address).await,
            };
            let answer = client.call(&Caller::Chat.request(false)).await;
            let answer = answer.expect("an answer");
            assert_eq!(judge(Caller::Chat, &answer), Verdict::Error, "{answer:?}");
            assert!([502, 503].contains(&answer.status), "{answer:?}");
            if answer.header("connection") != Some("close") {
                idle.lock().expect("no panic while locked").push(client);
            }
        });
    }
    calls.join_all().await.len()
}

/// Returns the requests offered and the calls that they became, after a warm-up.
async fn weather(scene: &Scene) -> (usize, usize) {
    storm(scene.gateway.address, WARM_UP_SECONDS).await;
    let before = scene.gateway.resident_kib();
    let calls_before = scene.calls().await;
    let offered = storm(scene.gateway.address, SECONDS).await;
    let after = scene.gateway.resident_kib();
    assert!(
        after <= before + MAX_GROWTH_KIB,
        "memory grew from {before} to {after} KiB"
    );
    let calls = scene.calls().await;
    let of_one = calls.0 - calls_before.0;
    (offered, of_one + calls.1 - calls_before.1)
}

#[tokio::test]
async fn a_storm_of_requests_does_not_become_a_storm_of_retries() {
    let off = "breaker: {enabled: false}";
    let scene = Scene::all_targets(Fault::ServerError, false, off).await;
    let (offered, calls) = weather(&scene).await;
    assert!(
        calls >= offered && calls <= offered + offered / 10 + 2 * BUDGET_SIZE,
        "{calls} calls for {offered} requests"
    );
}

#[tokio::test]
async fn open_breakers_keep_a_storm_from_the_providers() {
    let scene = Scene::all_targets(Fault::ServerError, false, "").await;
    let (_, calls) = weather(&scene).await;
    assert!(calls <= FEW, "{calls} calls");
}
