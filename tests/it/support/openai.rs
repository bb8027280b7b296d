//! Chat bodies of an exact size, and the answers of an OpenAI provider.

use bytes::Bytes;
use serde_json::json;

/// A chat body of exactly `size` bytes. The content varies, so that a lost or repeated piece
/// shows.
pub fn chat_of_size(model: &str, size: usize) -> Bytes {
    let start = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":""#);
    let end = r#""}],"temperature":0.5}"#;
    let room = size
        .checked_sub(start.len() + end.len())
        .expect("room for the fixed parts");
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(start.as_bytes());
    let mut line = 0_u32;
    while body.len() < start.len() + room {
        let text = format!("{line:08x} ");
        let left = start.len() + room - body.len();
        body.extend_from_slice(&text.as_bytes()[..text.len().min(left)]);
        line += 1;
    }
    body.extend_from_slice(end.as_bytes());
    Bytes::from(body)
}

/// A short chat body.
pub fn chat(model: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}"#
    ))
}

/// A short chat body that asks for a stream, and for its usage: the gateway asks for that otherwise.
pub fn streamed(model: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"model":"{model}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"hello"}}]}}"#
    ))
}

/// A chat of more than 64 KiB that asks for a stream.
pub fn long_streamed(model: &str) -> Bytes {
    let body = chat_of_size(model, 100 << 10);
    Bytes::from(
        [
            br#"{"stream":true,"stream_options":{"include_usage":true},"#,
            &body[1..],
        ]
        .concat(),
    )
}

/// The body with its model spliced, as the provider should see it.
pub fn with_model(body: &[u8], from: &str, to: &str) -> Bytes {
    let from = format!(r#""model":"{from}""#);
    let at = memchr::memmem::find(body, from.as_bytes()).expect("the model is there");
    let mut spliced = body[..at].to_vec();
    spliced.extend_from_slice(format!(r#""model":"{to}""#).as_bytes());
    spliced.extend_from_slice(&body[at + from.len()..]);
    Bytes::from(spliced)
}

/// A provider's plain answer.
pub fn completion(text: &str) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    })
    .to_string()
}

/// A provider's error.
pub fn error(message: &str) -> String {
    json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}})
        .to_string()
}

/// One frame of a stream.
pub fn frame(text: &str) -> Bytes {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    });
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// The frame that ends a stream.
pub fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// `count` frames and the end.
pub fn frames(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| frame(&format!("word {number} ")))
        .chain([done()])
        .collect()
}
