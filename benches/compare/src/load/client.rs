//! A keep-alive HTTP/1.1 connection that sends one prepared request again and again and reads each
//! answer to its end. Blocking: one thread a connection, two system calls a plain request.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::memmem;

use crate::bodies::SEED;

/// What one answer showed.
pub(crate) struct Seen {
    /// When the head's first byte after the request, and the body's first byte, were there.
    pub(crate) first_body_byte: Instant,
    /// When the answer was complete.
    pub(crate) done: Instant,
}

/// One connection to a target.
pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Delays of events between the upstream's write and their receipt, where they are collected.
    pub(crate) event_delays: Option<Vec<Duration>>,
}

/// The request as bytes: the same for every target.
pub(crate) fn request(body: &str, key: &str) -> Vec<u8> {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example\r\nuser-agent: compare\r\n\
         authorization: Bearer {key}\r\naccept: */*\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Tells requests apart, so that no cache has their answers.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    request: Vec<u8>,
    digits: Option<usize>,
}

static NEXT: AtomicU64 = AtomicU64::new(1_000_000_000);

impl Stamp {
    /// Of requests that are all the same, or of ones that all differ.
    pub(crate) fn new(request: &[u8], is_unique: bool) -> Stamp {
        let seed = memmem::find(request, SEED.as_bytes()).filter(|_| is_unique);
        Stamp {
            request: request.to_vec(),
            digits: seed.map(|at| at + SEED.len()),
        }
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> &[u8] {
        if let Some(at) = self.digits {
            let mut number = NEXT.fetch_add(1, Ordering::Relaxed);
            for digit in self.request[at..at + 10].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        &self.request
    }
}

impl Client {
    pub(crate) fn connect(target: SocketAddr) -> Result<Client> {
        let socket = TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client {
            socket,
            buffer: vec![0; 64 << 10],
            event_delays: None,
        })
    }

    /// Sends the request and reads the answer; an error where that is not a whole 200.
    pub(crate) fn call(&mut self, request: &[u8]) -> Result<Seen> {
        self.socket.write_all(request)?;
        let (body_start, mut filled, length) = self.head()?;
        let mut first_body_byte = (filled > body_start).then(Instant::now);
        match length {
            Some(length) => {
                let mut left = (body_start + length).saturating_sub(filled);
                while left > 0 {
                    let read = self.read_at(0)?;
                    first_body_byte.get_or_insert_with(Instant::now);
                    left = left.saturating_sub(read);
                }
            }
            None => {
                let mut chunks = Chunks::default();
                let mut start = body_start;
                loop {
                    if filled > start {
                        first_body_byte.get_or_insert_with(Instant::now);
                        self.note_events(start, filled);
                        if chunks.end_in(&self.buffer[start..filled])? {
                            break;
                        }
                    }
                    (start, filled) = (0, self.read_at(0)?);
                }
            }
        }
        let done = Instant::now();
        Ok(Seen {
            first_body_byte: first_body_byte.unwrap_or(done),
            done,
        })
    }

    /// Reads a head: where the body begins, how much of the buffer is filled, and the body's
    /// length where it is not chunked.
    fn head(&mut self) -> Result<(usize, usize, Option<usize>)> {
        let mut filled = 0;
        let body_start = loop {
            filled += self.read_at(filled)?;
            if let Some(at) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..body_start]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            let text = String::from_utf8_lossy(&self.buffer[..filled.min(400)]).into_owned();
            return Err(Error::new(ErrorKind::InvalidData, text));
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse().ok());
        Ok((body_start, filled, length))
    }

    fn read_at(&mut self, from: usize) -> Result<usize> {
        match self.socket.read(&mut self.buffer[from..])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// Notes how long ago the upstream wrote the events that lie whole in this piece. An event cut
    /// by a read's end is left out.
    fn note_events(&mut self, start: usize, end: usize) {
        let Some(delays) = &mut self.event_delays else {
            return;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let piece = &self.buffer[start..end];
        for at in memmem::find_iter(piece, b"\"sent_ns\":") {
            let digits = piece[at + 10..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let sent = digits.fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
            delays.push(now.saturating_sub(Duration::from_nanos(sent)));
        }
    }
}

/// Finds the end of a chunked body that arrives in pieces.
#[derive(Default)]
struct Chunks {
    /// Bytes of the current chunk still to come, its line end included.
    left: usize,
    size: usize,
    in_size: bool,
    last: bool,
}

impl Chunks {
    /// Takes the next piece; whether the body ended with it.
    fn end_in(&mut self, mut piece: &[u8]) -> Result<bool> {
        while !piece.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(piece.len());
                self.left -= skipped;
                piece = &piece[skipped..];
                if self.left == 0 && self.last {
                    return Ok(true);
                }
                continue;
            }
            let byte = piece[0];
            piece = &piece[1..];
            match byte {
                b'\n' if self.in_size => {
                    self.last = self.size == 0;
                    self.left = self.size + 2;
                    (self.size, self.in_size) = (0, false);
                }
                b'\r' => {}
                _ => {
                    let digit = (byte as char).to_digit(16).ok_or(ErrorKind::InvalidData)?;
                    self.size = self.size * 16 + digit as usize;
                    self.in_size = true;
                }
            }
        }
        Ok(false)
    }
}
