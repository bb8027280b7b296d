//! Streams pass through as they come: each frame at once, and every byte of it.

use std::time::Duration;

use crate::support::{
    Ending, Http1, Request, Script, ScriptedUpstream, Step, TestGateway, assert_same_bytes,
    config::{Yaml, single},
    openai, sse,
};

const PAUSE: Duration = Duration::from_millis(50);

/// The delay of each frame in milliseconds, and whether one came only with the next.
async fn measure(
    gateway: &TestGateway,
    upstream: &ScriptedUpstream,
    h2c: bool,
) -> (Vec<u128>, bool) {
    let request = Request::chat(openai::streamed("m"));
    let mut reader = sse::SseReader::default();
    let events = if h2c {
        let client = gateway.http2().await;
        let mut call = client.send(&request).await.unwrap();
        assert_eq!(call.status().await.unwrap(), 200);
        let mut events = Vec::new();
        while let Some(piece) = call.piece().await.unwrap() {
            events.extend(reader.push(&piece));
        }
        events
    } else {
        let mut client: Http1 = gateway.http1().await;
        client.send(&request).await.unwrap();
        assert_eq!(client.head().await.unwrap().status, 200);
        let (events, ended) = sse::read_events(&mut client, &mut reader, usize::MAX).await;
        assert!(ended, "the proper end");
        events
    };
    let writes = upstream.last().writes;
    assert_eq!(events.len(), writes.len());
    let delays = events
        .iter()
        .zip(&writes)
        .map(|(event, write)| (event.at - *write).as_millis());
    let batched = events
        .iter()
        .zip(&writes[1..])
        .any(|(event, next)| event.at >= *next);
    (delays.collect(), batched)
}

/// A busy machine may spoil a round; a gateway that holds frames back spoils all three.
async fn no_frame_is_held_back(h2c: bool) {
    let script = Script::frames(openai::frames(15), PAUSE);
    let upstream = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let (delays, batched) = measure(&gateway, &upstream, h2c).await;
        let mut sorted = delays.clone();
        sorted.sort_unstable();
        // A delayed acknowledgement would cost about 40 ms on most frames.
        if !batched && sorted[sorted.len() / 2] < 15 && delays.iter().all(|delay| *delay < 40) {
            return;
        }
        rounds.push((delays, batched));
    }
    panic!("frames are held back: milliseconds and batching of three rounds: {rounds:?}");
}

#[tokio::test]
async fn each_frame_arrives_before_the_next_is_written() {
    no_frame_is_held_back(false).await;
}

#[tokio::test]
async fn each_frame_arrives_before_the_next_is_written_over_h2c() {
    no_frame_is_held_back(true).await;
}

#[tokio::test]
async fn the_head_of_a_stream_arrives_before_its_first_frame() {
    let gate = crate::support::Gate::closed();
    let steps = vec![Step::Wait(gate.clone()), Step::Write(openai::done())];
    let upstream = ScriptedUpstream::start([Script::Stream {
        steps,
        ending: Ending::Whole,
    }])
    .await;
    let gateway = TestGateway::with(&Yaml::new().patient("one", &upstream.base_url())).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.headers.get("content-type"), Some("text/event-stream"));
    gate.open();
    assert_eq!(client.piece().await.unwrap().unwrap().bytes, openai::done());
    assert!(client.piece().await.unwrap().is_none());
}

/// Two frames with characters of one to four bytes.
fn text_of_every_width() -> Vec<u8> {
    [
        openai::frame("aé€😀 "),
        openai::frame("naïve 漢字"),
        openai::done(),
    ]
    .concat()
}

#[tokio::test]
async fn frames_split_at_every_byte_boundary_arrive_whole() {
    let text = text_of_every_width();
    let scripts = (1..text.len()).map(|at| {
        let (start, end) = text.split_at(at);
        Script::frames([start.to_vec(), end.to_vec()], Duration::from_millis(2))
    });
    let upstream = ScriptedUpstream::start(scripts).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut client = gateway.http1().await;
    for at in 1..text.len() {
        let answer = client
            .call(&Request::chat(openai::streamed("m")))
            .await
            .unwrap();
        assert!(answer.whole, "split at {at}");
        assert_same_bytes(&answer.body, &text, &format!("split at {at}"));
    }
    assert_eq!(sse::events(&text).len(), 3);
}

#[tokio::test]
async fn a_stream_of_single_bytes_arrives_whole() {
    let text = text_of_every_width();
    let bytes: Vec<Vec<u8>> = text.iter().map(|byte| vec![*byte]).collect();
    let upstream = ScriptedUpstream::start([Script::frames(bytes, Duration::from_millis(1))]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let request = Request::chat(openai::streamed("m"));
    let answer = gateway.call(request.clone()).await;
    assert_same_bytes(&answer.body, &text, "over HTTP/1.1");
    let answer = gateway.http2().await.call(&request).await.unwrap();
    assert_same_bytes(&answer.body, &text, "over h2c");
}

#[tokio::test]
async fn the_body_of_a_streamed_request_passes_byte_for_byte() {
    let upstream =
        ScriptedUpstream::start([Script::frames(openai::frames(2), Duration::ZERO)]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let body = " {\n\t\"stream\" : true , \"unknown\\u0020field\": [1e400, -0.0, {\"model\": \"x\"}],\
                 \"model\"  :\"m\", \"messages\":[ ] }\r\n";
    let answer = gateway.call(Request::chat(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = body.replacen(" {", r#" {"stream_options":{"include_usage":true},"#, 1);
    let sent = upstream.last().body;
    assert_same_bytes(&sent, asked.as_bytes(), "but for the usage, unchanged");
    let record = gateway.request_log(&answer).await;
    assert_eq!(record["stream"], true);
    assert_eq!(record["attempts"][0]["outcome"], "ok");
}

#[tokio::test]
async fn a_stream_of_announced_length_is_whole_without_the_usage_that_nobody_asked_for() {
    let usage = r#"data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    let shown = [openai::frame("hi"), openai::done()].concat();
    let all = [
        openai::frame("hi"),
        format!("{usage}\n\n").into(),
        openai::done(),
    ];
    let script = Script::Answer {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        body: all.concat().into(),
    };
    let upstream = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let request = Request::chat(r#"{"model":"m","stream":true,"messages":[]}"#);
    let answer = gateway.call(request.clone()).await;
    assert!(answer.whole, "{answer:?}");
    assert_eq!(answer.header("content-length"), None);
    assert_same_bytes(&answer.body, &shown, "over HTTP/1.1");
    let answer = gateway.http2().await.call(&request).await.unwrap();
    assert!(answer.whole, "{answer:?}");
    assert_same_bytes(&answer.body, &shown, "over h2c");
}
