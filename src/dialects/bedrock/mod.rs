//! AWS Bedrock: Converse and ConverseStream. Signing is `providers::auth`'s part.
//! Source: Amazon Bedrock's API reference (Bedrock Runtime), and recorded traffic.
//!
//! ```text
//! route      the model and what is wanted, in the path
//! request    requests, read and written; model: what which model refuses
//! block      content blocks, read; write: written; media, thinking, citation: kinds of blocks
//! response   whole answers; stream: streamed ones; frame: AWS's event stream, written
//! usage, finish, error
//! ```

mod block;
mod citation;
mod error;
mod finish;
mod frame;
mod media;
mod model;
mod request;
mod response;
mod route;
mod stream;
mod thinking;
mod usage;
mod write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Asked, Call, Dialect, Inspection, Operation, ProviderMessage, Route, StreamReader,
    StreamWriter, Written,
};
use crate::{
    chat::{
        frame::Framing, request::ChatRequest, response::ChatResponse, target::Target, usage::Usage,
    },
    error::{AnswerError, GatewayError},
};

const NAME: &str = "bedrock";

/// AWS Bedrock Converse.
pub struct Bedrock;

impl Dialect for Bedrock {
    fn name(&self) -> &'static str {
        NAME
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
        route::write(target.model, target.operation, stream)
    }

    fn read_request(&self, body: Value, route: &Route<'_>) -> Result<Asked, GatewayError> {
        request::read(body, route)
    }

    fn write_request(
        &self,
        request: ChatRequest,
        target: &Target<'_>,
    ) -> Result<Written, GatewayError> {
        Ok(match target.operation {
            Operation::Generate => request::write(request, target),
            Operation::CountTokens => request::write_count(request, target),
        })
    }

    fn read_response(&self, body: &[u8]) -> Result<ChatResponse, AnswerError> {
        response::read(body)
    }

    fn write_response(&self, response: ChatResponse, _call: &Call) -> Vec<u8> {
        response::write(response)
    }

    fn framing(&self) -> Framing {
        Framing::Aws
    }

    fn stream_type(&self, _call: &Call) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        None
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::default())
    }

    fn stream_writer(&self, _call: &Call) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::default())
    }

    fn incidental(&self) -> &'static [&'static str] {
        // Marks of the form that a value came in: others have what it says.
        &[
            "json",
            "role",
            "status",
            "type",
            "format",
            "citationsContent",
            "additionalModelResponseFieldPaths",
        ]
    }

    fn counts(&self) -> bool {
        true
    }

    fn trims_prefill(&self) -> bool {
        true
    }

    fn read_count(&self, body: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(body).ok()?;
        value.get("inputTokens")?.as_u64()
    }

    fn write_count(&self, tokens: u64) -> Bytes {
        Bytes::from(format!("{{\"inputTokens\":{tokens}}}"))
    }
}

/// Adds members that are not there yet.
fn add_rest(fields: &mut Map<String, Value>, rest: Map<String, Value>) {
    for (name, value) in rest {
        if !value.is_null() {
            fields.entry(name).or_insert(value);
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
