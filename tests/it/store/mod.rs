//! What is kept in the store, and how soon a gateway that runs knows of it.

mod away;
mod keys;
mod leaks;
mod projects;
mod providers;
mod replicas;
mod sturdy;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Builder, Request, Script, ScriptedUpstream, TestGateway, config::Yaml, database::Postgres,
    openai, process::Ran,
};

/// The encryption key of these tests.
const ENCRYPTION_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// How soon a gateway knows what has changed.
const SOON: Duration = Duration::from_secs(1);

async fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await
}

/// A gateway with a static key and that store.
fn builder(upstream: &str, postgres: Option<&Postgres>) -> Builder {
    let yaml = Yaml::new().provider("one", upstream).build();
    on(TestGateway::builder(&yaml), postgres)
}

/// Starts a gateway, and waits until it looks for changes.
async fn started(builder: Builder) -> TestGateway {
    let gateway = builder.start().await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    gateway
}

fn on(builder: Builder, postgres: Option<&Postgres>) -> Builder {
    let builder = builder.env("GATEWAY_ENCRYPTION_KEY", ENCRYPTION_KEY);
    match postgres {
        Some(postgres) => builder.env("GATEWAY_DATABASE_URL", &postgres.url),
        None => builder,
    }
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert!(ran.status.success(), "{}", ran.output);
    serde_json::from_str(&ran.output).unwrap_or_else(|_| panic!("no JSON: {}", ran.output))
}

/// Makes a key: its text and its record.
async fn create(gateway: &TestGateway, args: &[&str]) -> (String, Value) {
    let all: Vec<&str> = ["key", "create", "--json"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let made = json(&gateway.run(&all).await);
    (made["key"].as_str().unwrap().to_owned(), made)
}

fn chat(key: &str) -> Request {
    Request::post("/v1/chat/completions", openai::chat("m")).bearer(key)
}

async fn status(gateway: &TestGateway, key: &str) -> u16 {
    gateway.call(chat(key)).await.status
}

/// Waits until the key is answered with that status, and tells how long it took.
#[track_caller]
fn becomes<'g>(
    gateway: &'g TestGateway,
    key: &'g str,
    expected: u16,
) -> impl Future<Output = Duration> + 'g {
    let place = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        loop {
            let status = status(gateway, key).await;
            if status == expected {
                return began.elapsed();
            }
            let waited = began.elapsed();
            assert!(
                waited < SOON,
                "{place}: {status} and not {expected} after {waited:?}\n{}",
                gateway.logs()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Why the log says that a key was refused.
async fn fault(gateway: &TestGateway, key: &str) -> String {
    let answer = gateway.call(chat(key)).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let message = answer.openai_error()["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.starts_with("invalid gateway key"), "{message}");
    let record = gateway.request_log(&answer).await;
    record["key_fault"].as_str().unwrap_or_default().to_owned()
}
