//! Sees that a setting does what it says, with a few requests, before anything is measured.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::bodies::{self, Answer};
use crate::kinds::Kind;
use crate::process::Target;
use crate::settings::Setting;
use crate::wire::{CHAT, KEY, Stamp, request};

/// How long a row or a line may take to be where it belongs.
const PATIENCE: Duration = Duration::from_secs(3);

type Checked = Result<(), String>;

/// What is wrong with a target, if anything is.
pub(crate) fn check(target: &Target) -> Checked {
    let plain = request(CHAT, &bodies::prose(1 << 10, Answer::Plain));
    let mut stamp = Stamp::new(plain, true);
    let plain = stamp.next().to_vec();
    let text = ask(target.address, plain.clone());
    expect(&text, "HTTP/1.1 200", true, "a request")?;
    if let Kind::Gateway(setting) = target.kind {
        keys_and_limits(target, setting, &plain, &text)?;
        cache(target, setting, &plain, &text)?;
        translation(target)?;
        traces(target, setting, &text)?;
    }
    Ok(())
}

fn keys_and_limits(target: &Target, setting: Setting, plain: &[u8], answer: &str) -> Checked {
    let keyless =
        String::from_utf8_lossy(plain).replacen(&format!("authorization: Bearer {KEY}\r\n"), "", 1);
    let refused = ask(target.address, keyless.into_bytes());
    let asks = setting.asks_for_keys();
    let status = if asks { "HTTP/1.1 401" } else { "HTTP/1.1 200" };
    expect(&refused, status, true, "a request without a key")?;
    let what = "an answer, for limits";
    expect(answer, "x-ratelimit-limit-requests: 1000000000", asks, what)?;
    expect(
        answer,
        "x-ratelimit-limit-tokens: 1000000000000",
        asks,
        what,
    )
}

fn cache(target: &Target, setting: Setting, plain: &[u8], first: &str) -> Checked {
    let second = ask(target.address, plain.to_vec());
    let has = setting.has_cache();
    expect(first, "x-cache: MISS", has, "a new request")?;
    expect(&second, "x-cache: HIT", has, "the same request again")
}

fn translation(target: &Target) -> Checked {
    let stream = Answer::Stream {
        chunks: 2,
        gap_us: 0,
    };
    let body = bodies::anthropic(1 << 10, stream);
    let answer = ask(target.address, request("/v1/messages", &body));
    expect(&answer, "event: message_start", true, "a translated stream")?;
    expect(&answer, "sent_ns=", true, "a translated stream")
}

/// What a request leaves behind: metrics always, a row and a line where they were asked for.
fn traces(target: &Target, setting: Setting, answer: &str) -> Checked {
    let id = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .ok_or("an answer has no id")?;
    let admin = target.admin.ok_or("no admin port")?;
    let rows = || ask(admin, get("/spend/logs?limit=20"));
    let log = || fs::read_to_string(&target.output).unwrap_or_default();
    // The store may still be opening.
    let is_there = || {
        let rows = rows();
        let written = rows.contains(id) && log().contains(id);
        rows.contains("HTTP/1.1 200") && (written || !setting.records())
    };
    let limit = Instant::now() + PATIENCE;
    while !is_there() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(50));
    }
    let recorded = rows();
    expect(&recorded, "HTTP/1.1 200", true, "the record of requests")?;
    expect(&recorded, id, setting.records(), "the record of requests")?;
    expect(&log(), id, setting.records(), "the log")?;
    let metrics = ask(admin, get("/metrics"));
    let counted = "gateway_latency_seconds_count{model=\"gpt-4o-mini\"";
    expect(&metrics, counted, true, "/metrics")
}

fn expect(text: &str, part: &str, wanted: bool, what: &str) -> Checked {
    if text.contains(part) == wanted {
        return Ok(());
    }
    let verb = if wanted { "lacks" } else { "has" };
    let begin: String = text.lines().next().unwrap_or_default().into();
    Err(format!("{what} {verb} `{part}`: {begin}"))
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// The whole answer as text; an empty one where there is none.
fn ask(address: SocketAddr, request: Vec<u8>) -> String {
    let asked = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let head =
            String::from_utf8_lossy(&request).replacen("\r\n", "\r\nconnection: close\r\n", 1);
        socket.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    asked().unwrap_or_default()
}
