//! Ollama's native API: `/api/chat` and `/api/generate`, for callers and for providers.
//! Source: Ollama's API reference (`docs/api.md`, `openapi.yaml`) and `api/types.go`.

mod error;
mod inspect;
mod logprobs;
mod media;
mod request;
mod response;
mod stream;
mod tags;
mod time;
mod usage;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Asked, Call, Dialect, Inspection, ProviderMessage, Route, StreamReader, StreamWriter, Written,
    closing::Closing, ending::Ending, openai_chat,
};
use crate::{
    chat::{
        frame::Framing, request::ChatRequest, response::ChatResponse, target::Target, usage::Usage,
    },
    error::{AnswerError, GatewayError},
};

pub(in crate::dialects) use media::{field_name, text_of_document};
pub(in crate::dialects) use request::{function_of, named};
pub use tags::tags;

const NAME: &str = "ollama";

/// How its answers say that they are whole.
static ENDING: Ending = Ending {
    name: "\"done_reason\"",
    good: &["stop", "length"],
    last: None,
    is_outermost: false,
};

/// The form of [`Call`]s that came in by `/api/generate`.
pub const GENERATE: &str = "generate";

/// Ollama's native API.
pub struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ending(&self) -> Option<&'static Ending> {
        Some(&ENDING)
    }

    fn inspect(&self, body: &[u8]) -> Result<Inspection, GatewayError> {
        inspect::inspect(body)
    }

    fn write_error(&self, error: &GatewayError) -> Bytes {
        error::write(error)
    }

    fn write_stream_error(&self, error: &GatewayError) -> Bytes {
        error::write_line(error)
    }

    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage {
        openai_chat::read_provider_message(status, body)
    }

    fn read_usage(&self, bytes: &[u8], _stream: bool) -> Option<Usage> {
        usage::read(bytes)
    }

    fn path(&self, _target: &Target<'_>, _stream: bool) -> String {
        "../api/chat".to_owned()
    }

    fn same_path(&self, route: &Route<'_>) -> Option<&'static str> {
        route
            .path
            .ends_with("/api/generate")
            .then_some("../api/generate")
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

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn stream_type(&self, _call: &Call) -> &'static str {
        "application/x-ndjson"
    }

    fn closing(&self) -> Closing {
        Closing::Flag("done")
    }

    /// A line must be an answer's piece; there is no comment.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        None
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(call))
    }

    /// What concerns the server's memory, the places of calls, and this folder's own marks.
    fn incidental(&self) -> &'static [&'static str] {
        &[
            request::IS_GENERATE,
            "think",
            "type",
            "function.index",
            "keep_alive",
            "options.num_ctx",
            "options.num_batch",
            "options.num_gpu",
            "options.main_gpu",
            "options.num_thread",
            "options.use_mmap",
            "options.use_mlock",
            "options.low_vram",
            "options.f16_kv",
            "options.numa",
        ]
    }

    /// Calls need no ids here; a result's tool name is found by the writer itself.
    fn links_tools(&self) -> bool {
        false
    }
}

/// Adds `extra` to `body`; what is there already stays.
fn add_missing(body: &mut Map<String, Value>, extra: Map<String, Value>) {
    for (name, value) in extra {
        body.entry(name).or_insert(value);
    }
}

/// The version of Ollama's API that the gateway answers like.
pub const VERSION: &str = "0.12.0";
