//! Every target is faulty: the documented error, in time, for few calls; then, with the breakers
//! open, a 503 that says when to come again and costs no call.

use std::time::Duration;

use super::{
    caller::Caller,
    fault::Fault,
    load::{Turn, Verdict, drive, expect},
    requests,
    scene::{BUDGET_SIZE, FEW, Scene},
};
use crate::support::Request;

/// Each is called once, and then some again.
const TARGETS: usize = 2;
/// `retries.max`.
const RETRIES: usize = 3;
/// The deadline that clients set, and how much later they may have the answer.
const DEADLINE: &str = "2";
const IN_TIME: Duration = Duration::from_millis(2500);

async fn everybody_is_told(fault: Fault, caller: Caller, stream: bool) {
    let what = format!("{fault:?} everywhere, {caller:?}, stream: {stream}");
    let scene = Scene::all_targets(fault, stream, "").await;
    let request = caller.request(stream).header("x-gateway-timeout", DEADLINE);

    let alone = drive(scene.gateway.address, caller, &request, 1).await;
    expect(&alone, &[Verdict::Error], &what);
    is_the_faults(&alone[0], fault, caller, &what);
    let (one, two) = scene.calls().await;
    assert!(
        one >= 1 && two >= 1 && one + two <= TARGETS + RETRIES,
        "{what}: {one} and {two} calls for one request"
    );

    let turns = scene.drive(caller, &request).await;
    expect(&turns, &[Verdict::Error], &what);
    for turn in &turns {
        match turn.status() {
            503 => is_unavailable(turn, caller, &what),
            _ => is_the_faults(turn, fault, caller, &what),
        }
    }
    let (one, two) = scene.calls().await;
    let offered = requests() + 1;
    let budget = 2 * BUDGET_SIZE + offered / 10;
    assert!(
        one + two <= offered + budget,
        "{what}: {one} and {two} calls for {offered} requests"
    );
    costs_nothing_when_open(&scene, caller, &request, &what).await;
}

/// The breakers have opened.
async fn costs_nothing_when_open(scene: &Scene, caller: Caller, request: &Request, what: &str) {
    let (one, two) = scene.calls().await;
    assert!(
        requests() <= 2 * FEW || (one <= FEW && two <= FEW),
        "{what}: {one} and {two} calls"
    );
    let after = drive(scene.gateway.address, caller, request, 1).await;
    expect(&after, &[Verdict::Error], what);
    is_unavailable(&after[0], caller, what);
    assert_eq!(scene.calls().await, (one, two), "{what}: no call");
}

/// The error is that of the last provider that was asked.
#[track_caller]
fn is_the_faults(turn: &Turn, fault: Fault, caller: Caller, what: &str) {
    assert_eq!(turn.status(), fault.status(), "{what}: {turn:?}");
    let source = turn.error(caller, "source");
    assert!(
        ["one", "two"].contains(&source.as_str()),
        "{what}: {turn:?}"
    );
    assert_eq!(
        turn.header("retry-after"),
        fault.retry_after(),
        "{what}: {turn:?}"
    );
    assert!(turn.took < IN_TIME, "{what}: {turn:?}");
}

#[track_caller]
fn is_unavailable(turn: &Turn, caller: Caller, what: &str) {
    assert_eq!(turn.status(), 503, "{what}: {turn:?}");
    if caller != Caller::Messages {
        let code = turn.error(caller, "code");
        assert_eq!(code, "provider_unavailable", "{what}: {turn:?}");
    }
    let wait = turn.header("retry-after").map(str::parse::<u32>);
    let is_sane = matches!(wait, Some(Ok(1..=31)));
    assert!(is_sane, "{what}: {turn:?}");
    assert!(turn.took < IN_TIME, "{what}: {turn:?}");
}

async fn both_ways(fault: Fault) {
    for stream in [false, true] {
        everybody_is_told(fault, Caller::Chat, stream).await;
    }
}

#[tokio::test]
async fn connections_that_all_targets_refuse_are_a_502_for_few_calls() {
    both_ways(Fault::Refused).await;
}

#[tokio::test]
async fn connections_that_all_targets_reset_are_a_502_for_few_calls() {
    both_ways(Fault::Reset).await;
}

#[tokio::test]
async fn a_stall_of_all_targets_is_a_504_within_the_deadline() {
    both_ways(Fault::StallBeforeHead).await;
}

#[tokio::test]
async fn a_rate_limit_of_all_targets_is_a_502_with_the_providers_retry_after() {
    both_ways(Fault::RateLimited).await;
}

#[tokio::test]
async fn a_500_of_all_targets_is_a_502_for_few_calls() {
    both_ways(Fault::ServerError).await;
}

#[tokio::test]
async fn a_503_of_all_targets_is_a_502_with_the_providers_retry_after() {
    both_ways(Fault::Unavailable).await;
}

#[tokio::test]
async fn a_529_of_all_targets_is_a_502_for_few_calls() {
    both_ways(Fault::Overloaded).await;
}

#[tokio::test]
async fn garbage_of_all_targets_is_a_502_for_few_calls() {
    both_ways(Fault::NotHttp).await;
}

#[tokio::test]
async fn web_pages_of_all_targets_are_a_502_for_few_calls() {
    both_ways(Fault::WebPage).await;
}

#[tokio::test]
async fn callers_of_other_dialects_are_told_in_their_own() {
    for (fault, caller) in [
        (Fault::NotJson, Caller::Messages),
        (Fault::RateLimited, Caller::Messages),
        (Fault::StallBeforeHead, Caller::Responses),
        (Fault::Reset, Caller::Responses),
    ] {
        for stream in [false, true] {
            everybody_is_told(fault, caller, stream).await;
        }
    }
}

#[tokio::test]
async fn gathered_answers_that_break_off_at_all_targets_are_documented_errors() {
    everybody_is_told(Fault::Truncated, Caller::Messages, false).await;
    everybody_is_told(Fault::StallMidStream, Caller::Responses, false).await;
}
