//! Answers that break after they began: a stream ends with an error event and properly, a plain
//! answer is cut, nobody else is asked, and the log says what happened.

use std::time::Duration;

use crate::support::{
    Ending, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, pair},
    openai, sse, within,
};

struct Scene {
    two: ScriptedUpstream,
    _one: ScriptedUpstream,
    gateway: TestGateway,
}

async fn scene(script: Script) -> Scene {
    let one = ScriptedUpstream::start([script]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("second"))]).await;
    let gateway = TestGateway::with(&pair(&one.base_url(), &two.base_url())).await;
    Scene {
        two,
        _one: one,
        gateway,
    }
}

async fn stream_ends_with_an_error(ending: Ending, outcome: &str) {
    let scene = scene(Script::broken(
        [openai::frame("a"), openai::frame("b")],
        ending,
    ))
    .await;
    let request = Request::chat(openai::streamed("m"));
    let long = openai::long_streamed("m");
    let http1 = scene.gateway.call(request.clone()).await;
    let chunked = scene.gateway.call(Request::chat(long).chunked(9_000)).await;
    let h2c = scene.gateway.http2().await.call(&request).await.unwrap();
    for answer in [http1, chunked, h2c] {
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        let events = sse::events(&answer.body);
        assert_eq!(
            events.len(),
            3,
            "two frames and an error: {}",
            answer.text()
        );
        let error = &events[2].json()["error"];
        assert_eq!(error["source"], "one", "{error}");
        assert!(
            error["message"].is_string() && error["type"].is_string(),
            "{error}"
        );
        let record = scene.gateway.request_log(&answer).await;
        assert_eq!(record["attempts"][0]["outcome"], outcome, "{record}");
        assert_eq!(record["attempts"].as_array().unwrap().len(), 1, "{record}");
    }
    assert_eq!(scene.two.count(), 0, "never text twice");
}

async fn plain_answer_is_cut(ending: Ending, outcome: &str) {
    let scene = scene(Script::HalfPlain { ending }).await;
    let answer = scene.gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!((answer.status, answer.whole), (200, false), "{answer:?}");
    let record = scene.gateway.request_log(&answer).await;
    assert_eq!(record["attempts"][0]["outcome"], outcome, "{record}");
    assert_eq!(scene.two.count(), 0);
    let after = scene.gateway.call(Request::get("/health")).await;
    assert_eq!(after.status, 200);
}

#[tokio::test]
async fn a_stream_cut_short_ends_with_an_error_event() {
    stream_ends_with_an_error(Ending::Truncate, "truncated").await;
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_with_an_error_event() {
    stream_ends_with_an_error(Ending::Reset, "reset").await;
}

#[tokio::test]
async fn a_stream_that_stalls_ends_with_an_error_event() {
    stream_ends_with_an_error(Ending::Stall, "timeout").await;
}

#[tokio::test]
async fn a_stream_cut_inside_a_frame_still_ends_with_a_readable_error_event() {
    let frame = openai::frame("cut in half");
    let half = frame.slice(..frame.len() / 2);
    let scene = scene(Script::broken([openai::frame("a"), half], Ending::Truncate)).await;
    let answer = scene
        .gateway
        .call(Request::chat(openai::streamed("m")))
        .await;
    assert!(answer.whole, "{answer:?}");
    let events = sse::events(&answer.body);
    let last = events.last().unwrap().json();
    assert_eq!(last["error"]["source"], "one", "{}", answer.text());
}

#[tokio::test]
async fn a_stream_that_breaks_right_after_its_head_ends_with_an_error_or_goes_elsewhere() {
    for ending in [Ending::Truncate, Ending::Reset, Ending::Stall] {
        let scene = scene(Script::broken([] as [&'static [u8]; 0], ending)).await;
        let answer = scene
            .gateway
            .call(Request::chat(openai::streamed("m")))
            .await;
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{ending:?}: {answer:?}"
        );
        if scene.two.count() == 0 {
            let events = sse::events(&answer.body);
            assert_eq!(events[0].json()["error"]["source"], "one", "{ending:?}");
        } else {
            assert_eq!(answer.text(), openai::completion("second"), "{ending:?}");
        }
    }
}

#[tokio::test]
async fn a_plain_answer_cut_short_is_cut_for_the_client() {
    plain_answer_is_cut(Ending::Truncate, "truncated").await;
}

#[tokio::test]
async fn a_plain_answer_that_is_reset_is_cut_for_the_client() {
    plain_answer_is_cut(Ending::Reset, "reset").await;
}

#[tokio::test]
async fn a_plain_answer_that_stalls_is_cut_for_the_client() {
    plain_answer_is_cut(Ending::Stall, "timeout").await;
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_ends_the_connection_cleanly() {
    let scene = scene(Script::broken([openai::frame("a")], Ending::Truncate)).await;
    let mut client = scene.gateway.http1().await;
    let answer = client.call(&Request::chat(openai::streamed("m"))).await;
    assert!(answer.unwrap().whole, "the body has its proper end");
    assert!(client.closes_within(Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_stream_longer_than_the_total_timeout_ends_with_an_error_event() {
    let script = Script::frames(openai::frames(50), Duration::from_millis(100));
    let one = ScriptedUpstream::start([script]).await;
    let yaml = Yaml::new().and(&format!(
        "providers: {{one: {{base_url: \"{}\", models: [m], timeout_seconds: 1}}}}",
        one.base_url()
    ));
    let gateway = TestGateway::with(&yaml).await;
    let call = gateway.call(Request::chat(openai::streamed("m")));
    let answer = within(Duration::from_secs(3), "the end", call).await;
    assert!(answer.whole, "{answer:?}");
    let events = sse::events(&answer.body);
    assert!(events.len() > 3, "{}", answer.text());
    assert_eq!(events.last().unwrap().json()["error"]["source"], "one");
    let record = gateway.request_log(&answer).await;
    assert_eq!(record["attempts"][0]["outcome"], "timeout", "{record}");
}
