//! Answers that break after their beginning: a stream ends with its dialect's error event, a plain
//! answer is visibly cut, the rest is served, and each break is counted.

use super::{
    caller::Caller,
    fault::Fault,
    load::{Turn, Verdict, count, expect},
    requests,
    scene::{FEW, Scene},
};

/// How the client learns of it.
fn broken(stream: bool) -> Verdict {
    match stream {
        true => Verdict::Ended,
        false => Verdict::Cut,
    }
}

async fn breaks_at_one_target(fault: Fault, caller: Caller, stream: bool) {
    let what = format!("{fault:?}, {caller:?}, stream: {stream}");
    let scene = Scene::one_target(fault, stream).await;
    let turns = scene.drive(caller, &caller.request(stream)).await;
    let broken = broken(stream);
    expect(&turns, &[Verdict::Good, broken], &what);
    let (one, two) = scene.calls().await;
    assert!(
        (1..=FEW).contains(&one),
        "{what}: {one} calls of the faulty"
    );
    assert_eq!(
        (count(&turns, broken), count(&turns, Verdict::Good)),
        (one, two),
        "{what}: each call is one client's answer"
    );
    assert_eq!(one + two, requests(), "{what}: nothing is asked twice");
    names_the_provider(&turns, caller, &["one"]);
    assert_eq!(
        scene.attempts("one", fault.outcome()).await,
        one,
        "{what}: each is counted"
    );
}

async fn breaks_at_all_targets(fault: Fault, caller: Caller, stream: bool) {
    let what = format!("{fault:?} everywhere, {caller:?}, stream: {stream}");
    let scene = Scene::all_targets(fault, stream, "").await;
    let turns = scene.drive(caller, &caller.request(stream)).await;
    let broken = broken(stream);
    expect(&turns, &[broken, Verdict::Error], &what);
    for turn in turns.iter().filter(|turn| turn.verdict == Verdict::Error) {
        assert_eq!(turn.status(), 503, "{what}: {turn:?}");
        assert!(turn.header("retry-after").is_some(), "{what}: {turn:?}");
    }
    names_the_provider(&turns, caller, &["one", "two"]);
    let (one, two) = scene.calls().await;
    let told: usize = turns.iter().map(attempts).sum();
    assert_eq!(told, one + two, "{what}: never text twice");
    // Where the machine is slow, a target may say nothing in time: for that alone another one is asked.
    for record in scene.gateway.wait_events("request", turns.len()).await {
        let asked = record["attempts"].as_array().unwrap();
        for early in asked.split_last().map_or(&[][..], |(_, early)| early) {
            let (outcome, status) = (&early["outcome"], &early["status"]);
            assert!(outcome == "timeout" && status.is_null(), "{what}: {record}");
        }
    }
    assert!(one <= FEW && two <= FEW, "{what}: {one} and {two} calls");
    assert!(
        turns.len() <= FEW || count(&turns, Verdict::Error) > 0,
        "{what}: both breakers open"
    );
}

/// The calls that a client was told of, which is before the first text.
fn attempts(turn: &Turn) -> usize {
    let told = turn.header("x-gateway-attempts");
    told.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// The error event says who broke off.
#[track_caller]
fn names_the_provider(turns: &[Turn], caller: Caller, names: &[&str]) {
    for turn in turns.iter().filter(|turn| turn.verdict == Verdict::Ended) {
        let source = turn.error(caller, "source");
        assert!(names.contains(&source.as_str()), "{source}: {turn:?}");
    }
}

#[tokio::test]
async fn a_stream_that_stalls_midway_ends_with_the_callers_error_event() {
    for caller in [Caller::Chat, Caller::Messages, Caller::Responses] {
        breaks_at_one_target(Fault::StallMidStream, caller, true).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_the_callers_error_event() {
    for caller in [Caller::Chat, Caller::Messages, Caller::Responses] {
        breaks_at_one_target(Fault::Truncated, caller, true).await;
    }
}

#[tokio::test]
async fn a_plain_answer_that_breaks_off_never_looks_complete() {
    for fault in [Fault::StallMidStream, Fault::Truncated] {
        breaks_at_one_target(fault, Caller::Chat, false).await;
    }
}

#[tokio::test]
async fn streams_that_break_at_all_targets_end_with_the_callers_error_event() {
    for (fault, caller) in [
        (Fault::StallMidStream, Caller::Chat),
        (Fault::Truncated, Caller::Chat),
        (Fault::Truncated, Caller::Messages),
        (Fault::StallMidStream, Caller::Responses),
    ] {
        breaks_at_all_targets(fault, caller, true).await;
    }
}

#[tokio::test]
async fn plain_answers_that_break_off_at_all_targets_never_look_complete() {
    for fault in [Fault::StallMidStream, Fault::Truncated] {
        breaks_at_all_targets(fault, Caller::Chat, false).await;
    }
}
