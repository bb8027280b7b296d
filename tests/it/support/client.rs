//! An HTTP/1.1 client that shows what came, when it came, and whether it came to its end.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    time::timeout,
};

use super::{
    Answer, PATIENCE, Request,
    http::{Headers, parse_head},
};

/// TCP or TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Opens a TCP connection that writes at once.
pub async fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address)
        .await
        .expect("the address listens");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

/// One connection. Dropping it leaves, as a client that closes its window.
pub struct Http1 {
    incoming: Incoming,
    outgoing: WriteHalf<Box<dyn Io>>,
}

/// What is still to come of the answer under way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expect {
    Nothing,
    Bytes(usize),
    ChunkSize,
    ChunkBytes(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
}

struct Incoming {
    reader: ReadHalf<Box<dyn Io>>,
    buffer: BytesMut,
    expect: Expect,
    last_read: Instant,
}

/// A piece of a body and when it was there.
#[derive(Debug, Clone)]
pub struct Piece {
    pub at: Instant,
    pub bytes: Bytes,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    pub headers: Headers,
}

impl Http1 {
    pub async fn connect(address: SocketAddr) -> Self {
        Http1::over(tcp(address).await)
    }

    pub fn over(stream: impl Io + 'static) -> Self {
        let boxed: Box<dyn Io> = Box::new(stream);
        let (reader, outgoing) = tokio::io::split(boxed);
        let incoming = Incoming {
            reader,
            buffer: BytesMut::new(),
            expect: Expect::Nothing,
            last_read: Instant::now(),
        };
        Http1 { incoming, outgoing }
    }

    /// Writes exactly these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.outgoing.write_all(bytes).await?;
            self.outgoing.flush().await
        };
        timeout(PATIENCE, write)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Writes the request and does not wait for an answer.
    pub async fn send(&mut self, request: &Request) -> io::Result<()> {
        self.write(&request.http1_bytes()).await
    }

    /// Writes the request and reads the answer at the same time, so that an early answer to a
    /// long body is seen. An error of writing is not one of the call: the answer tells.
    pub async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        let wire = request.http1_bytes();
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        let write = async {
            let _ = outgoing.write_all(&wire).await;
            let _ = outgoing.flush().await;
        };
        let both = async { tokio::join!(write, incoming.answer()).1 };
        timeout(PATIENCE, both)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Reads the next head, 100 Continue included.
    pub async fn head(&mut self) -> io::Result<Head> {
        self.incoming.head().await
    }

    /// Reads the next piece of the body as it arrives; `None` is its proper end, and an error a
    /// cut.
    pub async fn piece(&mut self) -> io::Result<Option<Piece>> {
        self.incoming.piece().await
    }

    /// Reads a whole answer.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        self.incoming.answer().await
    }

    /// Whether the other side closes within `limit`; bytes before that are dropped.
    pub async fn closes_within(&mut self, limit: Duration) -> bool {
        let drain = async { while self.incoming.fill().await.is_ok() {} };
        timeout(limit, drain).await.is_ok()
    }

    /// The raw stream after an upgrade, as (bytes already read, reader, writer).
    pub async fn read_raw(&mut self, length: usize) -> io::Result<Bytes> {
        while self.incoming.buffer.len() < length {
            self.incoming.fill().await?;
        }
        Ok(self.incoming.buffer.split_to(length).freeze())
    }
}

impl Incoming {
    /// Reads once more; the end of the stream is an error.
    async fn fill(&mut self) -> io::Result<()> {
        // Room for what is there, so that a frame is not cut by the buffer's end.
        self.buffer.reserve(16 << 10);
        let read = self.reader.read_buf(&mut self.buffer);
        let count = timeout(PATIENCE, read)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        self.last_read = Instant::now();
        if count == 0 {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = self.buffer.split_to(end + 4);
        let parsed = parse_head(&head).and_then(|(line, headers)| {
            let status = line.split(' ').nth(1)?.parse().ok()?;
            Some(Head { status, headers })
        });
        let head = parsed.ok_or(io::ErrorKind::InvalidData)?;
        let length = head
            .headers
            .get("content-length")
            .and_then(|value| value.parse().ok());
        let chunked = head
            .headers
            .get("transfer-encoding")
            .is_some_and(|v| v.contains("chunked"));
        self.expect = match (head.status, chunked, length) {
            (100..=199 | 204 | 304, ..) | (_, false, Some(0)) => Expect::Nothing,
            (_, true, _) => Expect::ChunkSize,
            (_, false, Some(length)) => Expect::Bytes(length),
            (_, false, None) => Expect::UntilClose,
        };
        Ok(head)
    }

    async fn piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            match self.expect {
                Expect::Nothing => return Ok(None),
                Expect::Bytes(left) | Expect::ChunkBytes(left) if !self.buffer.is_empty() => {
                    let bytes = self.buffer.split_to(left.min(self.buffer.len())).freeze();
                    let left = left - bytes.len();
                    self.expect = match (self.expect, left) {
                        (Expect::Bytes(_), 0) => Expect::Nothing,
                        (Expect::Bytes(_), left) => Expect::Bytes(left),
                        (_, 0) => Expect::ChunkEnd,
                        (_, left) => Expect::ChunkBytes(left),
                    };
                    return Ok(Some(Piece {
                        at: self.last_read,
                        bytes,
                    }));
                }
                Expect::Bytes(_) | Expect::ChunkBytes(_) => self.fill().await?,
                Expect::UntilClose if !self.buffer.is_empty() => {
                    let bytes = self.buffer.split().freeze();
                    return Ok(Some(Piece {
                        at: self.last_read,
                        bytes,
                    }));
                }
                Expect::UntilClose => match self.fill().await {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        self.expect = Expect::Nothing;
                    }
                    other => other?,
                },
                Expect::ChunkSize | Expect::ChunkEnd | Expect::Trailers => {
                    let line = self.line().await?;
                    self.expect = match self.expect {
                        Expect::ChunkEnd => Expect::ChunkSize,
                        Expect::Trailers if line.is_empty() => Expect::Nothing,
                        Expect::Trailers => Expect::Trailers,
                        _ => {
                            match usize::from_str_radix(line.split(';').next().unwrap_or(""), 16) {
                                Ok(0) => Expect::Trailers,
                                Ok(size) => Expect::ChunkBytes(size),
                                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                            }
                        }
                    };
                }
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let head = loop {
            let head = self.head().await?;
            if !(100..=199).contains(&head.status) {
                break head;
            }
        };
        let mut body = BytesMut::new();
        let whole = loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece.bytes),
                Ok(None) => break true,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Err(_) => break false,
            }
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.freeze(),
            whole,
        })
    }
}
