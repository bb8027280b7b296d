//! Eight processes on one Redis at a thousand requests a second: how exact they are together, how seldom they ask,
//! and what happens while Redis is gone. It needs a release build and the machine for itself: `make limits-fleet`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::support::{all, eventually, redis::RedisServer};

const PROCESSES: usize = 8;
const PER_SECOND: usize = 1000;
/// Connections to each process.
const CONNECTIONS: usize = 8;

/// What may be asked for: far more than is, a tenth of it, and so much money.
const SECTION: &str = "redis_timeout_ms: 1000, burst_percent: 5, \
    global: {rpm: 6000000, max_parallel_requests: 10000}, models: {gpt-4.1: {rpm: 6000000}}, \
    users: {ada: {rpm: 6000000, tpm: 600000000}, bob: {rpm: 6000}, eve: {rpm: 6000000, max_budget: 0.022}}, \
    teams: {red: {rpm: 6000000, max_budget: 1000}}";

struct Processes {
    all: Vec<TestGateway>,
    redis: RedisServer,
    _upstream: tokio::task::JoinHandle<()>,
}

/// How many were let in and refused, and how long it took.
struct Told {
    admitted: u64,
    refused: u64,
    took: Duration,
}

impl Processes {
    async fn start(mode: &str) -> Self {
        let redis = RedisServer::start(&[]).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let yaml = Yaml::default()
            .key(
                "ample",
                "key-ample",
                ", user: ada, team: red, limits: {rpm: 6000000}",
            )
            .key("greedy", "key-greedy", ", user: bob")
            .key("dear", "key-dear", ", user: eve")
            .provider_with("openai", &url, ", limits: {rpm: 6000000}")
            .and(&format!(
                "cache: {{enabled: false, redis_url: \"{}\"}}",
                redis.url()
            ))
            .and(&format!(
                "rate_limiting: {{while_redis_is_away: {mode}, {SECTION}}}"
            ))
            .and("telemetry: {log: {requests: off}}")
            .build();
        let upstream = tokio::spawn(answer_all(listener));
        let mut gateways = Vec::new();
        for _ in 0..PROCESSES {
            gateways.push(TestGateway::start(&yaml).await);
        }
        let processes = Processes {
            all: gateways,
            redis,
            _upstream: upstream,
        };
        processes.load("key-ample", Duration::from_secs(3)).await;
        processes
    }

    /// Sends a thousand requests a second, to one process after the other.
    async fn load(&self, key: &str, span: Duration) -> Told {
        let addresses: Vec<SocketAddr> = self.all.iter().map(|one| one.address).collect();
        load(addresses, key.to_owned(), span).await
    }

    async fn sum(&self, metric: &str) -> f64 {
        let mut sum = 0.0;
        for gateway in &self.all {
            sum += gateway.metric(metric, &[]).await;
        }
        sum
    }

    async fn are_shared(&self, wanted: f64) {
        eventually("all know whether Redis is there", async || {
            (self.sum("gateway_limits_shared").await - wanted).abs() < 0.5
        })
        .await;
    }
}

async fn load(addresses: Vec<SocketAddr>, key: String, span: Duration) -> Told {
    let began = Instant::now();
    let workers = addresses.len() * CONNECTIONS;
    let every = Duration::from_secs(1) * u32::try_from(workers).unwrap()
        / u32::try_from(PER_SECOND).unwrap();
    let counts = Arc::new([const { AtomicU64::new(0) }; 2]);
    let tasks = (0..workers).map(|worker| {
        let (address, counts) = (addresses[worker % addresses.len()], counts.clone());
        let request = Request::post("/v1/chat/completions", priced()).bearer(&key);
        async move {
            let mut connection = crate::support::Http1::connect(address).await;
            let mut due =
                began + every * u32::try_from(worker).unwrap() / u32::try_from(workers).unwrap();
            while due < began + span {
                tokio::time::sleep_until(due.into()).await;
                let answer = connection.call(&request).await.expect("an answer");
                assert!(matches!(answer.status, 200 | 429), "{answer:?}");
                counts[usize::from(answer.status == 429)].fetch_add(1, Relaxed);
                due += every;
            }
        }
    });
    all(tasks).await;
    Told {
        admitted: counts[0].load(Relaxed),
        refused: counts[1].load(Relaxed),
        took: began.elapsed(),
    }
}

/// A provider that answers at once and remembers nothing.
async fn answer_all(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_each(stream));
    }
}

async fn answer_each(mut stream: TcpStream) {
    let body = openai::completion("hi");
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut read = Vec::new();
    loop {
        let head = memchr::memmem::find(&read, b"\r\n\r\n");
        let length = head.and_then(|end| {
            let text = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = text
                .split("content-length: ")
                .nth(1)?
                .lines()
                .next()?
                .parse()
                .ok();
            length.map(|length: usize| end + 4 + length)
        });
        if let Some(length) = length.filter(|length| *length <= read.len()) {
            read.drain(..length);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        } else if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "eight processes for a minute; `make limits-fleet`"]
async fn eight_processes_share_limits_budgets_and_a_redis_that_comes_and_goes() {
    let span = Duration::from_secs(10);
    let fleet = Processes::start("local").await;

    let before = fleet.sum("gateway_limit_redis_calls_total").await;
    let told = fleet.load("key-ample", span).await;
    let calls = fleet.sum("gateway_limit_redis_calls_total").await - before;
    let waits = fleet.sum("gateway_limit_redis_waits_total").await;
    eprintln!(
        "fleet: ample: {} admitted, {} refused in {:?}; {calls} questions ({:.2} %), {waits} waits",
        told.admitted,
        told.refused,
        told.took,
        100.0 * calls / told.admitted as f64,
    );
    assert_eq!(told.refused, 0);
    assert!(calls <= 0.05 * told.admitted as f64, "{calls}");

    let before = fleet.sum("gateway_limit_redis_calls_total").await;
    let told = fleet.load("key-greedy", span).await;
    let calls = fleet.sum("gateway_limit_redis_calls_total").await - before;
    let allowed = 300.0 + 100.0 * told.took.as_secs_f64();
    let (admitted, all) = (told.admitted as f64, (told.admitted + told.refused) as f64);
    eprintln!(
        "fleet: greedy: {admitted} admitted of {allowed:.0} allowed, {all} asked for; {calls} questions ({:.2} %)",
        100.0 * calls / all,
    );
    assert!(admitted <= allowed * 1.01, "{admitted} of {allowed}");
    assert!(admitted >= allowed * 0.95, "{admitted} of {allowed}");
    assert!(calls <= 0.05 * all, "{calls}");

    let told = fleet.load("key-dear", Duration::from_secs(5)).await;
    eprintln!(
        "fleet: budget: {} admitted of 1000, {} refused",
        told.admitted, told.refused
    );
    assert!((995..=1000).contains(&told.admitted), "{}", told.admitted);
    while_redis_is_gone(fleet, "local").await;
    while_redis_is_gone(Processes::start("reject").await, "reject").await;
}

/// Redis is killed under load and comes back empty.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
async fn while_redis_is_gone(fleet: Processes, mode: &str) {
    // What was saved up is used, so that all come from the rate.
    fleet.load("key-greedy", Duration::from_secs(5)).await;
    let Processes {
        all,
        redis,
        _upstream,
    } = fleet;
    let addresses: Vec<SocketAddr> = all.iter().map(|one| one.address).collect();
    let seconds = |count| Duration::from_secs(count);
    let running = tokio::spawn(load(addresses.clone(), "key-greedy".into(), seconds(12)));
    tokio::time::sleep(seconds(3)).await;
    let port = redis.stop();
    tokio::time::sleep(seconds(5)).await;
    let redis = RedisServer::start_on(port, &[]).await;
    let told = running.await.unwrap();
    // The bucket of a Redis that comes back is full; without Redis each has a second's worth to begin with.
    let allowed = 100.0 * told.took.as_secs_f64();
    let admitted = told.admitted as f64;
    eprintln!(
        "fleet: {mode}, gone for 5 s of 12: {admitted} admitted, {allowed:.0} by the rate, {} refused",
        told.refused
    );
    assert!(
        admitted <= allowed + 300.0 + 400.0 + 100.0,
        "{admitted} of {allowed}"
    );
    match mode {
        "local" => assert!(admitted >= allowed * 0.9, "{admitted} of {allowed}"),
        _ => assert!(admitted <= allowed * 0.9 + 300.0, "{admitted} of {allowed}"),
    }
    let fleet = Processes {
        all,
        redis,
        _upstream,
    };
    fleet.are_shared(PROCESSES as f64).await;
    for gateway in &fleet.all {
        let logs = gateway.logs();
        assert_eq!(
            logs.matches("limits: Redis does not answer").count(),
            1,
            "{logs}"
        );
        assert_eq!(
            logs.matches("limits: Redis answers again").count(),
            1,
            "{logs}"
        );
    }
    let told = fleet.load("key-greedy", seconds(5)).await;
    let allowed = 300.0 + 100.0 * told.took.as_secs_f64();
    let admitted = told.admitted as f64;
    eprintln!("fleet: {mode}, back: {admitted} admitted of {allowed:.0} at most");
    assert!(
        admitted <= allowed * 1.01 && admitted >= 450.0,
        "{admitted} of {allowed}"
    );
}
