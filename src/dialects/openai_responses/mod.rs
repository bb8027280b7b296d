//! OpenAI Responses: `POST /responses`.
//! Source: OpenAI's API reference, "Responses" and "Streaming events"; what other servers that speak
//! it do (Azure, DeepSeek, OpenRouter, xAI) from recorded traffic.
//!
//! ```text
//! item → parts        item, part, media, names      parts → item    turn, part, media, names
//! marks               what is noted on the way, so that both are each other's inverse
//! ```

mod error;
mod item;
mod logprobs;
mod marks;
mod media;
mod names;
mod part;
mod request;
mod response;
mod stream;
mod tools;
mod turn;
mod usage;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem::Finder;
use serde_json::{Value, json};

use super::{
    Asked, Call, Dialect, Inspection, ProviderMessage, Route, StreamReader, StreamWriter, Written,
    closing::Closing, ending::Ending, openai_chat, produced::Produced,
};
use crate::{
    chat::{request::ChatRequest, response::ChatResponse, target::Target, usage::Usage},
    error::{AnswerError, GatewayError},
};

/// The dialect's name.
const NAME: &str = "openai_responses";

/// How its answers say that they are whole.
static ENDING: Ending = Ending {
    name: "\"status\"",
    good: &["completed"],
    last: Some("\"response.completed\""),
    is_outermost: true,
};

/// OpenAI Responses.
pub struct OpenAiResponses;

/// Where the events of a stream have what the model says.
static PRODUCED: Produced = Produced {
    member: LazyLock::new(|| Finder::new("\"delta\"")),
    texts: &[],
    wholes: &[],
    repeated: &[],
};

impl Dialect for OpenAiResponses {
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
        stream::write_error(error).into()
    }

    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage {
        error::read(status, body)
    }

    fn read_usage(&self, bytes: &[u8], stream: bool) -> Option<Usage> {
        usage::read(bytes, stream)
    }

    fn path(&self, _target: &Target<'_>, _stream: bool) -> String {
        "/responses".to_owned()
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

    fn closing(&self) -> Closing {
        Closing::Type(&[
            "response.completed",
            "response.incomplete",
            "response.failed",
            "error",
        ])
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(call))
    }

    /// Names and states of items, how texts were written, what Codex tells OpenAI about itself, and
    /// what is asked of answers' thoughts that others send anyway.
    fn incidental(&self) -> &'static [&'static str] {
        &[
            "id",
            "type",
            "status",
            "phase",
            marks::ITEM,
            marks::DONE,
            marks::FORM,
            "annotations",
            "logprobs",
            "namespace",
            "caller",
            "client_metadata",
            "internal_chat_message_metadata_passthrough",
            "include",
            "prompt_cache_retention",
            "prompt_cache_options",
            "prompt_cache_breakpoint",
            "stream_options",
            "defer_loading",
            "output_schema",
            "strict",
        ]
    }

    fn expressed(&self) -> &'static [&'static str] {
        &[marks::ADDITIONAL]
    }

    fn read_count(&self, body: &[u8]) -> Option<u64> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body.get("input_tokens")?.as_u64()
    }

    fn write_count(&self, tokens: u64) -> Bytes {
        let body = json!({"object": "response.input_tokens", "input_tokens": tokens});
        Bytes::from(body.to_string())
    }
}
