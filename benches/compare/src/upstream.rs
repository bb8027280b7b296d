//! A provider that costs next to nothing: an HTTP/1.1 keep-alive server with one fixed answer.
//!
//! It reads each body whole. A body with `"stream":true` gets server-sent events, each written and
//! sent by itself and stamped in its text with the time at which it was written; any other gets about
//! 1 KB of JSON. A body sets the number of events and the pause before each by `bench_chunks` and
//! `bench_gap_us` with a number after it, as a field or in its text (a proxy keeps the body, where it
//! might drop a header); the environment's `BENCH_CHUNKS` and `BENCH_GAP_US` hold where it does not.
//! A stream asked for with `bench_hold` stays open after its first event until somebody asks for
//! `/release`.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A fixed OpenAI-like server.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Events of a stream whose request does not say.
    #[arg(long, env = "BENCH_CHUNKS", default_value_t = 50)]
    chunks: u64,
    /// Microseconds before each event of a stream whose request does not say.
    #[arg(long, env = "BENCH_GAP_US", default_value_t = 0)]
    gap_us: u64,
}

/// Ends what is held.
static RELEASE: Notify = Notify::const_new();

/// What a request asked for.
struct Wanted {
    stream: bool,
    /// Held open after the first event.
    held: bool,
    /// That what is held ends.
    release: bool,
    chunks: u64,
    gap: Duration,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(options))
}

async fn serve(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let plain: &'static [u8] = plain_answer().leak();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (chunks, gap_us) = (options.chunks, options.gap_us);
        tokio::spawn(async move {
            // A connection that breaks is the proxy's affair.
            let _ = connection(socket, plain, chunks, gap_us).await;
        });
    }
}

async fn connection(
    mut socket: TcpStream,
    plain: &[u8],
    chunks: u64,
    gap_us: u64,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 << 10);
    while let Some((request_bytes, wanted)) =
        read_request(&mut socket, &mut buffer, chunks, gap_us).await?
    {
        buffer.drain(..request_bytes);
        if wanted.release {
            RELEASE.notify_waiters();
        }
        if wanted.stream {
            stream(&mut socket, &wanted).await?;
        } else {
            socket.write_all(plain).await?;
        }
    }
    Ok(())
}

/// Reads one request into `buffer`; its length there, or `None` at the connection's end.
async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    chunks: u64,
    gap_us: u64,
) -> io::Result<Option<(usize, Wanted)>> {
    let head_end = loop {
        if let Some(at) = memmem::find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
    let (body_start, end) = if let Some(length) = header(&head, "content-length") {
        let end = head_end + length.parse::<usize>().unwrap_or(0);
        buffer.reserve(end.saturating_sub(buffer.len()));
        while buffer.len() < end {
            if socket.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        (head_end, end)
    } else if header(&head, "transfer-encoding").is_some() {
        // The framing is left in: what is looked for below stands near the body's start.
        loop {
            if let Some(at) = memmem::find(&buffer[head_end..], b"\r\n0\r\n\r\n") {
                break (head_end, head_end + at + 7);
            }
            if socket.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
    } else {
        (head_end, head_end)
    };
    let body = &buffer[body_start..end];
    let wanted = Wanted {
        stream: memmem::find(body, b"\"stream\":true").is_some(),
        held: memmem::find(opening(body), b"bench_hold").is_some(),
        release: head.starts_with("get /release"),
        chunks: number(body, b"bench_chunks").unwrap_or(chunks),
        gap: Duration::from_micros(number(body, b"bench_gap_us").unwrap_or(gap_us)),
    };
    Ok(Some((end, wanted)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// The part of a body that orders stand in.
fn opening(body: &[u8]) -> &[u8] {
    &body[..body.len().min(4096)]
}

fn number(body: &[u8], key: &[u8]) -> Option<u64> {
    let start = memmem::find(opening(body), key)? + key.len();
    // Quotes and a colon, or a blank.
    let rest = body[start..].iter().skip_while(|b| !b.is_ascii_digit());
    Some(
        rest.take_while(|b| b.is_ascii_digit())
            .fold(0, |sum, b| sum * 10 + u64::from(b - b'0')),
    )
}

async fn stream(socket: &mut TcpStream, wanted: &Wanted) -> io::Result<()> {
    socket
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
              transfer-encoding: chunked\r\n\r\n",
        )
        .await?;
    let started = Instant::now();
    let mut event = String::with_capacity(512);
    for index in 0..wanted.chunks {
        if wanted.held && index == 1 {
            RELEASE.notified().await;
        }
        // The timer's steps are of a millisecond: no wait at all for the first.
        if index > 0 && !wanted.gap.is_zero() {
            sleep_until(started + wanted.gap * index as u32).await;
        }
        event.clear();
        let finish = if index + 1 == wanted.chunks {
            "\"stop\""
        } else {
            "null"
        };
        let _ = write!(
            event,
            "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\
             \"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{{\
             \"index\":0,\"delta\":{{\"content\":\" word{index} sent_ns={}\"}},\"logprobs\":null,\
             \"finish_reason\":{finish}}}]}}\n\n",
            now_ns()
        );
        send_chunk(socket, &event).await?;
    }
    send_chunk(
        socket,
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":\
         1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":200,\
         \"completion_tokens\":50,\"total_tokens\":250}}\n\n",
    )
    .await?;
    socket
        .write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        .await
}

async fn send_chunk(socket: &mut TcpStream, event: &str) -> io::Result<()> {
    let framed = format!("{:x}\r\n{event}\r\n", event.len());
    socket.write_all(framed.as_bytes()).await
}

fn now_ns() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

fn plain_answer() -> Vec<u8> {
    let text = "A proxy receives a request, decides where it goes and passes on the answer. "
        .repeat(9)
        .replace(". ", ".\\n");
    let body = format!(
        "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\
         \"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\
         \"content\":\"{text}\",\"refusal\":null}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":200,\"completion_tokens\":150,\"total_tokens\":350}},\
         \"system_fingerprint\":\"fp_bench\"}}"
    );
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
