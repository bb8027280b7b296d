//! A client that leaves: the provider's call is cancelled at once, nobody is asked again, and the
//! operator can see it.

use std::time::{Duration, Instant};

use crate::support::{
    Ending, Gate, Request, Script, ScriptedUpstream, Step, TestGateway, config::Yaml, openai,
};

/// The product promises 100 ms; a busy test machine is given more.
const PROMPTLY: Duration = Duration::from_millis(250);

struct Scene {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    gateway: TestGateway,
}

/// A pool whose first provider follows `script`; the second must never be called.
async fn scene(script: Script) -> Scene {
    let one = ScriptedUpstream::start([script]).await;
    let two = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    Scene { one, two, gateway }
}

/// A stream that says one word and then waits for ever.
fn one_word() -> Script {
    let steps = vec![
        Step::Write(openai::frame("word")),
        Step::Wait(Gate::closed()),
    ];
    Script::Stream {
        steps,
        ending: Ending::Whole,
    }
}

impl Scene {
    async fn is_cancelled_once(&self, left: Instant) {
        let gone = self.one.wait("the gateway leaves", |state| {
            state
                .exchanges
                .first()
                .is_some_and(|exchange| exchange.left.is_some())
        });
        let after = gone.await.exchanges[0]
            .left
            .unwrap()
            .saturating_duration_since(left);
        eprintln!("the provider's call was cancelled after {after:?}");
        assert!(after < PROMPTLY, "cancelled only after {after:?}");
        let record = self
            .gateway
            .wait_request(|record| record["status"] == 499)
            .await;
        let attempts = record["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{record}");
        assert_eq!(attempts[0]["outcome"], "client_gone", "{record}");
        assert_eq!(self.one.count(), 1, "never retried");
        assert_eq!(self.two.count(), 0, "never sent elsewhere");
        let gateway = &self.gateway;
        gateway
            .wait_metric("gateway_client_disconnects_total", &[], |count| {
                count == 1.0
            })
            .await;
        gateway
            .wait_metric("gateway_requests_in_flight", &[], |count| count == 0.0)
            .await;
    }
}

async fn leaves_while_waiting(request: Request) {
    let scene = scene(Script::Stall).await;
    let mut client = scene.gateway.http1().await;
    client.send(&request).await.unwrap();
    scene.one.wait_for_requests(1).await;
    let left = Instant::now();
    drop(client);
    scene.is_cancelled_once(left).await;
}

async fn resets_while_waiting(request: Request) {
    let scene = scene(Script::Stall).await;
    let client = scene.gateway.http2().await;
    let call = client.send(&request).await.unwrap();
    scene.one.wait_for_requests(1).await;
    let left = Instant::now();
    call.reset();
    scene.is_cancelled_once(left).await;
    scene.one.follow([Script::json(200, "{}")]);
    let answer = client
        .call(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "the connection goes on: {answer:?}");
}

#[tokio::test]
async fn a_client_that_leaves_while_waiting_cancels_the_call() {
    leaves_while_waiting(Request::chat(openai::chat("m"))).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_frame_cancels_the_call() {
    leaves_while_waiting(Request::chat(openai::streamed("m"))).await;
}

#[tokio::test]
async fn a_client_that_leaves_after_a_large_sized_body_cancels_the_call() {
    leaves_while_waiting(Request::chat(openai::chat_of_size("m", 200 << 10))).await;
}

#[tokio::test]
async fn a_client_that_leaves_after_a_large_chunked_body_cancels_the_call() {
    leaves_while_waiting(Request::chat(openai::chat_of_size("m", 200 << 10)).chunked(9_000)).await;
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_cancels_the_call() {
    for request in [
        Request::chat(openai::streamed("m")),
        Request::chat(openai::long_streamed("m")).chunked(9_000),
    ] {
        let scene = scene(one_word()).await;
        let mut client = scene.gateway.http1().await;
        client.send(&request).await.unwrap();
        assert_eq!(client.head().await.unwrap().status, 200);
        assert_eq!(
            client.piece().await.unwrap().unwrap().bytes,
            openai::frame("word")
        );
        let left = Instant::now();
        drop(client);
        scene.is_cancelled_once(left).await;
    }
}

#[tokio::test]
async fn an_h2c_stream_that_is_reset_while_waiting_cancels_the_call() {
    resets_while_waiting(Request::chat(openai::chat("m"))).await;
}

#[tokio::test]
async fn an_h2c_stream_that_is_reset_after_a_large_body_cancels_the_call() {
    let body = openai::chat_of_size("m", 200 << 10);
    resets_while_waiting(Request::chat(body.clone())).await;
    resets_while_waiting(Request::chat(body).chunked(9_000)).await;
}

#[tokio::test]
async fn an_h2c_stream_that_is_reset_mid_stream_cancels_the_call() {
    let scene = scene(one_word()).await;
    let client = scene.gateway.http2().await;
    let mut call = client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(call.status().await.unwrap(), 200);
    assert_eq!(
        call.piece().await.unwrap().unwrap().bytes,
        openai::frame("word")
    );
    let left = Instant::now();
    call.reset();
    scene.is_cancelled_once(left).await;
}

#[tokio::test]
async fn a_client_that_leaves_inside_its_body_reaches_no_provider() {
    let scene = scene(Script::Stall).await;
    let request = Request::chat(openai::chat_of_size("m", 200 << 10));
    let mut client = scene.gateway.http1().await;
    client
        .write(&request.http1_bytes()[..100 << 10])
        .await
        .unwrap();
    scene
        .gateway
        .wait_metric("gateway_requests_in_flight", &[], |count| count == 1.0)
        .await;
    drop(client);
    let gateway = &scene.gateway;
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |count| count == 0.0)
        .await;
    gateway
        .wait_metric("gateway_client_disconnects_total", &[], |count| {
            count == 1.0
        })
        .await;
    assert_eq!(scene.one.count(), 0);
    assert_eq!(scene.two.count(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_during_a_retry_is_not_tried_for_again() {
    let scene = scene(Script::json(500, openai::error("first fails"))).await;
    scene.two.follow([Script::Stall]);
    let mut client = scene.gateway.http1().await;
    client
        .send(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    scene.two.wait_for_requests(1).await;
    drop(client);
    scene
        .two
        .wait("the gateway leaves", |state| {
            state.exchanges[0].left.is_some()
        })
        .await;
    let record = scene
        .gateway
        .wait_request(|record| record["status"] == 499)
        .await;
    assert_eq!(record["attempts"].as_array().unwrap().len(), 2, "{record}");
    assert_eq!((scene.one.count(), scene.two.count()), (1, 1));
}
