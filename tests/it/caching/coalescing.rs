//! Identical requests that are under way at the same time share one call.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ask, chat, frames, gateway, gateway_with, good, streamed, x_cache};
use crate::support::{
    Answer, Ending, Gate, Request, Script, ScriptedUpstream, Step, TestGateway, all, config::Yaml,
    eventually, openai, sse,
};

const MANY: usize = 100;
/// Between the frames of a slow stream.
const PAUSE: Duration = Duration::from_millis(20);
/// The product promises 100 ms; a busy test machine is given more.
const PROMPTLY: Duration = Duration::from_millis(250);

/// An answer that waits for the test.
fn gated(gate: &Gate, words: &[&str]) -> Script {
    let mut steps: Vec<_> = frames(words).into_iter().map(Step::Write).collect();
    steps.insert(1, Step::Wait(gate.clone()));
    Script::Stream {
        steps,
        ending: Ending::Whole,
    }
}

/// Waits until so many follow whoever leads.
async fn followers(gateway: &TestGateway, count: f64) {
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |seen| seen >= count)
        .await;
    // They have arrived; those that wait for a head are not told apart.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn words(answer: &Answer) -> String {
    sse::events(&answer.body)
        .iter()
        .filter(|event| event.data != "[DONE]")
        .filter_map(|event| {
            event.json()["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

#[tokio::test]
async fn a_hundred_plain_requests_make_one_call() {
    let slow = Script::SlowHead {
        pause: Duration::from_millis(2),
    };
    let one = ScriptedUpstream::start([slow]).await;
    let gateway = gateway(&one).await;
    let answers = all((0..MANY).map(|_| gateway.call(chat(&ask("x"))))).await;
    assert_eq!(one.count(), 1, "one call");
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.body),
            (200, &answers[0].body),
            "{answer:?}"
        );
    }
    let coalesced = answers
        .iter()
        .filter(|answer| x_cache(answer) == "COALESCED")
        .count();
    let made = answers
        .iter()
        .filter(|answer| x_cache(answer) == "MISS")
        .count();
    assert_eq!(made, 1);
    assert!(coalesced > 0);
}

#[tokio::test]
async fn an_answer_is_whole_with_its_last_byte_wherever_its_end_comes() {
    let answer = Script::EndsApart {
        body: openai::completion("hi").into(),
        pause: Duration::from_millis(500),
    };
    let one = ScriptedUpstream::start_h2c([answer.after(Duration::from_millis(200))]).await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", http_version: http2")
        .and("cache: {}");
    let gateway = TestGateway::with(&yaml).await;
    let answers = all((0..5).map(|_| gateway.call(chat(&ask("x"))))).await;
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.text()),
            (200, openai::completion("hi")),
            "{answer:?}"
        );
    }
    let again = gateway.call(chat(&ask("x"))).await;
    assert_eq!((x_cache(&again), one.count()), ("HIT", 1), "{again:?}");
    gateway
        .wait_metric("gateway_tokens_total", &[], |tokens| tokens > 0.0)
        .await;
}

#[tokio::test]
async fn a_hundred_streams_make_one_call_and_grow_together() {
    let text = ["one ", "two ", "three ", "four ", "five"];
    let one = ScriptedUpstream::start([Script::frames(frames(&text), PAUSE)]).await;
    let gateway = gateway(&one).await;
    let answers = all((0..MANY).map(|_| gateway.call(chat(&streamed("x"))))).await;
    assert_eq!(one.count(), 1, "one call");
    for answer in &answers {
        assert!(answer.whole && answer.status == 200, "{answer:?}");
        assert_eq!(answer.text(), answers[0].text());
        assert_eq!(words(answer), text.concat());
    }
    assert!(answers[0].text().ends_with("data: [DONE]\n\n"));
    assert!(
        !answers[0].text().contains("prompt_tokens"),
        "nobody asked for the usage"
    );
}

#[tokio::test]
async fn a_follower_gets_each_frame_when_it_comes() {
    let gate = Gate::closed();
    let one = ScriptedUpstream::start([gated(&gate, &["first ", "second"])]).await;
    let gateway = gateway(&one).await;
    let mut leader = gateway.http1().await;
    leader.send(&chat(&streamed("x"))).await.unwrap();
    leader.head().await.unwrap();
    leader.piece().await.unwrap().unwrap();
    let mut follower = gateway.http1().await;
    follower.send(&chat(&streamed("x"))).await.unwrap();
    let head = follower.head().await.unwrap();
    assert_eq!(head.headers.get("x-cache"), Some("COALESCED"));
    let first = follower.piece().await.unwrap().unwrap();
    assert!(
        String::from_utf8_lossy(&first.bytes).contains("first "),
        "{first:?}"
    );
    gate.open();
    let mut rest = Vec::new();
    while let Some(piece) = follower.piece().await.unwrap() {
        rest.extend_from_slice(&piece.bytes);
    }
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains("second") && rest.ends_with("data: [DONE]\n\n"),
        "{rest}"
    );
    assert_eq!(one.count(), 1);
}

/// A leader whose client leaves half-way, with two followers of which one wants it whole.
async fn survives_its_leader(http2: bool) {
    let gate = Gate::closed();
    let one = ScriptedUpstream::start([gated(&gate, &["first ", "second"])]).await;
    let gateway = gateway(&one).await;
    let request = chat(&streamed("x"));
    let leader = if http2 {
        let client = gateway.http2().await;
        let asked = request.clone();
        tokio::spawn(async move {
            let _ = client.call(&asked).await;
        })
    } else {
        let mut client = gateway.http1().await;
        client.send(&request).await.unwrap();
        client.head().await.unwrap();
        client.piece().await.unwrap();
        tokio::spawn(async move {
            let _ = client.answer().await;
        })
    };
    one.wait_for_requests(1).await;
    let streamed_too = tokio::spawn(gateway.call(request.clone()));
    let plain = tokio::spawn(gateway.call(chat(&ask("x"))));
    followers(&gateway, 3.0).await;
    leader.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.open();
    let streamed_too = streamed_too.await.unwrap();
    assert!(streamed_too.whole, "{streamed_too:?}");
    assert_eq!(words(&streamed_too), "first second");
    let plain = plain.await.unwrap().json();
    assert_eq!(plain["choices"][0]["message"]["content"], "first second");
    assert_eq!(plain["usage"]["completion_tokens"], 5, "{plain}");
    assert_eq!(one.count(), 1);
    gateway.wait_request(|record| record["status"] == 499).await;
    let later = gateway.call(chat(&ask("x"))).await;
    assert_eq!((x_cache(&later), one.count()), ("HIT", 1), "it was kept");
}

#[tokio::test]
async fn the_others_get_all_of_it_where_the_leaders_client_leaves() {
    survives_its_leader(false).await;
}

#[tokio::test]
async fn the_others_get_all_of_it_where_the_leaders_client_leaves_over_http2() {
    survives_its_leader(true).await;
}

#[tokio::test]
async fn the_call_is_cancelled_when_the_last_of_them_leaves() {
    let one = ScriptedUpstream::start([gated(&Gate::closed(), &["first ", "second"])]).await;
    let gateway = gateway(&one).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.http1().await;
        client.send(&chat(&streamed("x"))).await.unwrap();
        client.head().await.unwrap();
        client.piece().await.unwrap().unwrap();
        clients.push(client);
    }
    assert_eq!(one.count(), 1);
    // The leader first.
    let last = clients.pop().unwrap();
    drop(clients);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(one.exchanges()[0].left.is_none(), "somebody still reads it");
    let left = Instant::now();
    drop(last);
    is_cancelled(&one, left).await;
}

#[tokio::test]
async fn a_lone_client_that_leaves_cancels_its_call() {
    let one = ScriptedUpstream::start([gated(&Gate::closed(), &["first ", "second"])]).await;
    let gateway = gateway(&one).await;
    let mut client = gateway.http1().await;
    client.send(&chat(&streamed("x"))).await.unwrap();
    client.head().await.unwrap();
    client.piece().await.unwrap().unwrap();
    let left = Instant::now();
    drop(client);
    is_cancelled(&one, left).await;
    gateway.wait_request(|record| record["status"] == 499).await;
    one.follow([good("anew")]);
    let answer = gateway.call(chat(&ask("x"))).await;
    assert_eq!(x_cache(&answer), "MISS", "nothing was kept");
}

async fn is_cancelled(one: &ScriptedUpstream, left: Instant) {
    let state = one
        .wait("the gateway leaves", |state| {
            state.exchanges[0].left.is_some()
        })
        .await;
    let after = state.exchanges[0]
        .left
        .unwrap()
        .saturating_duration_since(left);
    assert!(after < PROMPTLY, "cancelled only after {after:?}");
}

#[tokio::test]
async fn another_one_asks_where_the_leaders_provider_says_nothing() {
    let one = ScriptedUpstream::start([Script::Stall, good("hi")]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and("cache: {enabled: true}");
    let gateway = TestGateway::with(&yaml).await;
    let answers = all((0..20).map(|_| gateway.call(chat(&ask("x"))))).await;
    let failed = answers.iter().filter(|answer| answer.status != 200).count();
    assert_eq!(failed, 1, "only whoever asked it");
    assert_eq!(one.count(), 2, "another call served all the others");
}

#[tokio::test]
async fn a_refusal_is_everybodys_own() {
    let one = ScriptedUpstream::start([Script::json(400, openai::error("bad"))]).await;
    let gateway = gateway(&one).await;
    let answers = all((0..5).map(|_| gateway.call(chat(&ask("x"))))).await;
    assert!(answers.iter().all(|answer| answer.status == 400));
}

#[tokio::test]
async fn all_get_the_error_event_where_the_stream_breaks_and_nothing_is_kept() {
    let gate = Gate::closed();
    let mut steps: Vec<_> = frames(&["first ", "second"])
        .into_iter()
        .take(1)
        .map(Step::Write)
        .collect();
    steps.push(Step::Wait(gate.clone()));
    let broken = Script::Stream {
        steps,
        ending: Ending::Reset,
    };
    let one = ScriptedUpstream::start([broken, good("anew")]).await;
    let gateway = gateway(&one).await;
    let calls: Vec<_> = (0..5)
        .map(|_| tokio::spawn(gateway.call(chat(&streamed("x")))))
        .collect();
    one.wait_for_requests(1).await;
    followers(&gateway, 5.0).await;
    gate.open();
    for call in calls {
        let answer = call.await.unwrap();
        let events = sse::events(&answer.body);
        assert_eq!(words(&answer), "first ");
        let last = events.last().unwrap().json();
        assert_eq!(last["error"]["source"], "one", "{last}");
    }
    assert_eq!(one.count(), 1);
    assert_eq!(x_cache(&gateway.call(chat(&ask("x"))).await), "MISS");
}

#[tokio::test]
async fn all_get_the_rest_from_another_provider_where_streams_are_resumed() {
    let gate = Gate::closed();
    let mut steps: Vec<_> = frames(&["first "])
        .into_iter()
        .take(1)
        .map(Step::Write)
        .collect();
    steps.push(Step::Wait(gate.clone()));
    let broken = Script::Stream {
        steps,
        ending: Ending::Reset,
    };
    let one = ScriptedUpstream::start([broken]).await;
    let two = ScriptedUpstream::start([Script::frames(frames(&["second"]), Duration::ZERO)]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, breaker: {enabled: false}, resume: true}")
        .and("cache: {enabled: true}");
    let gateway = TestGateway::with(&yaml).await;
    let calls: Vec<_> = (0..5)
        .map(|_| tokio::spawn(gateway.call(chat(&streamed("x")))))
        .collect();
    one.wait_for_requests(1).await;
    followers(&gateway, 5.0).await;
    gate.open();
    for call in calls {
        let answer = call.await.unwrap();
        assert!(answer.whole, "{answer:?}");
        assert_eq!(words(&answer), "first second", "{}", answer.text());
    }
    assert_eq!((one.count(), two.count()), (1, 1));
    let later = gateway.call(chat(&streamed("x"))).await;
    assert_eq!(
        (x_cache(&later), words(&later).as_str()),
        ("HIT", "first second")
    );
}

#[tokio::test]
async fn an_answer_too_large_to_keep_still_reaches_all_who_wait() {
    let long = "x".repeat(20_000);
    let text: Vec<&str> = std::iter::repeat_n(long.as_str(), 10).collect();
    let one = ScriptedUpstream::start([Script::frames(frames(&text), PAUSE)]).await;
    let gateway = gateway_with(&one, "max_entry_bytes: 64KiB").await;
    let answers = all((0..10).map(|_| gateway.call(chat(&streamed("x"))))).await;
    assert_eq!(one.count(), 1);
    assert!(answers.iter().all(|answer| words(answer) == text.concat()));
    assert_eq!(x_cache(&gateway.call(chat(&streamed("x"))).await), "MISS");
}

#[tokio::test]
async fn coalescing_can_be_switched_off() {
    let slow = Script::SlowHead {
        pause: Duration::from_millis(2),
    };
    let one = ScriptedUpstream::start([slow]).await;
    let gateway = gateway_with(&one, "coalesce: false").await;
    let answers = all((0..5).map(|_| gateway.call(chat(&ask("x"))))).await;
    assert!(answers.iter().all(|answer| x_cache(answer) == "MISS"));
    assert_eq!(one.count(), 5);
}

#[tokio::test]
async fn a_follower_has_a_deadline_of_its_own() {
    let one = ScriptedUpstream::start([Script::Stall]).await;
    let gateway = gateway(&one).await;
    let mut leader = gateway.http1().await;
    leader.send(&chat(&ask("x"))).await.unwrap();
    one.wait_for_requests(1).await;
    let began = Instant::now();
    let hurried = chat(&ask("x")).header("x-gateway-timeout", "0.3");
    let answer = gateway.call(hurried).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(one.count(), 1);
    drop(leader);
    eventually("the call is cancelled", async || {
        one.exchanges()[0].left.is_some()
    })
    .await;
}

#[tokio::test]
async fn callers_of_other_dialects_share_calls_as_well() {
    let one = ScriptedUpstream::start([Script::frames(frames(&["a ", "b"]), PAUSE)]).await;
    let gateway = gateway(&one).await;
    for (path, body) in [
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "stream": true}),
        ),
        (
            "/v1/responses",
            json!({"model": "m", "input": "x", "stream": true}),
        ),
    ] {
        let before = one.count();
        let request = Request::post(path, body.to_string()).bearer("test-key");
        let answers = all((0..10).map(|_| gateway.call(request.clone()))).await;
        assert_eq!(one.count(), before + 1, "{path}");
        for answer in &answers {
            assert_eq!(
                (answer.status, answer.text()),
                (200, answers[0].text()),
                "{path}"
            );
        }
    }
}
