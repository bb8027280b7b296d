//! OpenAI Chat Completions, and the legacy completions and embeddings that share its shapes.
//! Source: OpenAI's API reference, "Chat" and "Streaming".

mod annotation;
mod calls;
mod content;
pub mod embeddings;
mod error;
mod finish;
mod logprobs;
mod marks;
mod message;
pub(super) mod models;
mod parts;
mod request;
mod response;
mod stream;
mod thinking;
mod usage;

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem::Finder;
use serde_json::Value;

use super::{
    Asked, Call, Dialect, Inspection, ProviderMessage, Route, StreamReader, StreamWriter, Unfit,
    Written, closing::Closing, ending::Ending, produced::Produced, scan::Places,
};
use crate::{
    chat::{request::ChatRequest, response::ChatResponse, target::Target, usage::Usage},
    error::{AnswerError, GatewayError},
};

pub use error::read_provider_message;
pub(super) use request::inspect;

/// Its name.
pub(super) const NAME: &str = "openai_chat";

/// How its answers say that they are whole.
static ENDING: Ending = Ending {
    name: "\"finish_reason\"",
    good: &["stop", "length", "tool_calls", "function_call"],
    last: None,
    is_outermost: false,
};

/// OpenAI Chat Completions.
pub struct OpenAiChat;

/// Where the events of a stream have what the model says.
static PRODUCED: Produced = Produced {
    member: LazyLock::new(|| Finder::new("\"delta\"")),
    texts: &[
        "content",
        "reasoning_content",
        "reasoning",
        "refusal",
        "name",
        "arguments",
        "text",
    ],
    wholes: &[],
    repeated: &["reasoning_details", "annotations"],
};

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn produced(&self) -> Option<&'static Produced> {
        Some(&PRODUCED)
    }

    fn ending(&self) -> Option<&'static Ending> {
        Some(&ENDING)
    }

    fn hides_usage(&self, request: &Inspection, body: &[u8]) -> bool {
        usage::is_hidden(request, body)
    }

    fn with_usage(&self, body: &Bytes) -> Bytes {
        usage::asked_for(body)
    }

    fn without_usage(&self, events: Bytes) -> Bytes {
        usage::hide(events)
    }

    fn inspect(&self, body: &[u8]) -> Result<Inspection, GatewayError> {
        request::inspect(body)
    }

    fn path(&self, _target: &Target<'_>, _stream: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn unfit(&self, body: &[u8], places: &Places, target: &Target<'_>) -> Unfit {
        request::unfit(body, places, target)
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

    fn incidental(&self) -> &'static [&'static str] {
        request::INCIDENTAL
    }

    fn links_tools(&self) -> bool {
        true
    }

    fn write_error(&self, error: &GatewayError) -> Bytes {
        error::write(error)
    }

    fn write_stream_error(&self, error: &GatewayError) -> Bytes {
        error::write_event(error)
    }

    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage {
        error::read_provider_message(status, body)
    }

    fn read_usage(&self, bytes: &[u8], stream: bool) -> Option<Usage> {
        usage::read(bytes, stream)
    }

    fn read_response(&self, body: &[u8]) -> Result<ChatResponse, AnswerError> {
        response::read(body)
    }

    fn write_response(&self, response: ChatResponse, call: &Call) -> Vec<u8> {
        response::write(response, call)
    }

    fn closing(&self) -> Closing {
        Closing::Text("[DONE]")
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(call))
    }
}
