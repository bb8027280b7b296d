//! One row for each request, and what is in it.

use std::{collections::HashMap, time::Duration};

use serde_json::json;

use super::rows;
use crate::support::{
    Ending, Gate, Http1, Request, Script, ScriptedUpstream, Step, TestGateway,
    config::{CLIENT_KEY, Yaml},
    database::{Looker, sqlite_in},
    eventually, openai,
};

/// With prices that are known: those of a model of OpenAI's.
fn priced(upstream: &ScriptedUpstream) -> Yaml {
    let url = upstream.base_url();
    Yaml::open()
        .key("app", CLIENT_KEY, ", team: blue, user: jane")
        .and(&format!(
            "providers:\n  openai: {{base_url: \"{url}\", api_key: provider-secret, models: [gpt-4o, m]}}"
        ))
}

fn usage_chunk() -> bytes::Bytes {
    let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
            "prompt_tokens_details": {"cached_tokens": 400}}});
    format!("data: {chunk}\n\n").into()
}

#[tokio::test]
async fn a_row_says_who_asked_whom_for_what_and_what_it_cost() {
    let frames = [openai::frame("hello"), usage_chunk(), openai::done()];
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    let body = json!({"model": "gpt-4o", "stream": true, "user": "customer-7",
        "metadata": {"tags": ["b", "c", "\u{0}odd"]},
        "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::chat(body.to_string()).header("x-gateway-tags", "a, b");
    let answer = gateway.call(request).await;
    assert!(answer.whole, "{answer:?}");
    let rows = rows(&gateway, 1).await;
    let row = &rows[0];
    for (column, wanted) in [
        ("id", answer.header("x-request-id")),
        ("account", Some("app")),
        ("key_label", Some("app")),
        ("team_id", Some("blue")),
        ("user_id", Some("jane")),
        ("project_id", None),
        ("end_user", Some("customer-7")),
        ("tags", Some(r#"["a","b","c","odd"]"#)),
        ("path", Some("/v1/chat/completions")),
        ("dialect", Some("openai_chat")),
        ("spoken", Some("openai_chat")),
        ("model", Some("gpt-4o")),
        ("provider", Some("openai")),
        ("served_model", Some("gpt-4o")),
        ("tried", None),
        ("error", None),
        // 600 at 2.5 USD, 400 cached at 1.25 and 100 at 10 for a million.
        ("cost_text", Some("3000000000")),
    ] {
        assert_eq!(
            row.optional_text(column).unwrap().as_deref(),
            wanted,
            "{column}"
        );
    }
    for (column, wanted) in [
        ("attempts", 1),
        ("status", 200),
        ("input_tokens", 1000),
        ("output_tokens", 100),
        ("cached_tokens", 400),
    ] {
        assert_eq!(row.integer(column).unwrap(), wanted, "{column}");
    }
    assert!(row.flag("stream").unwrap());
    let first = row.integer("first_byte_us").unwrap();
    let latency = row.integer("latency_us").unwrap();
    assert!(0 < first && first <= latency, "{first} {latency}");
    assert!(row.integer("overhead_us").unwrap() <= latency);
    let record = gateway.request_log(&answer).await;
    assert_eq!(record["cost_usd"], 0.003);
    let spent = "SELECT total FROM spend WHERE scope = 'team' AND id = 'blue'";
    let store = Looker::at(&sqlite_in(&super::data_of(&gateway))).await;
    assert_eq!(store.number(spent).await, 3_000_000_000);
}

#[tokio::test]
async fn errors_are_rows_and_what_nobody_knows_the_price_of_has_none() {
    let upstream = ScriptedUpstream::start([
        Script::json(200, openai::completion("hello")),
        Script::json(400, openai::error("no")),
        Script::json(503, openai::error("later")),
        Script::json(200, "{}"),
    ])
    .await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    let chat = || Request::chat(openai::chat("m"));
    let row = |status, error: &str, cost: Option<&str>, attempts, known| {
        let cost = cost.map(str::to_owned);
        (status, error.to_owned(), cost, attempts, known)
    };
    let free = Some("0");
    let mut wanted = HashMap::new();
    for (request, expected) in [
        (chat(), row(200, "", None, 1, true)),
        (chat(), row(400, "provider_refused_request", free, 1, true)),
        (chat(), row(502, "provider_error", free, 1, true)),
        (chat(), row(200, "", None, 1, true)),
        (
            Request::post("/v1/chat/completions", "{}"),
            row(401, "missing_api_key", free, 0, false),
        ),
        (
            Request::chat("not json"),
            row(400, "invalid_body", free, 0, true),
        ),
        (
            Request::chat(openai::chat("unknown-model")),
            row(404, "model_not_found", free, 0, true),
        ),
        (
            Request::get("/v1/nothing").bearer(CLIENT_KEY),
            row(404, "unknown_route", free, 0, false),
        ),
        (
            Request::get("/v1/models").bearer(CLIENT_KEY),
            row(200, "", free, 0, true),
        ),
    ] {
        let answer = gateway.call(request).await;
        wanted.insert(answer.header("x-request-id").unwrap().to_owned(), expected);
    }
    // Whether it lives is no use of the gateway.
    gateway.call(Request::get("/health")).await;
    for found in rows(&gateway, 9).await {
        let seen = (
            found.integer("status").unwrap(),
            found.optional_text("error").unwrap().unwrap_or_default(),
            found.optional_text("cost_text").unwrap(),
            found.integer("attempts").unwrap(),
            found.optional_text("account").unwrap().is_some(),
        );
        assert_eq!(Some(&seen), wanted.get(&found.text("id").unwrap()));
        if seen.0 == 502 {
            let tried = found.text("tried").unwrap();
            assert!(
                tried.contains("http_error") && tried.contains("503"),
                "{tried}"
            );
        }
    }
}

#[tokio::test]
async fn what_nobody_with_a_key_has_said_is_in_no_row_and_no_sum() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    let tagged = |request: Request| request.header("x-gateway-tags", "platform, b");
    let unknown = Request::post("/v1/chat/completions", openai::chat("m")).bearer("nobody");
    for (request, status) in [
        (tagged(unknown), 401),
        (tagged(Request::get("/v1/nothing")), 404),
        (tagged(Request::chat(openai::chat("m"))), 200),
    ] {
        assert_eq!(gateway.call(request).await.status, status);
    }
    let rows = rows(&gateway, 3).await;
    let tagged = rows
        .iter()
        .filter(|row| row.optional_text("tags").unwrap().is_some());
    assert_eq!(tagged.count(), 1);
    let store = Looker::at(&sqlite_in(&super::data_of(&gateway))).await;
    let counted = "SELECT SUM(requests) FROM usage_tag_hours WHERE tag = 'platform'";
    assert_eq!(store.number(counted).await, 1);
}

#[tokio::test]
async fn a_row_is_written_before_the_event_that_tells_the_client_that_all_was_said() {
    let gate = Gate::closed();
    let frames = [openai::frame("hello"), usage_chunk(), openai::done()];
    let steps = frames
        .into_iter()
        .map(Step::Write)
        .chain([Step::Wait(gate.clone())]);
    let script = Script::Stream {
        steps: steps.collect(),
        ending: Ending::Whole,
    };
    let upstream = ScriptedUpstream::start([script]).await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    let mut client = gateway.http1().await;
    let call = Request::chat(openai::streamed("gpt-4o"));
    client.send(&call).await.unwrap();
    client.head().await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"[DONE]\n\n") {
        said.extend_from_slice(&client.piece().await.unwrap().unwrap().bytes);
    }
    // Its provider has not ended the answer yet.
    let written = gateway
        .metric("gateway_usage_rows_written_total", &[])
        .await;
    assert!((written - 1.0).abs() < 0.5);
    gate.open();
    assert!(client.piece().await.unwrap().is_none());
    let rows = rows(&gateway, 1).await;
    assert_eq!(rows[0].integer("output_tokens").unwrap(), 100);
}

#[tokio::test]
async fn whoever_serves_and_however_the_request_is_one_row() {
    let plain = || Script::json(200, openai::completion("hello"));
    let stream = || Script::frames(openai::frames(3), Duration::ZERO);
    let broken = || Script::broken([openai::frame("a")], Ending::Reset);
    // What comes over HTTP/2, in a long body of unknown length or in another dialect is served by children.
    let scripts = [
        plain(),
        stream(),
        plain(),
        stream(),
        plain(),
        stream(),
        broken(),
        broken(),
    ];
    let upstream = ScriptedUpstream::start(scripts).await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    let (chat, streamed) = (openai::chat("m"), openai::streamed("m"));
    let long = openai::long_streamed("m");
    let mut answers = vec![
        gateway.call(Request::chat(chat.clone())).await,
        gateway.call(Request::chat(streamed.clone())).await,
    ];
    let http2 = gateway.http2().await;
    answers.push(http2.call(&Request::chat(chat)).await.unwrap());
    answers.push(http2.call(&Request::chat(streamed.clone())).await.unwrap());
    let translated = |body: String| Request::post("/v1/messages", body).bearer(CLIENT_KEY);
    answers.push(gateway.call(translated(anthropic_body(false))).await);
    answers.push(gateway.call(translated(anthropic_body(true))).await);
    answers.push(gateway.call(Request::chat(streamed)).await);
    answers.push(gateway.call(Request::chat(long).chunked(4096)).await);
    let rows = rows(&gateway, answers.len()).await;
    let mut ids: Vec<_> = rows.iter().map(|row| row.text("id").unwrap()).collect();
    let mut wanted: Vec<_> = answers
        .iter()
        .map(|answer| answer.header("x-request-id").unwrap().to_owned())
        .collect();
    ids.sort();
    wanted.sort();
    assert_eq!(ids, wanted);
    assert!(rows.iter().all(|row| row.integer("status").unwrap() == 200));
    let failed = rows
        .iter()
        .filter(|row| row.optional_text("error").unwrap().is_some());
    assert_eq!(failed.count(), 2, "the streams that broke");
}

fn anthropic_body(stream: bool) -> String {
    json!({"model": "m", "max_tokens": 10, "stream": stream,
        "messages": [{"role": "user", "content": "hi"}]})
    .to_string()
}

const HEDGE: &str = "routing: {retries: {max: 0}, breaker: {enabled: false}, \
                     hedge: {enabled: true, min_seconds: 0.05}}";

#[tokio::test]
async fn of_two_that_were_asked_one_has_a_row() {
    // Sometimes both answer at about the same time.
    let slow =
        |milliseconds| Script::frames(openai::frames(2), Duration::from_millis(milliseconds));
    let one = ScriptedUpstream::start([slow(70)]).await;
    let two = ScriptedUpstream::start([slow(20)]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and(HEDGE);
    let gateway = TestGateway::with(&yaml).await;
    let mut served = Vec::new();
    for _ in 0..20 {
        let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
        assert!(answer.whole);
        let header = |name| answer.header(name).unwrap().to_owned();
        served.push((header("x-request-id"), header("x-provider")));
    }
    let rows = rows(&gateway, 20).await;
    for row in rows {
        let of_row = (row.text("id").unwrap(), row.text("provider").unwrap());
        assert!(served.contains(&of_row), "{of_row:?} is not in {served:?}");
    }
}

#[tokio::test]
async fn a_stream_that_another_provider_goes_on_with_is_one_row() {
    let one = ScriptedUpstream::start([Script::broken(
        [openai::frame("The "), openai::frame("quick ")],
        Ending::Reset,
    )])
    .await;
    let two = ScriptedUpstream::start([Script::frames(openai::frames(2), Duration::ZERO)]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, resume: true, breaker: {enabled: false}}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    assert!(answer.whole, "{answer:?}");
    let rows = rows(&gateway, 1).await;
    assert_eq!(rows[0].text("provider").unwrap(), "two");
    assert_eq!(rows[0].integer("attempts").unwrap(), 2);
    assert!(rows[0].text("tried").unwrap().contains("one"));
}

/// A client that takes as little as it can, and says what it wants.
async fn reluctant(gateway: &TestGateway, request: &Request) -> Http1 {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = Http1::over(socket.connect(gateway.address).await.unwrap());
    client.send(request).await.unwrap();
    client
}

/// The provider breaks off while the client is still being written to, and what was left for another one to
/// go on with is left to nobody. How much has to wait for the client depends on buffers, so many sizes are
/// tried.
#[tokio::test]
async fn a_client_that_leaves_between_two_providers_is_a_row_and_not_open_for_ever() {
    const CLIENTS: usize = 16;
    let piece = || openai::frame(&"x".repeat(50_000));
    let broken = (0..CLIENTS).map(|number| {
        let frames = (0..45 + number * 3).map(|_| piece());
        Script::broken(frames, Ending::Reset)
    });
    let one = ScriptedUpstream::start(broken).await;
    let two = ScriptedUpstream::start([Script::frames(openai::frames(2), Duration::ZERO)]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .patient("two", &two.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, resume: true, breaker: {enabled: false}}");
    let gateway = TestGateway::with(&yaml).await;
    let request = Request::chat(openai::streamed("m"));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(reluctant(&gateway, &request).await);
        one.wait_for_requests(number + 1).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(clients);
    let open = "gateway_requests_in_flight";
    gateway.wait_metric(open, &[], |open| open < 0.5).await;
    let rows = rows(&gateway, CLIENTS).await;
    // What the kernel had taken before its client left counts as given; how many do, its buffers decide.
    for row in rows {
        let status = row.integer("status").unwrap();
        assert!([200, 499].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_a_row() {
    let upstream = ScriptedUpstream::start([
        Script::Stall,
        Script::broken([openai::frame("a")], Ending::Stall),
    ])
    .await;
    let gateway = TestGateway::with(&priced(&upstream)).await;
    for (count, body) in [openai::chat("m"), openai::streamed("m")]
        .into_iter()
        .enumerate()
    {
        let mut client = gateway.http1().await;
        let request = Request::chat(body);
        let call = client.call(&request);
        let _ = tokio::time::timeout(Duration::from_millis(200), call).await;
        drop(client);
        eventually("the row of a client that left", async || {
            let written = gateway
                .metric("gateway_usage_rows_written_total", &[])
                .await;
            written > count as f64
        })
        .await;
    }
    let http2 = gateway.http2().await;
    let request = Request::chat(openai::chat("m"));
    let call = http2.call(&request);
    let _ = tokio::time::timeout(Duration::from_millis(200), call).await;
    drop(http2);
    for row in rows(&gateway, 3).await {
        assert_eq!(row.integer("status").unwrap(), 499);
        assert_eq!(
            row.optional_text("cost_text").unwrap(),
            None,
            "nobody knows"
        );
    }
}

#[tokio::test]
async fn nothing_is_recorded_where_that_is_switched_off() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let gateway = TestGateway::with(&priced(&upstream).and("usage: {enabled: false}")).await;
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    assert!(!super::data_of(&gateway).join("usage").exists());
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_leaves_no_journal() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let mut gateway = TestGateway::with(&priced(&upstream)).await;
    for _ in 0..10 {
        gateway.call(Request::chat(openai::chat("m"))).await;
    }
    gateway.signal(rustix::process::Signal::TERM);
    let ended = gateway.wait_exit(Duration::from_secs(10)).await;
    assert!(ended.is_some_and(|status| status.success()));
    let data = super::data_of(&gateway);
    assert_eq!(std::fs::read_dir(data.join("usage")).unwrap().count(), 0);
    let store = Looker::at(&sqlite_in(&data)).await;
    assert_eq!(store.number("SELECT COUNT(*) FROM requests").await, 10);
}

#[tokio::test]
async fn requests_that_the_end_of_the_process_cuts_off_have_rows() {
    let stream = || {
        let frames = (0..200).map(|_| openai::frame("x"));
        Script::frames(frames, Duration::from_millis(100))
    };
    let silent = Script::json(200, openai::completion("late")).after(Duration::from_secs(60));
    let upstream = ScriptedUpstream::start([stream(), stream(), silent]).await;
    let yaml = priced(&upstream).listen("drain_timeout_seconds: 1");
    let mut gateway = TestGateway::with(&yaml).await;
    let request = Request::chat(openai::streamed("m"));
    let mut client = gateway.http1().await;
    client.send(&request).await.unwrap();
    client.head().await.unwrap();
    let http2 = gateway.http2().await;
    let other = tokio::spawn(async move { http2.call(&request).await });
    upstream.wait_for_requests(2).await;
    // Nothing happens on this one from before the order to stop until it is cut.
    let mut waits = gateway.http1().await;
    waits.send(&Request::chat(openai::chat("m"))).await.unwrap();
    upstream.wait_for_requests(3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.signal(rustix::process::Signal::TERM);
    let ended = gateway.wait_exit(Duration::from_secs(10)).await;
    assert!(ended.is_some_and(|status| status.success()));
    other.abort();
    let data = super::data_of(&gateway);
    let store = Looker::at(&sqlite_in(&data)).await;
    let gone = "SELECT COUNT(*) FROM requests WHERE status = 499";
    assert_eq!(store.number(gone).await, 3);
    assert_eq!(std::fs::read_dir(data.join("usage")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_request_whose_client_takes_nothing_has_its_row_when_the_process_ends() {
    let long = "x".repeat(1 << 20);
    let frames = (0..64).map(|_| openai::frame(&long));
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let yaml = priced(&upstream).listen("drain_timeout_seconds: 1");
    let mut gateway = TestGateway::with(&yaml).await;
    let mut client = gateway.http1().await;
    let request = Request::chat(openai::streamed("m"));
    client.send(&request).await.unwrap();
    client.head().await.unwrap();
    // Until nothing more fits between the two.
    tokio::time::sleep(Duration::from_secs(1)).await;
    gateway.signal(rustix::process::Signal::TERM);
    let ended = gateway.wait_exit(Duration::from_secs(10)).await;
    assert!(ended.is_some_and(|status| status.success()));
    let store = Looker::at(&sqlite_in(&super::data_of(&gateway))).await;
    let gone = "SELECT COUNT(*) FROM requests WHERE status = 499";
    assert_eq!(store.number(gone).await, 1);
}

#[tokio::test]
async fn answers_end_with_their_rows_on_the_disk_where_that_is_asked_for() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hello"))]).await;
    let gateway = TestGateway::with(&priced(&upstream).and("usage: {fsync: true}")).await;
    let calls = (0..20).map(|_| gateway.call(Request::chat(openai::chat("m"))));
    for answer in crate::support::all(calls).await {
        assert_eq!(answer.status, 200);
    }
    rows(&gateway, 20).await;
}
