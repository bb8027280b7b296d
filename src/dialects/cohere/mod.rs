//! Cohere's Chat API, version 2.
//! Source: Cohere's API reference, "Chat" and "Chat with Streaming", and the types of its SDKs.

mod citations;
mod content;
mod error;
mod logprobs;
mod request;
mod response;
mod stream;
mod usage;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Asked, Call, Dialect, Inspection, ProviderMessage, Route, StreamReader, StreamWriter, Written,
    closing::Closing, openai_chat,
};
use crate::{
    chat::{request::ChatRequest, response::ChatResponse, target::Target, usage::Usage},
    error::{AnswerError, GatewayError},
};

const NAME: &str = "cohere";

/// Cohere's Chat API, version 2.
pub struct Cohere;

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        NAME
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

    fn path(&self, _target: &Target<'_>, _stream: bool) -> String {
        "/chat".to_owned()
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

    fn write_response(&self, response: ChatResponse, _call: &Call) -> Vec<u8> {
        response::write(response)
    }

    fn closing(&self) -> Closing {
        Closing::Type(&["message-end"])
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, _call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::default())
    }

    /// This folder's own marks: the text of a document and a plan go on without them.
    fn incidental(&self) -> &'static [&'static str] {
        &[
            content::DOCUMENT,
            content::TOOL_CALLS,
            content::TOOL_PLAN,
            "type",
            "response_format.schema",
        ]
    }
}

/// Adds `extra` to `body`; what is there already stays.
fn add_missing(body: &mut Map<String, Value>, extra: Map<String, Value>) {
    for (name, value) in extra {
        body.entry(name).or_insert(value);
    }
}
