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
    scene::{BUDGET_SIZE, Scene},
};
use crate::support::Http1;

const PER_SECOND: u32 = 1000;
const BURST: u64 = 3000;
const SECONDS: u64 = 3;
const MAX_GROWTH_KIB: u64 = 8 << 10;
/// One of each target for each cooldown that may pass meanwhile, and what each leads to.
const PROBES: usize = 8;
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Sends requests at their time, whether or not those before have been answered; returns how many.
async fn storm(address: SocketAddr, requests: u64, per_second: u32) -> usize {
    let idle: Arc<Mutex<Vec<Http1>>> = Arc::default();
    let mut tick = interval(Duration::from_secs(1) / per_second);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for _ in 0..requests {
        tick.tick().await;
        calls.spawn(ask(address, idle.clone()));
    }
    calls.join_all().await.len()
}

/// Sends one request over an idle connection, or a new one.
async fn ask(address: SocketAddr, idle: Arc<Mutex<Vec<Http1>>>) {
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
}

/// Returns the requests offered and the calls that they became, after a burst that is not counted.
///
/// Where the cores are busy with something else, requests queue, and what they hold while they do stays
/// with the allocator; hence the burst. A leak grows with every storm, a queue does not: one
/// storm in a few is flat.
async fn weather(scene: &Scene) -> (usize, usize) {
    let _alone = ONE_AT_A_TIME.lock().await;
    storm(scene.gateway.address, BURST, 100_000).await;
    let (calls_before, mut offered) = (scene.calls().await, 0);
    let mut resident = vec![scene.gateway.resident_kib()];
    loop {
        offered += storm(
            scene.gateway.address,
            SECONDS * u64::from(PER_SECOND),
            PER_SECOND,
        )
        .await;
        let (before, after) = (resident[resident.len() - 1], scene.gateway.resident_kib());
        resident.push(after);
        if after <= before + MAX_GROWTH_KIB {
            break;
        }
        assert!(resident.len() < 6, "memory only grows: {resident:?} KiB");
    }
    let (one, two) = scene.calls().await;
    (offered, one + two - calls_before.0 - calls_before.1)
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
    let (offered, calls) = weather(&scene).await;
    assert!(calls <= PROBES, "{calls} calls for {offered} requests");
}
