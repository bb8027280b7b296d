//! The support module against itself, without the gateway: a client that calls the upstream sees
//! what the script says, and the upstream records what the client did.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::support::{
    Ending, Gate, Http1, Http2, Request, Script, ScriptedUpstream, Step, assert_same_bytes, config,
    openai, output, sse,
    tls::{Authority, agreed},
    upstream::refused_address,
    within,
};

async fn calls(script: Script) -> io::Result<crate::support::Answer> {
    let upstream = ScriptedUpstream::start([script]).await;
    Http1::connect(upstream.address)
        .await
        .call(&Request::chat(openai::chat("m")))
        .await
}

#[tokio::test]
async fn the_upstream_records_sized_and_chunked_bodies_exactly() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let mut client = Http1::connect(upstream.address).await;
    for size in [100, 65_535, 65_536, 65_537, 1 << 20] {
        let body = openai::chat_of_size("m", size);
        assert_eq!(body.len(), size);
        for request in [
            Request::chat(body.clone()),
            Request::chat(body.clone()).chunked(7_000),
        ] {
            let answer = client.call(&request).await.unwrap();
            assert_eq!((answer.status, answer.whole), (200, true));
            assert_same_bytes(&upstream.last().body, &body, "over HTTP/1.1");
        }
    }
    assert_eq!(upstream.count(), 10);
    assert_eq!(upstream.state().connections.len(), 1, "kept alive");
    assert_eq!(
        upstream.last().header("authorization"),
        Some("Bearer test-key")
    );
    assert_eq!(upstream.last().connection, 0);
    let head = Request::chat(Vec::new()).chunked(1).http1_head();
    assert_eq!(upstream.last().raw_head, head, "to the byte");
}

#[tokio::test]
async fn http2_bodies_arrive_with_and_without_a_length() {
    let upstream = ScriptedUpstream::start_h2c([Script::json(200, "{}")]).await;
    let client = Http2::connect(upstream.address).await;
    let body = openai::chat_of_size("m", 3 << 20);
    for request in [
        Request::chat(body.clone()),
        Request::chat(body.clone()).chunked(10_000),
    ] {
        let answer = client.call(&request).await.unwrap();
        assert_eq!(
            (answer.status, answer.whole, &answer.body[..]),
            (200, true, &b"{}"[..])
        );
        assert_same_bytes(&upstream.last().body, &body, "over HTTP/2");
    }
    let lengths: Vec<bool> = upstream
        .exchanges()
        .iter()
        .map(|e| e.header("content-length").is_some())
        .collect();
    assert_eq!(lengths, [true, false]);
}

#[tokio::test]
async fn frames_are_read_one_by_one_as_they_are_written() {
    let frames = openai::frames(5);
    let pause = Duration::from_millis(50);
    let upstream = ScriptedUpstream::start([Script::frames(frames.clone(), pause)]).await;
    let mut client = Http1::connect(upstream.address).await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    let mut reader = sse::SseReader::default();
    let (events, ended) = sse::read_events(&mut client, &mut reader, frames.len()).await;
    assert!(!ended && events.len() == frames.len());
    assert!(client.piece().await.unwrap().is_none(), "the proper end");
    let writes = upstream.last().writes;
    for (number, event) in events.iter().enumerate() {
        assert!(event.at >= writes[number]);
        assert!(
            writes.get(number + 1).is_none_or(|next| event.at < *next),
            "batched"
        );
    }
    assert_eq!(events[5].data, "[DONE]");
}

#[tokio::test]
async fn the_upstream_misbehaves_as_told() {
    let error = |result: io::Result<crate::support::Answer>| result.unwrap_err().kind();
    assert_eq!(
        error(calls(Script::ResetBeforeHead).await),
        io::ErrorKind::ConnectionReset
    );
    assert_eq!(
        error(calls(Script::CloseBeforeHead).await),
        io::ErrorKind::UnexpectedEof
    );
    assert!(calls(Script::CloseOnAccept).await.is_err());
    assert!(calls(Script::Garbage).await.is_err());
    assert!(
        !calls(Script::HalfPlain {
            ending: Ending::Truncate
        })
        .await
        .unwrap()
        .whole
    );
    for ending in [Ending::Truncate, Ending::Reset] {
        let answer = calls(Script::broken([openai::frame("a")], ending))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.whole), (200, false), "{ending:?}");
        assert_eq!(
            answer.body,
            openai::frame("a"),
            "what came before arrives, {ending:?}"
        );
    }
    let answer = calls(Script::SlowHead {
        pause: Duration::from_millis(1),
    })
    .await
    .unwrap();
    assert_eq!((answer.status, answer.whole), (200, true));
    let early = Script::AnswerBeforeBody {
        status: 500,
        body: "{}".into(),
    };
    let upstream = ScriptedUpstream::start([early]).await;
    let request = Request::chat(openai::chat_of_size("m", 4 << 20));
    let answer = Http1::connect(upstream.address)
        .await
        .call(&request)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.whole), (500, true));
    assert!(
        tokio::net::TcpStream::connect(refused_address())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn scripts_follow_one_another_and_the_last_repeats() {
    let scripts = [Script::json(500, "{}"), Script::json(200, "{}")];
    let upstream = ScriptedUpstream::start(scripts).await;
    let mut client = Http1::connect(upstream.address).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            client
                .call(&Request::get("/v1/models"))
                .await
                .unwrap()
                .status,
        );
    }
    assert_eq!(statuses, [500, 200, 200]);
    upstream.follow([Script::json(404, "{}")]);
    assert_eq!(
        client
            .call(&Request::get("/v1/models"))
            .await
            .unwrap()
            .status,
        404
    );
}

#[tokio::test]
async fn the_upstream_notices_at_once_that_a_client_left() {
    let gate = Gate::closed();
    let steps = vec![Step::Write(openai::frame("a")), Step::Wait(gate)];
    for script in [
        Script::Stall,
        Script::Stream {
            steps,
            ending: Ending::Whole,
        },
    ] {
        let upstream = ScriptedUpstream::start([script.clone()]).await;
        let mut client = Http1::connect(upstream.address).await;
        client
            .send(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        upstream.wait_for_requests(1).await;
        let left = Instant::now();
        drop(client);
        let state = upstream
            .wait("the client leaves", |s| s.exchanges[0].left.is_some())
            .await;
        assert!(state.exchanges[0].left.unwrap() - left < Duration::from_millis(100));
        upstream
            .wait("the connection closes", |state| state.open() == 0)
            .await;

        let upstream = ScriptedUpstream::start_h2c([script]).await;
        let client = Http2::connect(upstream.address).await;
        let call = client
            .send(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        upstream.wait_for_requests(1).await;
        call.reset();
        upstream
            .wait("the stream is reset", |s| s.exchanges[0].left.is_some())
            .await;
    }
}

#[tokio::test]
async fn a_gate_holds_a_stream_until_it_opens() {
    let gate = Gate::closed();
    let steps = vec![Step::Wait(gate.clone()), Step::Write(openai::done())];
    let upstream = ScriptedUpstream::start([Script::Stream {
        steps,
        ending: Ending::Whole,
    }])
    .await;
    let mut client = Http1::connect(upstream.address).await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    assert!(upstream.last().writes.is_empty());
    gate.open();
    let piece = client.piece().await.unwrap().unwrap();
    assert_eq!(piece.bytes, openai::done());
}

#[tokio::test]
async fn tls_speaks_what_alpn_agrees_on_and_refuses_other_names() {
    let authority = Authority::new();
    let scripts = [Script::json(200, "{}")];
    let alpn = ["h2", "http/1.1"];
    let upstream = ScriptedUpstream::start_tls(&authority, "localhost", &alpn, scripts).await;
    let request = Request::chat(openai::chat("m"));
    let stream = authority
        .connect(upstream.address, "localhost", &["h2"])
        .await;
    assert_eq!(agreed(&stream).as_deref(), Some("h2"));
    assert_eq!(
        Http2::over(stream)
            .await
            .call(&request)
            .await
            .unwrap()
            .status,
        200
    );
    let stream = authority
        .connect(upstream.address, "localhost", &["http/1.1"])
        .await;
    assert_eq!(
        Http1::over(stream).call(&request).await.unwrap().status,
        200
    );
    let protocols: Vec<&str> = upstream.exchanges().iter().map(|e| e.protocol).collect();
    assert_eq!(protocols, ["HTTP/2", "HTTP/1.1"]);
    assert!(
        std::fs::read_to_string(authority.ca_file())
            .unwrap()
            .contains("CERTIFICATE")
    );
}

#[tokio::test]
async fn an_upgraded_connection_echoes_raw_bytes() {
    let upstream = ScriptedUpstream::start([]).await;
    let mut client = Http1::connect(upstream.address).await;
    let request = Request::get("/v1/realtime?model=m")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket");
    client.send(&request).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    client.write(b"\x81\x05hello").await.unwrap();
    assert_eq!(client.read_raw(7).await.unwrap(), &b"\x81\x05hello"[..]);
    drop(client);
    let left = upstream.wait("the end", |state| state.exchanges[0].left.is_some());
    within(Duration::from_secs(1), "the echo ends", left).await;
}

#[test]
fn metrics_are_summed_over_the_labels_that_match() {
    let text = "# TYPE a counter\na{provider=\"one\",status=\"200\"} 3\n\
                a{provider=\"one\",status=\"502\"} 2\na{xprovider=\"one\"} 9\nab 5\nplain 7\n";
    assert_eq!(output::sum_metric(text, "a", &[("provider", "one")]), 5.0);
    assert_eq!(
        output::sum_metric(text, "a", &[("provider", "one"), ("status", "502")]),
        2.0
    );
    assert_eq!(output::sum_metric(text, "plain", &[]), 7.0);
    assert_eq!(output::sum_metric(text, "missing", &[]), 0.0);
}

#[test]
fn configurations_are_yaml_that_the_gateway_knows() {
    let yaml = config::pair("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
        .listen("head_timeout_seconds: 1")
        .patient("slow", "http://127.0.0.1:3/v1")
        .and("default_model: m")
        .build();
    let config: ai_gateway::config::Config = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(config.providers.len(), 3);
    assert_eq!(config.pools["both"].targets.len(), 2);
    assert_eq!(config.auth.keys[0].key.expose(), config::CLIENT_KEY);
}
