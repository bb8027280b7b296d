//! `kill -9` under load, again and again: whoever has had an answer is in the record once.

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicIsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;

use crate::support::{
    Builder, Http1, Request, Script, ScriptedUpstream, TestGateway,
    config::Yaml,
    database::{Looker, new_postgres, sqlite_in},
    eventually, openai,
};

/// Clients that ask one thing after the other.
const CLIENTS: usize = 6;

/// A gateway with files in `data`, as those before it.
async fn start(yaml: &str, data: &Path, url: Option<&str>) -> TestGateway {
    let mut builder: Builder =
        TestGateway::builder(yaml).env("GATEWAY_DATA_DIR", &data.to_string_lossy());
    if let Some(url) = url {
        builder = builder.env("GATEWAY_DATABASE_URL", url);
    }
    builder.start().await
}

/// What the clients of one process share.
struct Round {
    gateway: TestGateway,
    is_over: AtomicBool,
    /// Answers that still come before the process is killed.
    left: AtomicIsize,
}

impl Round {
    fn kill(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.gateway.signal(Signal::KILL);
    }
}

/// Asks, in every way in turn, until the round is over; notes the ids of those answers that came whole.
async fn ask(number: usize, round: Arc<Round>, had: Arc<Mutex<Vec<String>>>) {
    let address = round.gateway.address;
    let requests = [
        Request::chat(openai::chat("m")),
        Request::chat(openai::streamed("streams")),
        Request::post("/v1/messages", ANTHROPIC).bearer("test-key"),
        Request::chat(openai::long_streamed("streams")).chunked(8192),
        Request::chat("not json"),
    ];
    let mut turn = number;
    let mut kept: Option<Http1> = None;
    while !round.is_over.load(Ordering::Relaxed) {
        let Some(mut client) = kept.take().or(connect(address).await) else {
            return;
        };
        turn += 1;
        let Ok(answer) = client.call(&requests[turn % requests.len()]).await else {
            continue;
        };
        let is_kept = answer.whole && answer.status == 200;
        if answer.whole {
            if round.left.fetch_sub(1, Ordering::Relaxed) == 0 {
                round.kill();
            }
            let id = answer.header("x-request-id").unwrap().to_owned();
            had.lock().unwrap().push(id);
        }
        kept = is_kept.then_some(client);
    }
}

const ANTHROPIC: &str = r#"{"model":"streams","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

async fn connect(address: SocketAddr) -> Option<Http1> {
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    Some(Http1::over(stream))
}

/// Random enough to hit any moment.
fn moment() -> Duration {
    let digits = crate::support::random_hex();
    let number = u64::from_str_radix(&digits[..8], 16).unwrap();
    Duration::from_micros(number % 250_000)
}

async fn survives(kills: usize, url: Option<&str>) {
    let whole = Script::json(200, openai::completion("hello"));
    let stream = Script::frames(openai::frames(4), Duration::from_millis(1));
    let whole = ScriptedUpstream::start([whole]).await;
    let stream = ScriptedUpstream::start([stream]).await;
    let yaml = Yaml::new()
        .provider("one", &whole.base_url())
        .provider("two", &stream.base_url())
        .and("aliases: {streams: two/m}")
        .build();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let had = Arc::new(Mutex::new(Vec::new()));
    for turn in 0..kills {
        let gateway = start(&yaml, &data, url).await;
        // Every other one is killed by a client, right when it has its answer.
        let random = moment().as_micros() / 1000;
        let left = match turn % 2 {
            0 => isize::MAX,
            _ => isize::try_from(random).unwrap() / 8,
        };
        let round = Arc::new(Round {
            gateway,
            is_over: AtomicBool::new(false),
            left: AtomicIsize::new(left),
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| ask(number, round.clone(), had.clone()))
            .map(tokio::spawn)
            .collect();
        let before = had.lock().unwrap().len();
        eventually("there is load", async || had.lock().unwrap().len() > before).await;
        if turn % 2 == 0 {
            tokio::time::sleep(moment()).await;
            round.kill();
        }
        for client in clients {
            client.await.unwrap();
        }
    }
    let gateway = start(&yaml, &data, url).await;
    super::settled(&data).await;
    drop(gateway);
    let store = match url {
        Some(url) => Looker::at_url(url).await,
        None => Looker::at(&sqlite_in(&data)).await,
    };
    let had = Arc::into_inner(had).unwrap().into_inner().unwrap();
    let rows = store.all("SELECT id FROM requests").await;
    let rows: HashSet<_> = rows.iter().map(|row| row.text("id").unwrap()).collect();
    let lost: Vec<_> = had.iter().filter(|id| !rows.contains(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} answers have no row",
        lost.len(),
        had.len()
    );
    // Sums are what would tell of a row that was counted twice.
    let counted = store.number("SELECT SUM(requests) FROM usage_hours").await;
    assert_eq!(counted, i64::try_from(rows.len()).unwrap());
    let tokens = store
        .number("SELECT SUM(input_tokens) FROM usage_hours")
        .await;
    let of_rows = store.number("SELECT SUM(input_tokens) FROM requests").await;
    assert_eq!(tokens, of_rows);
    eprintln!(
        "{kills} kills: {} answers were had, {} requests are in the record",
        had.len(),
        rows.len()
    );
    assert!(had.len() > kills * 5, "there was load");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_had_an_answer_is_in_the_record_once_however_the_process_ends() {
    survives(50, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgres() {
    if let Some(url) = new_postgres().await {
        survives(12, Some(&url)).await;
    }
}

#[tokio::test]
async fn a_process_takes_over_what_the_one_before_left() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = format!(
        "postgres://nobody@{}/nothing",
        crate::support::upstream::refused_address()
    );
    let yaml = Yaml::new().provider("one", &upstream.base_url()).build();
    // Nobody takes its rows.
    let gateway = start(&yaml, &data, Some(&url)).await;
    for _ in 0..10 {
        let answer = gateway.call(Request::chat(openai::chat("m"))).await;
        assert_eq!(answer.status, 200);
    }
    gateway.signal(Signal::KILL);
    drop(gateway);
    let gateway = start(&yaml, &data, None).await;
    super::settled(&data).await;
    eventually("the rows are there", async || {
        gateway
            .metric("gateway_usage_rows_settled_total", &[])
            .await
            > 9.5
    })
    .await;
    let store = Looker::at(&sqlite_in(&data)).await;
    assert_eq!(store.number("SELECT COUNT(*) FROM requests").await, 10);
}
