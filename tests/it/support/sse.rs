//! Reads server-sent events as a strict client does.

use std::time::Instant;

use serde_json::Value;

use super::{Http1, client::Piece};

/// An incremental reader: bytes in, events out.
#[derive(Default)]
pub struct SseReader {
    pending: Vec<u8>,
}

/// The data of one event and when its last byte was there.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Instant,
    pub data: String,
}

impl Event {
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.data) {
            Ok(value) => value,
            Err(error) => panic!("event is not JSON ({error}): {}", self.data),
        }
    }
}

impl SseReader {
    /// Takes in a piece and returns the events that it completes. Invalid UTF-8 panics.
    pub fn push(&mut self, piece: &Piece) -> Vec<Event> {
        self.pending.extend_from_slice(&piece.bytes);
        let mut events = Vec::new();
        while let Some(end) = memchr::memmem::find(&self.pending, b"\n\n") {
            let frame: Vec<u8> = self.pending.drain(..end + 2).collect();
            let text = String::from_utf8(frame).expect("events are UTF-8");
            let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<&str> = lines.map(str::trim_start).collect();
            if !data.is_empty() {
                events.push(Event {
                    at: piece.at,
                    data: data.join("\n"),
                });
            }
        }
        events
    }

    /// Bytes that belong to no whole event.
    pub fn rest(&self) -> &[u8] {
        &self.pending
    }
}

/// The events of a whole body.
#[track_caller]
pub fn events(body: &[u8]) -> Vec<Event> {
    let mut reader = SseReader::default();
    let bytes = bytes::Bytes::copy_from_slice(body);
    let events = reader.push(&Piece {
        at: Instant::now(),
        bytes,
    });
    assert!(
        reader.rest().is_empty(),
        "half an event: {:?}",
        String::from_utf8_lossy(body)
    );
    events
}

/// Reads from an answer under way until `count` events are there or the body ends; the flag says
/// whether it came to its proper end.
pub async fn read_events(
    client: &mut Http1,
    reader: &mut SseReader,
    count: usize,
) -> (Vec<Event>, bool) {
    let mut events = Vec::new();
    while events.len() < count {
        match client.piece().await {
            Ok(Some(piece)) => events.extend(reader.push(&piece)),
            Ok(None) => return (events, true),
            Err(_) => return (events, false),
        }
    }
    (events, false)
}
