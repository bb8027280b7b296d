//! SIGTERM and upgrade: streams in flight finish, nobody new is lost, and the process goes.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::support::{
    Ending, Gate, Http1, Request, Script, ScriptedUpstream, Step, TestGateway, all,
    assert_same_bytes, client_h2::Call, config::Yaml, eventually, openai, sse, within,
};

/// The product promises one second; a busy test machine is given more.
const SOON: Duration = Duration::from_millis(1_500);
const STREAMS: usize = 100;

struct Scene {
    gate: Gate,
    upstream: ScriptedUpstream,
    gateway: TestGateway,
}

/// An upstream whose streams wait for a gate after their first frame.
async fn scene(listen: &str) -> Scene {
    let gate = Gate::closed();
    let steps = vec![
        Step::Write(openai::frame("before")),
        Step::Wait(gate.clone()),
        Step::Write(openai::frame("after")),
        Step::Write(openai::done()),
    ];
    let upstream = ScriptedUpstream::start([Script::Stream {
        steps,
        ending: Ending::Whole,
    }])
    .await;
    let yaml = Yaml::new()
        .patient("one", &upstream.base_url())
        .listen(listen);
    let gateway = TestGateway::with(&yaml).await;
    Scene {
        gate,
        upstream,
        gateway,
    }
}

/// Streams whose first frame has arrived: four of five on connections of their own, the rest on
/// one HTTP/2 connection.
struct Open {
    http1: Vec<Http1>,
    h2c: Vec<Call>,
    _shared: crate::support::Http2,
}

impl Open {
    async fn streams(gateway: &TestGateway, count: usize) -> Open {
        let request = Request::chat(openai::streamed("m"));
        let address = gateway.address;
        let opened = all((0..count * 4 / 5).map(|_| {
            let request = request.clone();
            async move {
                let mut client = Http1::connect(address).await;
                client.send(&request).await.unwrap();
                assert_eq!(client.head().await.unwrap().status, 200);
                assert_eq!(
                    client.piece().await.unwrap().unwrap().bytes,
                    openai::frame("before")
                );
                client
            }
        }));
        let http1 = opened.await;
        let shared = gateway.http2().await;
        let mut h2c = Vec::new();
        for _ in 0..count / 5 {
            let mut call = shared.send(&request).await.unwrap();
            assert_eq!(call.status().await.unwrap(), 200);
            assert_eq!(
                call.piece().await.unwrap().unwrap().bytes,
                openai::frame("before")
            );
            h2c.push(call);
        }
        Open {
            http1,
            h2c,
            _shared: shared,
        }
    }

    /// Reads every stream to its proper end.
    async fn complete(self) {
        let expected = [openai::frame("after"), openai::done()].concat();
        let over_http1 = all(self.http1.into_iter().map(|mut client| async move {
            let mut rest = Vec::new();
            while let Some(piece) = client.piece().await.expect("not cut") {
                rest.extend_from_slice(&piece.bytes);
            }
            rest
        }));
        let over_h2c = all(self.h2c.into_iter().map(|mut call| async move {
            let mut rest = Vec::new();
            while let Some(piece) = call.piece().await.expect("not cut") {
                rest.extend_from_slice(&piece.bytes);
            }
            rest
        }));
        for rest in over_http1.await.into_iter().chain(over_h2c.await) {
            assert_same_bytes(&rest, &expected, "the rest of a stream");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_a_hundred_streams_finish_and_then_exits() {
    let mut scene = scene("").await;
    let open = Open::streams(&scene.gateway, STREAMS).await;
    scene.gateway.signal(Signal::TERM);
    let address = scene.gateway.address;
    eventually("no new connection is served", async || {
        let Ok(stream) = TcpStream::connect(address).await else {
            return true;
        };
        let answer = Http1::over(stream).call(&Request::get("/v1/models")).await;
        answer.is_err() || answer.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    assert!(
        scene
            .gateway
            .wait_exit(Duration::from_millis(200))
            .await
            .is_none(),
        "it waits"
    );
    scene.gate.open();
    open.complete().await;
    let ended = Instant::now();
    let status = scene.gateway.wait_exit(SOON).await;
    eprintln!("exited {:?} after the last stream's end", ended.elapsed());
    assert!(
        status
            .expect("it exits soon after the last stream")
            .success(),
        "{status:?}"
    );
    let records = scene.gateway.wait_events("request", STREAMS).await;
    let whole = records
        .iter()
        .filter(|record| record["attempts"][0]["outcome"] == "ok")
        .count();
    assert_eq!(whole, STREAMS, "every stream is in the log");
}

#[tokio::test]
async fn sigterm_without_a_request_exits_at_once() {
    let mut scene = scene("").await;
    let mut kept = scene.gateway.http1().await;
    assert_eq!(
        kept.call(&Request::get("/health")).await.unwrap().status,
        200
    );
    scene.gateway.signal(Signal::TERM);
    let status = scene
        .gateway
        .wait_exit(SOON)
        .await
        .expect("an idle connection does not hold it");
    assert!(status.success(), "{status}");
    assert_eq!(scene.upstream.count(), 0);
}

#[tokio::test]
async fn sigterm_waits_no_longer_than_the_drain_timeout() {
    let mut scene = scene("drain_timeout_seconds: 1").await;
    let _open = Open::streams(&scene.gateway, 5).await;
    let started = Instant::now();
    scene.gateway.signal(Signal::TERM);
    scene
        .gateway
        .wait_exit(Duration::from_secs(4))
        .await
        .expect("it exits");
    assert!(
        started.elapsed() > Duration::from_millis(800),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_plain_answer_under_way_survives_sigterm() {
    let mut scene = scene("").await;
    scene.upstream.follow([Script::SlowHead {
        pause: Duration::from_millis(10),
    }]);
    let call = tokio::spawn(scene.gateway.call(Request::chat(openai::chat("m"))));
    scene.upstream.wait_for_requests(1).await;
    scene.gateway.signal(Signal::TERM);
    let answer = call.await.unwrap();
    assert_eq!((answer.status, answer.whole), (200, true));
    scene.gateway.wait_exit(SOON).await.expect("it exits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_loses_neither_open_streams_nor_new_requests() {
    let mut scene = scene("").await;
    let open = Open::streams(&scene.gateway, STREAMS).await;
    let address = scene.gateway.address;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let caller = tokio::spawn(async move {
        let mut count = 0;
        while !*stopped.borrow() {
            let request = Request::get("/v1/models").bearer("test-key");
            let answer = Http1::connect(address).await.call(&request).await;
            let answer = answer.unwrap_or_else(|error| panic!("request {count} was lost: {error}"));
            assert_eq!(answer.status, 200, "request {count}: {answer:?}");
            count += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        count
    });
    let (mut upgrade, output) = scene.gateway.upgrade();
    let listening =
        output.wait(|lines| lines.iter().any(|line| line.contains("listening on http")));
    tokio::select! {
        lines = listening => assert!(lines.is_some(), "the new process says that it listens"),
        status = upgrade.wait() => assert!(status.unwrap().success(), "{}", output.text()),
    }
    assert!(
        scene
            .gateway
            .wait_exit(Duration::from_millis(200))
            .await
            .is_none(),
        "it waits"
    );
    scene.gate.open();
    open.complete().await;
    let gone = scene.gateway.wait_exit(Duration::from_secs(5)).await;
    gone.expect("the old process goes after its last stream");
    let answer = scene
        .gateway
        .call(Request::chat(openai::streamed("m")))
        .await;
    assert_eq!(
        (answer.status, sse::events(&answer.body).len()),
        (200, 3),
        "the new one serves"
    );
    let metrics = within(
        Duration::from_secs(5),
        "the admin port",
        scene.gateway.metrics(),
    )
    .await;
    assert!(
        metrics.contains("gateway_requests_total"),
        "the admin port was handed over too"
    );
    stop.send(true).unwrap();
    let count = caller.await.unwrap();
    eprintln!("{count} new requests during the upgrade");
    assert!(count > 10);
}
