//! HTTP/1.1 by hand, so that it can be spoken wrongly.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::server::TlsStream;

use super::{Ending, Exchange, Script, Shared, Step};
use crate::support::http::{Headers, chunk, parse_head};

/// TCP or TLS, with a way to reset the connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// From now on, closing sends RST instead of FIN.
    fn reset_on_close(&self) {
        let _ = match self {
            Wire::Plain(stream) => stream.set_zero_linger(),
            Wire::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        };
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What becomes of the connection after a script.
#[derive(PartialEq)]
enum After {
    KeepAlive,
    Close,
    Reset,
}

/// Serves one connection until either side ends it.
pub(super) async fn serve(mut wire: Wire, shared: &Shared, connection: usize) {
    let mut buffer = BytesMut::new();
    loop {
        let Some(exchange) = read_head(&mut wire, &mut buffer, connection).await else {
            return;
        };
        let upgrade = exchange
            .header("upgrade")
            .is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
        let headers = exchange.headers.clone();
        let number = shared.recorder.begin(exchange);
        if upgrade {
            echo(&mut wire, &mut buffer, shared, number).await;
            return;
        }
        let script = shared.next();
        if script.reads_the_body()
            && !read_body(&mut wire, &mut buffer, &headers, shared, number).await
        {
            shared
                .recorder
                .update(number, |exchange| exchange.left = Some(Instant::now()));
            return;
        }
        let (mut reader, mut writer) = tokio::io::split(&mut wire);
        let after = tokio::select! {
            biased;
            after = perform(&script, &mut writer, shared, number) => after,
            () = peer_leaves(&mut reader, &mut buffer, script.reads_the_body()) => {
                shared.recorder.update(number, |exchange| exchange.left = Some(Instant::now()));
                return;
            }
        };
        match after {
            Ok(After::KeepAlive) => {
                shared
                    .recorder
                    .update(number, |exchange| exchange.finished = Some(Instant::now()));
            }
            Ok(After::Close) => {
                let _ = writer.shutdown().await;
                // A close with unread bytes would turn into a reset.
                let mut sink = [0; 16 << 10];
                while reader.read(&mut sink).await.is_ok_and(|count| count > 0) {}
                return;
            }
            Ok(After::Reset) => {
                wire.reset_on_close();
                return;
            }
            Err(_) => {
                shared
                    .recorder
                    .update(number, |exchange| exchange.left = Some(Instant::now()));
                return;
            }
        }
    }
}

async fn read_head(wire: &mut Wire, buffer: &mut BytesMut, connection: usize) -> Option<Exchange> {
    let end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end;
        }
        if wire.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let raw_head = buffer.split_to(end + 4).freeze();
    let (line, headers) = parse_head(&raw_head)?;
    let mut words = line.split(' ').map(str::to_owned);
    Some(Exchange {
        connection,
        protocol: "HTTP/1.1",
        method: words.next()?,
        target: words.next()?,
        headers,
        raw_head,
        body: Bytes::new(),
        read: false,
        started: Instant::now(),
        writes: Vec::new(),
        left: None,
        finished: None,
    })
}

/// Reads the body and records it; `false` when the peer left before its end.
async fn read_body(
    wire: &mut Wire,
    buffer: &mut BytesMut,
    headers: &Headers,
    shared: &Shared,
    number: usize,
) -> bool {
    let chunked = headers
        .get("transfer-encoding")
        .is_some_and(|value| value.contains("chunked"));
    let length = headers
        .get("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let mut body = BytesMut::new();
    let whole = if chunked {
        read_chunks(wire, buffer, &mut body).await
    } else {
        let whole = fill(wire, buffer, length).await;
        body = buffer.split_to(length.min(buffer.len()));
        whole
    };
    let body = body.freeze();
    shared.recorder.update(number, |exchange| {
        exchange.body = body;
        exchange.read = whole;
    });
    whole
}

async fn read_chunks(wire: &mut Wire, buffer: &mut BytesMut, body: &mut BytesMut) -> bool {
    loop {
        let end = loop {
            if let Some(end) = memchr::memmem::find(buffer, b"\r\n") {
                break end;
            }
            if wire.read_buf(buffer).await.unwrap_or(0) == 0 {
                return false;
            }
        };
        let line = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
        buffer.advance(2);
        let Ok(size) = usize::from_str_radix(line.trim(), 16) else {
            return false;
        };
        if !fill(wire, buffer, size + 2).await {
            return false;
        }
        body.extend_from_slice(&buffer.split_to(size));
        buffer.advance(2);
        if size == 0 {
            return true;
        }
    }
}

async fn fill(wire: &mut Wire, buffer: &mut BytesMut, length: usize) -> bool {
    buffer.reserve(length.saturating_sub(buffer.len()));
    while buffer.len() < length {
        if wire.read_buf(buffer).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// Returns when the other side has closed; what it sends before that waits in `buffer`.
async fn peer_leaves(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut, keep: bool) {
    while reader.read_buf(buffer).await.unwrap_or(0) > 0 {
        if !keep {
            buffer.clear();
        }
    }
}

async fn perform(
    script: &Script,
    writer: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
    number: usize,
) -> io::Result<After> {
    match script {
        Script::Answer {
            status,
            headers,
            body,
        } => {
            write(writer, &plain(*status, headers, body)).await?;
            Ok(After::KeepAlive)
        }
        Script::AnswerBeforeBody { status, body } => {
            write(
                writer,
                &plain(*status, &[("connection".into(), "close".into())], body),
            )
            .await?;
            Ok(After::Close)
        }
        Script::Stream { steps, ending } => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            write(writer, head.as_bytes()).await?;
            for step in steps {
                match step {
                    Step::Pause(pause) => sleep(*pause).await,
                    Step::Wait(gate) => gate.wait().await,
                    Step::Write(bytes) => {
                        let now = Instant::now();
                        shared
                            .recorder
                            .update(number, |exchange| exchange.writes.push(now));
                        write(writer, &chunk(bytes)).await?;
                    }
                }
            }
            if *ending == Ending::Whole {
                write(writer, b"0\r\n\r\n").await?;
            }
            end(*ending).await
        }
        Script::HalfPlain { ending } => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"half\":";
            write(writer, head.as_bytes()).await?;
            end(*ending).await
        }
        Script::ResetBeforeHead => Ok(After::Reset),
        Script::CloseOnAccept | Script::CloseBeforeHead => Ok(After::Close),
        Script::Stall => std::future::pending().await,
        Script::SlowHead { pause } => {
            for byte in plain(200, &[], b"{}") {
                sleep(*pause).await;
                write(writer, &[byte]).await?;
            }
            Ok(After::KeepAlive)
        }
        Script::Garbage => {
            write(
                writer,
                b"\x00\x01SSH-2.0-surely_not_http\r\n\xff\xfe\r\n\r\n",
            )
            .await?;
            Ok(After::Close)
        }
    }
}

async fn end(ending: Ending) -> io::Result<After> {
    match ending {
        Ending::Whole => Ok(After::KeepAlive),
        Ending::Stall => std::future::pending().await,
        Ending::Truncate => Ok(After::Close),
        Ending::Reset => {
            // RST overtakes what is still in flight; let the bytes before it arrive first.
            sleep(Duration::from_millis(100)).await;
            Ok(After::Reset)
        }
    }
}

fn plain(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut wire = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        wire.push_str(&format!("{name}: {value}\r\n"));
    }
    wire.push_str("\r\n");
    let mut wire = wire.into_bytes();
    wire.extend_from_slice(body);
    wire
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Accepts a WebSocket with the key of RFC 6455's example and sends every byte back.
async fn echo(wire: &mut Wire, buffer: &mut BytesMut, shared: &Shared, number: usize) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    if write(wire, head.as_bytes()).await.is_err() {
        return;
    }
    loop {
        if !buffer.is_empty() && write(wire, &buffer.split()).await.is_err() {
            break;
        }
        if wire.read_buf(buffer).await.unwrap_or(0) == 0 {
            break;
        }
    }
    shared
        .recorder
        .update(number, |exchange| exchange.left = Some(Instant::now()));
}
