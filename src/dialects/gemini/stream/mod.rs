//! Streams: each event is a `GenerateContentResponse` with what is new, and nothing says that it was the
//! last. Source: Google AI's API reference, "models.streamGenerateContent".

mod arguments;
mod candidate;
mod choice;
mod plain;
mod read;
mod write;

use crate::dialects::{Call, StreamReader, StreamWriter};

/// See [`crate::dialects::Dialect::stream_reader`].
pub(super) fn reader() -> Box<dyn StreamReader> {
    Box::new(read::Reader::default())
}

/// See [`crate::dialects::Dialect::stream_writer`].
pub(super) fn writer(call: &Call) -> Box<dyn StreamWriter> {
    Box::new(write::Writer::new(call))
}
