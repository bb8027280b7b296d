//! One target of two is faulty and the client has seen nothing yet: no request fails, each is
//! answered once, and the faulty target is soon left alone.

use std::time::Duration;

use super::{
    caller::Caller,
    fault::Fault,
    load::{Verdict, expect},
    requests,
    scene::{FEW, Scene},
};

/// Nobody waits for the faulty target's `Retry-After`.
const PROMPT: Duration = Duration::from_secs(4);

async fn nobody_notices(fault: Fault, caller: Caller, stream: bool) {
    let what = format!("{fault:?}, {caller:?}, stream: {stream}");
    let scene = Scene::one_target(fault, stream).await;
    let turns = scene.drive(caller, &caller.request(stream)).await;
    expect(&turns, &[Verdict::Good], &what);
    let slowest = turns.iter().map(|turn| turn.took).max();
    assert!(
        slowest < Some(PROMPT),
        "{what}: {slowest:?} for an answer that somebody could give at once"
    );
    let (one, two) = scene.calls().await;
    assert_eq!(
        (turns.len(), two),
        (requests(), requests()),
        "{what}: one good answer to each request"
    );
    assert!(
        (1..=FEW).contains(&one),
        "{what}: {one} calls of the faulty"
    );
    assert_eq!(
        scene.attempts("one", fault.outcome()).await,
        one,
        "{what}: each is counted"
    );
}

async fn both_ways(fault: Fault) {
    for stream in [false, true] {
        nobody_notices(fault, Caller::Chat, stream).await;
    }
}

#[tokio::test]
async fn no_request_fails_where_one_target_refuses_connections() {
    both_ways(Fault::Refused).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_resets_connections() {
    both_ways(Fault::Reset).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_stalls_before_its_head() {
    both_ways(Fault::StallBeforeHead).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_is_at_its_rate_limit() {
    both_ways(Fault::RateLimited).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_answers_500() {
    both_ways(Fault::ServerError).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_is_unavailable_for_a_while() {
    both_ways(Fault::Unavailable).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_is_overloaded() {
    both_ways(Fault::Overloaded).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_does_not_speak_http() {
    both_ways(Fault::NotHttp).await;
}

#[tokio::test]
async fn no_request_fails_where_one_target_answers_with_a_web_page() {
    both_ways(Fault::WebPage).await;
}

#[tokio::test]
async fn no_translated_request_fails_where_one_target_does_not_answer_in_json() {
    for stream in [false, true] {
        nobody_notices(Fault::NotJson, Caller::Messages, stream).await;
    }
}

#[tokio::test]
async fn no_request_of_another_dialect_fails_where_one_target_is_faulty() {
    for (fault, caller) in [
        (Fault::Reset, Caller::Messages),
        (Fault::ServerError, Caller::Responses),
        (Fault::RateLimited, Caller::Messages),
        (Fault::WebPage, Caller::Responses),
    ] {
        for stream in [false, true] {
            nobody_notices(fault, caller, stream).await;
        }
    }
}

#[tokio::test]
async fn no_gathered_answer_fails_where_one_target_breaks_off() {
    for (fault, caller) in [
        (Fault::Truncated, Caller::Messages),
        (Fault::StallMidStream, Caller::Responses),
    ] {
        nobody_notices(fault, caller, false).await;
    }
}
