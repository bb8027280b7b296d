//! Google's Gemini: `generateContent`, `streamGenerateContent` and `countTokens`, of AI Studio and of
//! Vertex alike. Source: Google AI's and Vertex AI's API references; quirks from recorded traffic.

mod citation;
mod error;
mod finish;
mod logprobs;
mod model;
mod names;
mod part;
mod path;
mod request;
mod response;
mod schema;
mod signature;
mod stream;
mod usage;

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem::Finder;
use serde_json::Value;

use super::{
    Asked, Call, Dialect, Inspection, ProviderMessage, Route, StreamReader, StreamWriter, Unfit,
    Written, ending::Ending, produced::Produced, scan::Places,
};
use crate::{
    chat::{request::ChatRequest, response::ChatResponse, target::Target, usage::Usage},
    error::{AnswerError, GatewayError},
};

pub use path::method;

/// Its name.
pub const NAME: &str = "gemini";

/// How its answers say that they are whole.
static ENDING: Ending = Ending {
    name: "\"finishReason\"",
    good: &["STOP", "MAX_TOKENS"],
    last: None,
    is_outermost: false,
};
/// The form of a stream whose caller did not ask for events: one JSON array.
const ARRAY: &str = "array";

/// Google's Gemini.
pub struct Gemini;

/// Where the events of a stream have what the model says.
static PRODUCED: Produced = Produced {
    member: LazyLock::new(|| Finder::new("\"parts\"")),
    texts: &["text", "name"],
    wholes: &["args"],
    repeated: &[],
};

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn produced(&self) -> Option<&'static Produced> {
        Some(&PRODUCED)
    }

    fn ending(&self) -> Option<&'static Ending> {
        Some(&ENDING)
    }

    fn inspect(&self, body: &[u8]) -> Result<Inspection, GatewayError> {
        request::inspect(body)
    }

    fn write_error(&self, error: &GatewayError) -> Bytes {
        error::write(error)
    }

    fn write_stream_error(&self, error: &GatewayError) -> Bytes {
        error::write_event(error)
    }

    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage {
        error::read(status, body)
    }

    fn read_usage(&self, bytes: &[u8], _stream: bool) -> Option<Usage> {
        usage::find(bytes)
    }

    fn path(&self, target: &Target<'_>, stream: bool) -> String {
        path::write(target, stream)
    }

    fn unfit(&self, body: &[u8], _places: &Places, _target: &Target<'_>) -> Unfit {
        Unfit {
            needs_writing: signature::is_carried(body),
            ..Unfit::default()
        }
    }

    fn read_request(&self, body: Value, route: &Route<'_>) -> Result<Asked, GatewayError> {
        request::read(body, route)
    }

    fn write_request(
        &self,
        request: ChatRequest,
        target: &Target<'_>,
    ) -> Result<Written, GatewayError> {
        request::write(request, target)
    }

    fn read_response(&self, body: &[u8]) -> Result<ChatResponse, AnswerError> {
        response::read(body)
    }

    fn write_response(&self, response: ChatResponse, call: &Call) -> Vec<u8> {
        response::write(response, call)
    }

    fn stream_type(&self, call: &Call) -> &'static str {
        if call.form == Some(ARRAY) {
            "application/json"
        } else {
            "text/event-stream"
        }
    }

    /// Google's clients stumble over SSE's comments; blank lines mean nothing between events, and
    /// nothing between the elements of an array.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b"\r\n\r\n")
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        stream::reader()
    }

    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter> {
        stream::writer(call)
    }

    fn incidental(&self) -> &'static [&'static str] {
        request::INCIDENTAL
    }

    /// Google tells results by name and ids may be absent; the writer links what lacks a name.
    fn links_tools(&self) -> bool {
        false
    }

    fn counts(&self) -> bool {
        true
    }

    fn read_count(&self, body: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(body).ok()?;
        value.get("totalTokens")?.as_u64()
    }

    fn write_count(&self, tokens: u64) -> Bytes {
        Bytes::from(format!("{{\"totalTokens\":{tokens}}}"))
    }
}
