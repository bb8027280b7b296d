//! Reading and recording HTTP/1.1 requests.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::{Exchange, Shared, wire::Wire};
use crate::support::http::{Headers, parse_head};

/// Reads the next request's head; `None` when the peer has left or speaks nonsense.
pub(super) async fn read_head(
    wire: &mut Wire,
    buffer: &mut BytesMut,
    connection: usize,
) -> Option<Exchange> {
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
        writes: Vec::new(),
        left: None,
        finished: None,
    })
}

/// Reads the body and records it; `false` when the peer left before its end.
pub(super) async fn read_body(
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
