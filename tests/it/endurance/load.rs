//! A steady load of all kinds of requests, each of whose answers is looked at.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::provider::{BABBLE, mark};
use crate::support::{Answer, Http1, Request};

const CONNECTIONS: u32 = 64;

/// What came of it.
#[derive(Default)]
pub struct Seen {
    pub well: AtomicU64,
    pub failed: AtomicU64,
    pub left: AtomicU64,
    /// Ids of all requests that were answered to the end.
    pub ids: Mutex<Vec<String>>,
    /// Answers that are neither right nor an error, the first few.
    pub wrong: Mutex<Vec<String>>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Stream,
    Translated,
    Repeated,
    /// The client leaves before the answer's end.
    Left,
}

impl Kind {
    fn of(number: u64) -> Self {
        match number % 10 {
            0..4 => Kind::Plain,
            4 | 5 => Kind::Stream,
            6 => Kind::Translated,
            7 | 8 => Kind::Repeated,
            _ => Kind::Left,
        }
    }
}

/// Sends so many requests a second for so long.
pub async fn load(address: SocketAddr, rate: u32, span: Duration) -> Seen {
    let (seen, number) = (Seen::default(), AtomicU64::new(0));
    let begun = Instant::now();
    let worker = async |worker: u32| {
        let every = Duration::from_secs(CONNECTIONS.into()) / rate;
        let mut due = begun + every * worker / CONNECTIONS;
        let mut client = Http1::connect(address).await;
        while due < begun + span {
            tokio::time::sleep_until(due.into()).await;
            due += every;
            if !one(&mut client, number.fetch_add(1, Relaxed), &seen).await {
                client = Http1::connect(address).await;
            }
        }
    };
    futures::future::join_all((0..CONNECTIONS).map(worker)).await;
    seen
}

/// Whether the connection may be used again.
async fn one(client: &mut Http1, number: u64, seen: &Seen) -> bool {
    let kind = Kind::of(number);
    // Some are asked for again and again.
    let nonce = if kind == Kind::Repeated {
        number / 10 % 50
    } else {
        number + 1000
    };
    let text = mark(nonce);
    let mut body = json!({
        "model": "m", "max_tokens": 50,
        "messages": [{"role": "user", "content": format!("Say {text}")}],
    });
    let path = match kind {
        Kind::Translated => "/v1/messages",
        _ => "/v1/chat/completions",
    };
    body["stream"] =
        json!(matches!(kind, Kind::Stream) || (kind == Kind::Left && number % 20 == 9));
    body["temperature"] = json!(if kind == Kind::Repeated { 0.0 } else { 0.7 });
    let request = Request::post(path, body.to_string()).bearer("test-key");
    if kind == Kind::Left {
        let _ = client.send(&request).await;
        tokio::time::sleep(Duration::from_micros(number % 7 * 500)).await;
        seen.left.fetch_add(1, Relaxed);
        return false;
    }
    let answer = match client.call(&request).await {
        Ok(answer) => answer,
        Err(error) => {
            seen.say(format!("{number} {kind:?}: {error}"));
            return false;
        }
    };
    if answer.whole {
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        seen.ids.lock().unwrap().push(id);
    }
    let verdict = judge(kind, &answer, &text);
    match verdict {
        Verdict::Well => drop(seen.well.fetch_add(1, Relaxed)),
        Verdict::Failed => drop(seen.failed.fetch_add(1, Relaxed)),
        Verdict::Wrong => seen.say(format!("{number} {kind:?} {text}: {answer:?}")),
    }
    // Pingora closes the connection behind a stream that it could not end, whatever its head has said.
    let is_over = matches!(verdict, Verdict::Failed) && kind == Kind::Stream;
    answer.whole && answer.header("connection") != Some("close") && !is_over
}

impl Seen {
    fn say(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }
}

enum Verdict {
    Well,
    /// It says that it failed.
    Failed,
    Wrong,
}

fn judge(kind: Kind, answer: &Answer, mark: &str) -> Verdict {
    let text = answer.text();
    // Another's mark in it, whatever else it is.
    let others = text.replace(mark, "");
    if others.contains("nonce-") {
        return Verdict::Wrong;
    }
    if answer.status != 200 {
        let is_error = answer.whole && text.contains("\"error\"") && text.contains("message");
        return match (answer.status, is_error) {
            (429 | 500 | 502 | 503 | 504, true) => Verdict::Failed,
            _ => Verdict::Wrong,
        };
    }
    match kind {
        Kind::Stream => {
            let said: String = text.lines().filter_map(piece).collect();
            match (text.contains("data: [DONE]"), said == mark) {
                (true, true) if answer.whole => Verdict::Well,
                // It was cut, and says so or ends without its end.
                _ if mark.starts_with(&said)
                    && (text.contains("\"error\"") || !text.contains("[DONE]")) =>
                {
                    Verdict::Failed
                }
                _ => Verdict::Wrong,
            }
        }
        // What a provider of the client's own dialect says passes as it is, even that.
        _ if !answer.whole || text == BABBLE => Verdict::Failed,
        _ => {
            let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let said = match kind {
                Kind::Translated => &body["content"][0]["text"],
                _ => &body["choices"][0]["message"]["content"],
            };
            match said == mark {
                true => Verdict::Well,
                false => Verdict::Wrong,
            }
        }
    }
}

/// The text of a stream's event.
fn piece(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
    Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
}
