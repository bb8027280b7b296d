//! Anthropic Messages. So far only its errors, for clients that speak it on routes that are not
//! there. Source: Anthropic's API reference, "Errors".

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Dialect, Inspection, ProviderMessage, openai_chat};
use crate::{chat::usage::Usage, error::GatewayError};

/// Anthropic Messages.
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn inspect(&self, body: &[u8]) -> Result<Inspection, GatewayError> {
        openai_chat::inspect(body)
    }

    fn write_error(&self, error: &GatewayError) -> Bytes {
        Bytes::from(object(error).to_string())
    }

    fn write_stream_error(&self, error: &GatewayError) -> Bytes {
        Bytes::from(format!("event: error\ndata: {}\n\n", object(error)))
    }

    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage {
        openai_chat::read_provider_message(status, body)
    }

    fn read_usage(&self, _bytes: &[u8], _stream: bool) -> Option<Usage> {
        None
    }
}

fn object(error: &GatewayError) -> Value {
    let kind = match error.status().as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {
        "type": kind, "message": error.to_string(), "code": error.code(), "source": error.source_name(),
    }})
}
