//! TLS and HTTP versions on both sides.

use std::time::Duration;

use crate::support::{
    Http1, Http2, Request, Script, ScriptedUpstream, TestGateway, all, assert_same_bytes,
    config::{Yaml, single},
    openai, sse,
    tls::{Authority, agreed},
};

fn trusting(authority: &Authority, more: &str) -> String {
    format!(
        ", tls: {{ca_file: \"{}\"{more}}}",
        authority.ca_file().display()
    )
}

fn answering() -> [Script; 1] {
    [Script::json(200, openai::completion("over TLS"))]
}

#[tokio::test]
async fn a_provider_with_its_own_authority_is_reached_over_http1() {
    let authority = Authority::new();
    let one =
        ScriptedUpstream::start_tls(&authority, "localhost", &["http/1.1"], answering()).await;
    let yaml = Yaml::new().provider_with(
        "one",
        &one.base_url_as("localhost"),
        &trusting(&authority, ""),
    );
    let gateway = TestGateway::with(&yaml).await;
    let body = openai::chat_of_size("m", 200 << 10);
    let answer = gateway.call(Request::chat(body.clone())).await;
    assert_eq!(answer.text(), openai::completion("over TLS"));
    assert_eq!(one.last().protocol, "HTTP/1.1");
    assert_same_bytes(&one.last().body, &body, "over TLS");
}

#[tokio::test]
async fn a_provider_that_agrees_on_http2_gets_many_requests_on_one_connection() {
    let authority = Authority::new();
    let alpn = ["h2", "http/1.1"];
    let one = ScriptedUpstream::start_tls(&authority, "localhost", &alpn, answering()).await;
    let yaml = Yaml::new().provider_with(
        "one",
        &one.base_url_as("localhost"),
        &trusting(&authority, ""),
    );
    let gateway = TestGateway::with(&yaml).await;
    let warm = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(warm.status, 200, "{warm:?}");
    for _ in 0..20 {
        let answer = gateway.call(Request::chat(openai::chat("m"))).await;
        assert_eq!(answer.text(), openai::completion("over TLS"));
    }
    assert!(
        one.exchanges()
            .iter()
            .all(|exchange| exchange.protocol == "HTTP/2")
    );
    assert!(
        one.state().connections.len() <= 3,
        "{} connections",
        one.state().connections.len()
    );
}

#[tokio::test]
async fn large_bodies_and_streams_pass_over_http2_to_the_provider() {
    let authority = Authority::new();
    let script = Script::frames(openai::frames(10), Duration::from_millis(10));
    let one = ScriptedUpstream::start_tls(&authority, "localhost", &["h2"], [script]).await;
    let yaml = Yaml::new().provider_with(
        "one",
        &one.base_url_as("localhost"),
        &trusting(&authority, ""),
    );
    let gateway = TestGateway::with(&yaml).await;
    for (size, chunked) in [
        (1_000, false),
        (200 << 10, false),
        (200 << 10, true),
        (1 << 20, false),
    ] {
        let body = openai::chat_of_size("m", size);
        let request = Request::chat(body.clone());
        let request = if chunked {
            request.chunked(9_000)
        } else {
            request
        };
        let answer = gateway.call(request).await;
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        assert_same_bytes(&answer.body, &openai::frames(10).concat(), "the stream");
        assert_same_bytes(&one.last().body, &body, "the request");
        assert_eq!(one.last().protocol, "HTTP/2");
    }
}

#[tokio::test]
async fn an_http2_provider_that_resets_a_stream_is_followed_by_the_next() {
    let one = ScriptedUpstream::start_h2c([Script::ResetBeforeHead]).await;
    let two = ScriptedUpstream::start(answering()).await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), ", http_version: http2")
        .provider("two", &two.base_url())
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
    let record = gateway.request_log(&answer).await;
    assert_eq!(record["attempts"][0]["outcome"], "reset", "{record}");
}

#[tokio::test]
async fn a_client_that_leaves_resets_the_http2_stream_and_keeps_the_connection() {
    let one = ScriptedUpstream::start_h2c([Script::Stall]).await;
    let yaml = Yaml::new().and(&format!(
        "providers: {{one: {{base_url: \"{}\", models: [m], http_version: http2}}}}",
        one.base_url()
    ));
    let gateway = TestGateway::with(&yaml).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    one.wait_for_requests(1).await;
    drop(client);
    one.wait("the stream is reset", |state| {
        state.exchanges[0].left.is_some()
    })
    .await;
    one.follow(answering());
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    assert_eq!(one.count(), 2, "never retried");
}

#[tokio::test]
async fn http_versions_can_be_chosen() {
    let authority = Authority::new();
    let both = ["h2", "http/1.1"];
    let tls = ScriptedUpstream::start_tls(&authority, "localhost", &both, answering()).await;
    let h2c = ScriptedUpstream::start_h2c(answering()).await;
    let first = format!("{}, http_version: http1", trusting(&authority, ""));
    let yaml = Yaml::new()
        .provider_with("one", &tls.base_url_as("localhost"), &first)
        .provider_with("two", &h2c.base_url(), ", http_version: http2");
    let gateway = TestGateway::with(&yaml).await;
    assert_eq!(
        gateway
            .call(Request::chat(openai::chat("one/m")))
            .await
            .status,
        200
    );
    assert_eq!(
        gateway
            .call(Request::chat(openai::chat("two/m")))
            .await
            .status,
        200
    );
    assert_eq!(
        (tls.last().protocol, h2c.last().protocol),
        ("HTTP/1.1", "HTTP/2")
    );
}

#[tokio::test]
async fn the_name_in_the_certificate_can_differ_from_the_host() {
    let authority = Authority::new();
    let one = ScriptedUpstream::start_tls(&authority, "inside.test", &[], answering()).await;
    let trust = trusting(&authority, ", server_name: inside.test");
    let yaml = Yaml::new().provider_with("one", &one.base_url(), &trust);
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn clients_agree_on_a_version_by_alpn() {
    let authority = Authority::new();
    let files = authority.files("localhost");
    let script = Script::frames(openai::frames(3), Duration::from_millis(5));
    let one = ScriptedUpstream::start([script]).await;
    let tls = format!(
        "tls: {{certificate: \"{}\", key: \"{}\"}}",
        files.certificate.display(),
        files.key.display()
    );
    let gateway = TestGateway::with(&single(&one.base_url()).listen(&tls)).await;
    assert!(gateway.tls, "it says https");
    let request = Request::chat(openai::streamed("m"));
    for (offer, expected) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"][..], Some("http/1.1")),
        (&[][..], None),
    ] {
        let stream = authority.connect(gateway.address, "localhost", offer).await;
        assert_eq!(agreed(&stream).as_deref(), expected, "offered {offer:?}");
        let answer = match expected {
            Some("h2") => Http2::over(stream).await.call(&request).await.unwrap(),
            _ => Http1::over(stream).call(&request).await.unwrap(),
        };
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "offered {offer:?}: {answer:?}"
        );
        assert_eq!(sse::events(&answer.body).len(), 4);
    }
}

#[tokio::test]
async fn http2_clients_share_a_connection_without_waiting_for_each_other() {
    let script = Script::frames(openai::frames(4), Duration::from_millis(50));
    let one = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&single(&one.base_url())).await;
    let client = std::sync::Arc::new(gateway.http2().await);
    let started = std::time::Instant::now();
    let answers = all((0..30).map(|_| {
        let client = client.clone();
        async move {
            client
                .call(&Request::chat(openai::streamed("m")))
                .await
                .unwrap()
        }
    }))
    .await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 && answer.whole)
    );
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?} one after another",
        started.elapsed()
    );
}
