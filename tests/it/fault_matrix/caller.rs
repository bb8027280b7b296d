//! The same short chat in three dialects, and what its answer comes to.

use serde_json::{Value, json};

use crate::support::{Answer, Request, anthropic, openai, sse};

/// The dialect that the client speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Caller {
    /// OpenAI Chat Completions, as the providers here: bytes go through.
    Chat,
    /// Anthropic Messages: translated.
    Messages,
    /// OpenAI Responses: translated.
    Responses,
}

/// What an answer says, whatever its dialect.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    /// Whether a client takes it for the whole answer.
    pub is_complete: bool,
    pub error: Option<Value>,
}

impl Caller {
    pub fn request(self, stream: bool) -> Request {
        let (path, body) = match self {
            Caller::Chat if stream => return Request::chat(openai::streamed("m")),
            Caller::Chat => return Request::chat(openai::chat("m")),
            Caller::Messages => ("/v1/messages", anthropic::messages("m")),
            Caller::Responses => ("/v1/responses", json!({"model": "m", "input": "hello"})),
        };
        let mut body = body;
        body["stream"] = stream.into();
        Request::post(path, body.to_string()).bearer("test-key")
    }

    pub fn said(self, answer: &Answer) -> Said {
        let kind = answer.header("content-type").unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            let mut said = Said::default();
            for event in sse::events(&answer.body) {
                assert!(
                    said.error.is_none() || self == Caller::Responses,
                    "the error is the last event: {}",
                    answer.text()
                );
                self.hear(&event.data, &mut said);
            }
            return said;
        }
        match serde_json::from_slice(&answer.body) {
            Ok(body) => self.read(&body),
            Err(_) => Said::default(),
        }
    }

    /// Takes in an event of a stream.
    fn hear(self, data: &str, said: &mut Said) {
        if data == "[DONE]" {
            said.is_complete = true;
            return;
        }
        let event: Value = serde_json::from_str(data).expect("events are JSON");
        let text = match self {
            Caller::Chat => &event["choices"][0]["delta"]["content"],
            Caller::Messages => &event["delta"]["text"],
            Caller::Responses if event["type"] == "response.output_text.delta" => &event["delta"],
            Caller::Responses => &Value::Null,
        };
        said.text.push_str(text.as_str().unwrap_or_default());
        let kind = event["type"].as_str().unwrap_or_default();
        said.is_complete |= matches!(kind, "message_stop" | "response.completed");
        if event["error"].is_object() {
            said.error = Some(event["error"].clone());
        }
    }

    /// Reads a plain answer.
    fn read(self, body: &Value) -> Said {
        let (text, is_complete) = match self {
            Caller::Chat => (
                &body["choices"][0]["message"]["content"],
                body["choices"][0]["finish_reason"].is_string(),
            ),
            Caller::Messages => (&body["content"][0]["text"], body["stop_reason"].is_string()),
            Caller::Responses => (
                &body["output"][0]["content"][0]["text"],
                body["status"] == "completed",
            ),
        };
        Said {
            text: text.as_str().unwrap_or_default().to_owned(),
            is_complete,
            error: body.get("error").filter(|error| error.is_object()).cloned(),
        }
    }
}
