//! Anthropic Messages. Source: Anthropic's API reference, "Messages", "Streaming", "Errors".

mod content;
mod error;
mod finish;
pub(super) mod model;
mod request;
mod response;
mod stream;
mod usage;

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem::Finder;
use serde_json::{Map, Value};

use super::{
    Asked, Call, Dialect, Inspection, Operation, ProviderMessage, Route, StreamReader,
    StreamWriter, Written, closing::Closing, ending::Ending, openai_chat, produced::Produced,
};
use crate::{
    chat::{request::ChatRequest, response::ChatResponse, target::Target, usage::Usage},
    error::{AnswerError, GatewayError},
};

const NAME: &str = "anthropic";

/// How its answers say that they are whole.
static ENDING: Ending = Ending {
    name: "\"stop_reason\"",
    good: &["end_turn", "max_tokens", "stop_sequence", "tool_use"],
    last: Some("\"message_stop\""),
    is_outermost: false,
};

/// Anthropic Messages.
pub struct Anthropic;

/// Where the events of a stream have what the model says.
static PRODUCED: Produced = Produced {
    member: LazyLock::new(|| Finder::new("\"delta\"")),
    texts: &["text", "thinking", "partial_json"],
    wholes: &[],
    repeated: &["citation"],
};

impl Dialect for Anthropic {
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
        openai_chat::inspect(body)
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

    fn read_usage(&self, bytes: &[u8], stream: bool) -> Option<Usage> {
        usage::read(bytes, stream)
    }

    fn path(&self, target: &Target<'_>, _stream: bool) -> String {
        match target.operation {
            Operation::Generate => "/messages".to_owned(),
            Operation::CountTokens => "/messages/count_tokens".to_owned(),
        }
    }

    fn read_request(&self, body: Value, _route: &Route<'_>) -> Result<Asked, GatewayError> {
        request::read(body)
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

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b"event: ping\ndata: {\"type\": \"ping\"}\n\n")
    }

    fn closing(&self) -> Closing {
        Closing::Type(&["message_stop"])
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(call))
    }

    /// `caller` says who calls a tool, `thinking` holds what of the object is not in the form.
    fn incidental(&self) -> &'static [&'static str] {
        &["caller", "thinking"]
    }

    fn counts(&self) -> bool {
        true
    }

    fn trims_prefill(&self) -> bool {
        true
    }

    fn read_count(&self, body: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(body).ok()?;
        value.get("input_tokens")?.as_u64()
    }

    fn write_count(&self, tokens: u64) -> Bytes {
        Bytes::from(format!("{{\"input_tokens\":{tokens}}}"))
    }
}

/// Adds what only this dialect knows, behind what is written and never over it.
fn put_rest(fields: &mut Map<String, Value>, rest: Map<String, Value>) {
    for (name, value) in rest {
        fields.entry(name).or_insert(value);
    }
}
