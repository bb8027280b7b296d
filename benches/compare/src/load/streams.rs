//! Streams that are held open, ten thousand on one thread.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bodies::{self, Answer};
use crate::wire::{self, Stamp};

/// Streams that are being opened at the same time.
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens `count` streams and calls `during` when each has had its first event; then the upstream is
/// told to go on, and all are read to their end. With what `during` said comes how many were open.
pub(crate) fn held<T>(
    target: SocketAddr,
    upstream: SocketAddr,
    count: usize,
    during: impl FnOnce() -> T,
) -> Result<(T, usize)> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let streams = open_all(target, count).await?;
            // The event that was read may not yet be all that the target does for it.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let seen = during();
            let mut control = TcpStream::connect(upstream).await?;
            control
                .write_all(b"GET /release HTTP/1.1\r\nhost: upstream\r\n\r\n")
                .await?;
            let opened = streams.len();
            for stream in streams {
                timeout(PATIENCE, read_until(stream, b"\r\n0\r\n\r\n")).await??;
            }
            Ok((seen, opened))
        })
}

async fn open_all(target: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let body = bodies::prose(1 << 10, Answer::Held);
    let mut stamp = Stamp::new(wire::request(wire::CHAT, &body), true);
    let mut opening = JoinSet::new();
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        if opening.len() >= AT_ONCE {
            streams.extend(opening.join_next().await.transpose()?.transpose()?);
        }
        let request = stamp.next().to_vec();
        opening.spawn(async move { timeout(PATIENCE, open_one(target, request)).await? });
    }
    while let Some(opened) = opening.join_next().await {
        streams.push(opened??);
    }
    Ok(streams)
}

async fn open_one(target: SocketAddr, request: Vec<u8>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request).await?;
    read_until(stream, b"\ndata: ").await
}

/// Reads until a mark was there.
async fn read_until(mut stream: TcpStream, mark: &[u8]) -> Result<TcpStream> {
    let mut seen = Vec::with_capacity(2048);
    while memmem::find(&seen, mark).is_none() {
        if stream.read_buf(&mut seen).await? == 0 {
            let text = String::from_utf8_lossy(&seen).into_owned();
            return Err(Error::new(ErrorKind::UnexpectedEof, text));
        }
    }
    Ok(stream)
}
