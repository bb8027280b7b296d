//! Checks of servers that answer as they are told to.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::*;
use crate::{
    config::{Config, Seconds},
    secret::Secret,
    snapshot,
    telemetry::metrics::Metrics,
};

/// A server that gives every request the answer that `answer` holds then, none while it is empty, and
/// tells what it was asked.
struct Server {
    url: String,
    answer: Arc<Mutex<&'static str>>,
    asked: mpsc::UnboundedReceiver<String>,
}

async fn serve(answer: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let answer = Arc::new(Mutex::new(answer));
    let (sender, asked) = mpsc::unbounded_channel();
    let said = answer.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            request.truncate(length);
            sender.send(String::from_utf8(request).unwrap()).unwrap();
            let answer = *said.lock();
            if answer.is_empty() {
                std::mem::forget(stream);
            } else {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    Server { url, answer, asked }
}

fn provider(kind: &str, base_url: &str) -> config::Provider {
    config::Provider {
        kind: Some(kind.into()),
        base_url: Some(base_url.into()),
        api_key: Some(Secret::new("sk-x")),
        ..config::Provider::default()
    }
}

fn gateway(providers: impl IntoIterator<Item = (&'static str, config::Provider)>) -> Arc<Gateway> {
    let gateway = Arc::new(Gateway::new(Metrics::new().unwrap()));
    configure(&gateway, providers);
    gateway
}

fn configure(
    gateway: &Gateway,
    providers: impl IntoIterator<Item = (&'static str, config::Provider)>,
) {
    let mut config = Config::default();
    let providers = providers.into_iter();
    config.providers = providers.map(|(name, own)| (name.into(), own)).collect();
    config.routing.health_check.timeout_seconds = Seconds(0.2);
    gateway.replace(snapshot::build(config, gateway.into()).unwrap());
}

fn is_up(gateway: &Gateway, name: &str) -> bool {
    gateway.health.provider(name).is_up()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn each_kind_of_provider_is_asked_for_its_models_with_its_key() {
    for (kind, line, key) in [
        (
            "openai",
            "GET /v1/models HTTP/1.1",
            "authorization: bearer sk-x",
        ),
        ("anthropic", "GET /v1/models HTTP/1.1", "x-api-key: sk-x"),
        ("gemini", "GET /v1/models HTTP/1.1", "x-goog-api-key: sk-x"),
        (
            "ollama",
            "GET /api/tags HTTP/1.1",
            "authorization: bearer sk-x",
        ),
    ] {
        let mut server = serve(OK).await;
        let gateway = gateway([("one", provider(kind, &server.url))]);
        round(&gateway, &checked(&gateway)).await;
        let asked = server.asked.recv().await.unwrap();
        assert!(asked.starts_with(line), "{kind}: {asked}");
        assert!(asked.to_lowercase().contains(key), "{kind}: {asked}");
    }
}

#[tokio::test]
async fn whoever_answers_below_500_is_up() {
    for (answer, expected) in [
        (OK, true),
        ("HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 404 What\r\ncontent-length: 0\r\n\r\n", true),
        (BUSY, false),
        ("", false),
        ("no HTTP\r\n\r\n", false),
    ] {
        let server = serve(answer).await;
        let gateway = gateway([("one", provider("openai", &server.url))]);
        let backends = checked(&gateway);
        round(&gateway, &backends).await;
        assert!(is_up(&gateway, "one"), "once is not enough: {answer:?}");
        round(&gateway, &backends).await;
        assert_eq!(is_up(&gateway, "one"), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_provider_recovers_when_it_has_answered_often_enough() {
    let server = serve(BUSY).await;
    let gateway = gateway([("one", provider("openai", &server.url))]);
    let backends = checked(&gateway);
    for (answer, expected) in [
        (BUSY, true),
        (BUSY, false),
        (OK, false),
        (BUSY, false),
        (OK, false),
        (OK, true),
    ] {
        *server.answer.lock() = answer;
        round(&gateway, &backends).await;
        assert_eq!(is_up(&gateway, "one"), expected);
    }
}

#[tokio::test]
async fn a_reload_changes_whom_is_asked_and_keeps_what_is_known() {
    let (bad, mut good) = (serve(BUSY).await, serve(OK).await);
    let gateway = gateway([("one", provider("openai", &bad.url))]);
    let backends = checked(&gateway);
    round(&gateway, &backends).await;
    round(&gateway, &backends).await;
    assert!(!is_up(&gateway, "one"));
    configure(
        &gateway,
        [
            ("one", provider("openai", &good.url)),
            ("two", provider("openai", &bad.url)),
        ],
    );
    round(&gateway, &backends).await;
    assert!(!is_up(&gateway, "one"), "one good answer is not enough");
    assert!(is_up(&gateway, "two"), "nor is one bad");
    round(&gateway, &backends).await;
    assert!(good.asked.try_recv().is_ok());
    assert!(is_up(&gateway, "one"));
    assert!(!is_up(&gateway, "two"));
}

#[tokio::test]
async fn a_provider_without_a_list_counts_as_up() {
    let mut server = serve(BUSY).await;
    let gateway = gateway([("one", provider("perplexity", &server.url))]);
    gateway.health.provider("one").is_up.store(false, Relaxed);
    let backends = checked(&gateway);
    round(&gateway, &backends).await;
    round(&gateway, &backends).await;
    assert!(is_up(&gateway, "one"));
    assert!(server.asked.try_recv().is_err(), "it was asked");
}
