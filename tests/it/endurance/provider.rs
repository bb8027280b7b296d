//! A provider that says back what it was asked, so that an answer that went to somebody else shows; now and then it
//! fails in one of the ways in which providers do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::openai;

/// What a test finds in its own answer, and in no other's.
pub fn mark(number: u64) -> String {
    format!("nonce-{number}-")
}

/// What is no answer.
pub const BABBLE: &str = "<html>";

/// How a call goes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Well,
    Error(u16),
    /// Closed before a word.
    Refused,
    /// Closed in the middle.
    Cut,
    /// No word for longer than anybody waits.
    Silent,
    /// What is no answer.
    Babble,
}

pub struct Provider {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Provider {
    /// Of a thousand calls so many fail.
    pub async fn start(failing: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, calls.clone(), failing));
            }
        });
        Provider { address, task }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, calls: Arc<AtomicU64>, failing: u64) {
    let mut read = Vec::new();
    let _ = stream.set_nodelay(true);
    while let Some(body) = body(&mut stream, &mut read).await {
        let turn = calls.fetch_add(1, Relaxed);
        // Spread, and the same in each run.
        let dice = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let fate = match dice % 1000 < failing {
            false => Fate::Well,
            true => match dice / 1000 % 12 {
                0..4 => Fate::Error(500),
                4..6 => Fate::Error(429),
                6..8 => Fate::Refused,
                8..10 => Fate::Cut,
                10 => Fate::Babble,
                _ => Fate::Silent,
            },
        };
        if !answer(&mut stream, &body, fate).await {
            return;
        }
    }
}

/// The next request's body.
async fn body(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1)?;
            let length: usize = length.lines().next()?.trim().parse().ok()?;
            if read.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&read[end + 4..end + 4 + length]).into_owned();
                read.drain(..end + 4 + length);
                return Some(body);
            }
        }
        if !matches!(stream.read_buf(read).await, Ok(1..)) {
            return None;
        }
    }
}

/// Whether the connection may be used again.
async fn answer(stream: &mut TcpStream, body: &str, fate: Fate) -> bool {
    let at = body.find("nonce-").expect("the mark");
    let end = body[at + 6..].find('-').expect("the mark's end");
    let mark = &body[at..at + 6 + end + 1];
    let (kind, pieces) = match body.contains("\"stream\":true") {
        true => ("text/event-stream", stream_of(mark)),
        false => (
            "application/json",
            vec![openai::completion(mark).into_bytes()],
        ),
    };
    let length: usize = pieces.iter().map(Vec::len).sum();
    let (status, pieces, length) = match fate {
        Fate::Refused => return false,
        Fate::Silent => {
            tokio::time::sleep(Duration::from_secs(4)).await;
            return false;
        }
        Fate::Error(status) => {
            let error = openai::error("not now").into_bytes();
            (status, vec![error.clone()], error.len())
        }
        Fate::Babble => (200, vec![BABBLE.as_bytes().to_vec()], BABBLE.len()),
        Fate::Cut => {
            let mut some = pieces.concat();
            some.truncate(length / 2);
            (200, vec![some], length)
        }
        Fate::Well => (200, pieces, length),
    };
    let head =
        format!("HTTP/1.1 {status} Ok\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    let mut wire = head.into_bytes();
    for piece in pieces {
        wire.extend_from_slice(&piece);
        if stream.write_all(&wire).await.is_err() {
            return false;
        }
        wire.clear();
    }
    !matches!(fate, Fate::Cut)
}

/// The mark in three pieces, and the end.
fn stream_of(mark: &str) -> Vec<Vec<u8>> {
    let usage = concat!(
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-2026","#,
        r#""choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
        "\n\n"
    );
    let (start, rest) = mark.split_at(3);
    let (middle, end) = rest.split_at(rest.len() / 2);
    let texts = [start, middle, end].map(|text| openai::frame(text).to_vec());
    let ends = [usage.as_bytes().to_vec(), openai::done().to_vec()];
    texts.into_iter().chain(ends).collect()
}
