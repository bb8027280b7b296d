//! Request bodies around every buffer's edge, with a first provider that fails: the second one
//! receives exactly the right bytes, under its own name for the model.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{
    Framing, Request, Script, ScriptedUpstream, TestGateway, assert_same_bytes,
    config::{CLIENT_KEY, Yaml},
    openai,
    upstream::refused_address,
};

const KIB: usize = 1 << 10;

/// Around Pingora's 64 KiB buffer, and well past it.
const SIZES: [usize; 8] = [
    KIB,
    60_000,
    60 * KIB,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    200 * KIB,
    KIB * KIB,
];
const LARGEST: [usize; 1] = [32 * KIB * KIB];

const SIZED: Framing = Framing::Sized;
const PIECES: Framing = Framing::Chunked(7_001);

/// How the first provider fails.
#[derive(PartialEq)]
enum First {
    Refuses,
    FailsAfterReading,
    FailsBeforeReading,
    ResetsAfterReading,
}
use First::*;

#[derive(Clone, Copy)]
enum Over {
    Http1,
    H2c,
}
use Over::*;

async fn arrives_at_the_second(sizes: &[usize], over: Over, framing: Framing, first: First) {
    let failing = ScriptedUpstream::start([match first {
        FailsBeforeReading => Script::AnswerBeforeBody {
            status: 500,
            body: "{}".into(),
        },
        ResetsAfterReading => Script::ResetBeforeHead,
        _ => Script::json(500, openai::error("first fails")),
    }])
    .await;
    let one = match first {
        Refuses => format!("http://{}/v1", refused_address()),
        _ => failing.base_url(),
    };
    let good = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let yaml = Yaml::new()
        .patient("one", &one)
        .patient("two", &good.base_url())
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    for size in sizes {
        let body = openai::chat_of_size("m", *size);
        let request = Request::chat(body.clone()).framed(framing);
        let answer = match over {
            Http1 => gateway.call(request).await,
            H2c => gateway.http2().await.call(&request).await.unwrap(),
        };
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{size} bytes: {answer:?}"
        );
        assert_eq!(answer.text(), openai::completion("hi"), "{size} bytes");
        let received = good.last();
        let expected = openai::with_model(&body, "m", "other-name");
        assert_same_bytes(
            &received.body,
            &expected,
            &format!("{size} bytes at the second"),
        );
        let length = expected.len().to_string();
        assert_eq!(
            received.header("content-length"),
            Some(length.as_str()),
            "{size} bytes"
        );
        assert_eq!(received.headers.all("content-length").count(), 1);
        assert_eq!(received.header("transfer-encoding"), None, "{size} bytes");
        if matches!(first, FailsAfterReading | ResetsAfterReading) {
            assert_same_bytes(
                &failing.last().body,
                &body,
                &format!("{size} bytes at the first"),
            );
        }
    }
    assert_eq!(good.count(), sizes.len(), "one call each");
}

/// One test for each combination, so that a failure names it.
macro_rules! bodies {
    ($($name:ident: $sizes:ident $over:ident $framing:ident $first:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            arrives_at_the_second(&$sizes, $over, $framing, $first).await;
        }
    )*};
}

bodies! {
    sized_bodies_survive_a_refused_connection: SIZES Http1 SIZED Refuses;
    sized_bodies_survive_a_500: SIZES Http1 SIZED FailsAfterReading;
    sized_bodies_survive_a_500_before_they_are_read: SIZES Http1 SIZED FailsBeforeReading;
    sized_bodies_survive_a_reset: SIZES Http1 SIZED ResetsAfterReading;
    chunked_bodies_survive_a_refused_connection: SIZES Http1 PIECES Refuses;
    chunked_bodies_survive_a_500: SIZES Http1 PIECES FailsAfterReading;
    chunked_bodies_survive_a_500_before_they_are_read: SIZES Http1 PIECES FailsBeforeReading;
    chunked_bodies_survive_a_reset: SIZES Http1 PIECES ResetsAfterReading;
    h2c_bodies_with_a_length_survive_a_refused_connection: SIZES H2c SIZED Refuses;
    h2c_bodies_with_a_length_survive_a_500: SIZES H2c SIZED FailsAfterReading;
    h2c_bodies_without_a_length_survive_a_refused_connection: SIZES H2c PIECES Refuses;
    h2c_bodies_without_a_length_survive_a_500: SIZES H2c PIECES FailsAfterReading;
    the_largest_sized_body_survives_a_refused_connection: LARGEST Http1 SIZED Refuses;
    the_largest_sized_body_survives_a_500: LARGEST Http1 SIZED FailsAfterReading;
    the_largest_chunked_body_survives_a_refused_connection: LARGEST Http1 PIECES Refuses;
    the_largest_chunked_body_survives_a_500: LARGEST Http1 PIECES FailsAfterReading;
    the_largest_h2c_body_with_a_length_survives_a_refused_connection: LARGEST H2c SIZED Refuses;
    the_largest_h2c_body_with_a_length_survives_a_500: LARGEST H2c SIZED FailsAfterReading;
    the_largest_h2c_body_without_a_length_survives_a_refused_connection: LARGEST H2c PIECES Refuses;
    the_largest_h2c_body_without_a_length_survives_a_500: LARGEST H2c PIECES FailsAfterReading;
}

#[tokio::test]
async fn bodies_in_single_byte_chunks_arrive() {
    let good = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new().patient("one", &good.base_url());
    let gateway = TestGateway::with(&yaml).await;
    let body = openai::chat_of_size("m", 3_000);
    let answer = gateway.call(Request::chat(body.clone()).chunked(1)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_same_bytes(&good.last().body, &body, "in single bytes");
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_told_to_go_on() {
    let good = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = TestGateway::with(&Yaml::new().patient("one", &good.base_url())).await;
    let body = openai::chat_of_size("m", 200 * KIB);
    let request = Request::chat(body.clone()).header("expect", "100-continue");
    let mut client = gateway.http1().await;
    client.write(&request.http1_head()).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 100);
    client.write(&body).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_same_bytes(&good.last().body, &body, "after 100 Continue");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_short_request_reaches_the_provider_in_one_piece() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let provider = async {
        let mut sizes = Vec::new();
        let mut buffer = vec![0; 64 * KIB];
        let (mut stream, _) = listener.accept().await.unwrap();
        while sizes.len() < 3 {
            // A request that comes before the connection is idle again has one of its own.
            let read = tokio::select! {
                read = stream.read(&mut buffer) => read.unwrap(),
                next = listener.accept() => {
                    stream = next.unwrap().0;
                    continue;
                }
            };
            let all = &buffer[..read];
            let end = all.windows(4).position(|four| four == b"\r\n\r\n");
            let (head, body) = all.split_at(end.unwrap() + 4);
            assert!(head.starts_with(b"POST /v1/chat/completions "));
            sizes.push(body.len());
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
        }
        sizes
    };
    let gateway = TestGateway::with(&Yaml::new().patient("one", &base_url)).await;
    let body = openai::chat_of_size("m", 3_000);
    let client = async {
        // The gateway has begun to serve.
        gateway.call(Request::get("/v1/models")).await;
        let began = Instant::now();
        for _ in 0..3 {
            let answer = gateway.call(Request::chat(body.clone())).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        began.elapsed()
    };
    let (sizes, elapsed) = tokio::join!(provider, client);
    assert_eq!(sizes, [body.len(); 3]);
    // What is held back leaves at once, not when the kernel has lost patience.
    assert!(elapsed < Duration::from_millis(400), "{elapsed:?}");
}

/// A head and a body that Pingora's buffer does not hold together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_reaches_the_client_in_one_piece() {
    const TIMES: usize = 20;
    let completion = openai::completion(&"word ".repeat(500));
    let scripts = (0..TIMES).map(|_| Script::json(200, completion.clone()));
    let provider = ScriptedUpstream::start(scripts).await;
    let gateway = TestGateway::with(&Yaml::new().patient("one", &provider.base_url())).await;
    let body = openai::chat("m");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {CLIENT_KEY}\r\n\
         content-length: {}\r\n\r\n{}",
        body.len(),
        String::from_utf8_lossy(&body)
    );
    let address = gateway.address;
    let pieces = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let mut buffer = vec![0; 64 * KIB];
        let mut pieces = Vec::new();
        for _ in 0..TIMES {
            stream.write_all(request.as_bytes()).unwrap();
            // What has arrived by then, which is all where all was sent at once.
            let mut read = stream.read(&mut buffer).unwrap();
            let first = read;
            while !buffer[..read].ends_with(b"}") {
                let more = stream.read(&mut buffer[read..]).unwrap();
                assert!(more > 0, "{}", String::from_utf8_lossy(&buffer[..read]));
                read += more;
            }
            pieces.push((first, read));
        }
        pieces
    });
    for (first, whole) in pieces.await.unwrap() {
        assert!(whole > 2_500, "{whole}");
        assert_eq!(first, whole);
    }
}
