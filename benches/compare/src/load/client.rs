//! A keep-alive HTTP/1.1 connection that sends one prepared request again and again and reads each
//! answer to its end. Blocking: one thread a connection, two system calls a plain request.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::memmem;

use crate::chunks::Chunks;
use crate::wire::Stamp;

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

    /// A connection that has been used once, so that what the first request costs is over.
    pub(crate) fn warm(target: SocketAddr, request: &Stamp) -> Result<Client> {
        let mut client = Client::connect(target)?;
        client.call(request.clone().next())?;
        Ok(client)
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
        for at in memmem::find_iter(piece, b"sent_ns=") {
            let digits = piece[at + 8..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let sent = digits.fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
            delays.push(now.saturating_sub(Duration::from_nanos(sent)));
        }
    }
}
