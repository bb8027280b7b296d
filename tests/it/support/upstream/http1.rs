//! HTTP/1.1 by hand, so that it can be spoken wrongly.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::sleep,
};

use super::{
    Ending, Script, Shared, Step,
    read::{read_body, read_head},
    wire::Wire,
};
use crate::support::http::chunk;

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
        let (pause, script) = script.timed();
        let (mut reader, mut writer) = tokio::io::split(&mut wire);
        let act = async {
            sleep(pause).await;
            perform(script, &mut writer, shared, number).await
        };
        let after = tokio::select! {
            biased;
            after = act => after,
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
        Script::EndsApart { body, .. } => {
            write(writer, &plain(200, &[], body)).await?;
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
        Script::Stall | Script::After { .. } => std::future::pending().await,
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

/// How long the way to an upstream is.
const UPGRADE_TAKES: Duration = Duration::from_millis(50);

/// Accepts a WebSocket with the key of RFC 6455's example and sends every byte back.
async fn echo(wire: &mut Wire, buffer: &mut BytesMut, shared: &Shared, number: usize) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    // As a network would: an answer that overtakes the end of its request within Pingora ends the session
    // (`proxy_handle_upstream` takes that end for the upgraded connection's).
    tokio::time::sleep(UPGRADE_TAKES).await;
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
