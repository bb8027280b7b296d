//! The built-in provider: a real HTTP listener inside the process, so that a demonstration takes
//! the same path as any provider, without a key and without a network.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a serde_json::Value gives null, not a panic"
)]

use std::{convert::Infallible, io, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Between two words of a streamed answer: fast enough for a test, slow enough to be seen.
const PAUSE: Duration = Duration::from_millis(20);
const CREATED: u64 = 1_700_000_000;

/// Serves until the process ends.
///
/// # Errors
/// Where the listener cannot be used.
pub async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models));
    axum::serve(TcpListener::from_std(listener)?, router).await
}

async fn models() -> Json<Value> {
    Json(
        json!({"object": "list", "data": [{"id": "demo", "object": "model", "created": CREATED, "owned_by": "demo"}]}),
    )
}

async fn chat(body: Bytes) -> Response {
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(&error.to_string()),
    };
    let Some(question) = last_user_text(&request) else {
        return refuse("`messages` must hold a message of role `user`.");
    };
    let answer = format!(
        "This is the gateway's built-in demo provider, and you said: \"{}\". Set OPENAI_API_KEY or \
         another provider's key and start again to talk to a real model.",
        question.chars().take(200).collect::<String>()
    );
    let usage = usage(&question, &answer);
    if request["stream"] == true {
        let with_usage = request["stream_options"]["include_usage"] == true;
        return stream_chat(&request["model"], &answer, with_usage.then_some(usage));
    }
    Json(json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": CREATED, "model": request["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer, "refusal": null},
                     "logprobs": null, "finish_reason": "stop"}],
        "usage": usage,
    }))
    .into_response()
}

async fn completions(Json(request): Json<Value>) -> Json<Value> {
    let prompt = request["prompt"].as_str().unwrap_or_default();
    let text = format!(
        " … said the demo provider after {} characters.",
        prompt.chars().count()
    );
    Json(json!({
        "id": "cmpl-demo", "object": "text_completion", "created": CREATED, "model": request["model"],
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": "stop"}],
        "usage": usage(prompt, &text),
    }))
}

/// Eight numbers made of the text's bytes: the same text, the same vector.
async fn embeddings(Json(request): Json<Value>) -> Response {
    let inputs: Vec<String> = match &request["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect(),
        _ => return refuse("`input` must be a string or a list of strings."),
    };
    let is_base64 = request["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text);
            let embedding = if is_base64 {
                base64(&vector).into()
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: usize = inputs.iter().map(|text| tokens(text)).sum();
    Json(
        json!({"object": "list", "data": data, "model": request["model"],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}),
    )
    .into_response()
}

fn vector(text: &str) -> [f32; 8] {
    let mut sums = [0_f32; 8];
    for (place, byte) in text.bytes().enumerate() {
        if let Some(sum) = sums.get_mut(place % 8) {
            *sum += f32::from(byte) - 96.0;
        }
    }
    let length = sums
        .iter()
        .map(|sum| sum * sum)
        .sum::<f32>()
        .sqrt()
        .max(1.0);
    sums.map(|sum| sum / length)
}

/// Little-endian floats in base64, as OpenAI sends them when asked to (RFC 4648, section 4).
fn base64(vector: &[f32]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4_u32 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let is_padding = usize::try_from(place).is_ok_and(|place| place > group.len());
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS.get(digit).copied().unwrap_or(b'A'))
            });
        }
    }
    text
}

fn stream_chat(model: &Value, answer: &str, usage: Option<Value>) -> Response {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": CREATED, "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        format!("data: {chunk}\n\n")
    };
    let mut frames = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    frames.extend(
        answer
            .split_inclusive(' ')
            .map(|word| chunk(json!({"content": word}), Value::Null)),
    );
    frames.push(chunk(json!({}), "stop".into()));
    if let Some(usage) = usage {
        let last = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": CREATED, "model": model,
            "choices": [], "usage": usage,
        });
        frames.push(format!("data: {last}\n\n"));
    }
    frames.push("data: [DONE]\n\n".to_owned());
    let paced = stream::iter(frames).then(|frame| async {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, Infallible>(frame)
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(paced),
    )
        .into_response()
}

fn last_user_text(request: &Value) -> Option<String> {
    let messages = request["messages"].as_array()?;
    let content = &messages.iter().rfind(|message| message["role"] == "user")?["content"];
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect(),
        ),
        _ => None,
    }
}

fn usage(question: &str, answer: &str) -> Value {
    let (input, output) = (tokens(question), tokens(answer));
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// One for each word: a demonstration has no tokenizer.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

fn refuse(message: &str) -> Response {
    let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_its_padding() {
        assert_eq!(base64(&[1.0]), "AACAPw==");
        assert_eq!(base64(&[1.0, -1.0]), "AACAPwAAgL8=");
        assert_eq!(base64(&[0.0, 0.0, 0.0]), "AAAAAAAAAAAAAAAA");
    }

    #[test]
    fn the_last_user_message_is_found_in_both_forms() {
        let request = json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]});
        assert_eq!(last_user_text(&request).as_deref(), Some("b"));
    }
}
