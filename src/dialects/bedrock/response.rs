//! Whole answers. Source: Bedrock's API reference, "Converse" (Response Syntax).

use serde_json::{Map, Value, json};

use super::{NAME, add_rest, block, error, finish, usage, write::BlockWriter};
use crate::{
    chat::{
        fields::Fields,
        response::{ChatResponse, Choice, Finish, FinishReason},
        usage::Tier,
    },
    error::AnswerError,
};

/// See `Dialect::read_response`.
pub(super) fn read(body: &[u8]) -> Result<ChatResponse, AnswerError> {
    let Ok(value @ Value::Object(_)) = serde_json::from_slice(body) else {
        return Err(AnswerError::garbage("The provider's answer is not JSON."));
    };
    let mut fields = Fields::lenient(value);
    let Some(mut output) = fields.lenient_object("output") else {
        return Err(error::in_answer(body));
    };
    let mut message = output.lenient_object("message").unwrap_or_default();
    message.take("role");
    let content = message.lenient_list("content").unwrap_or_default();
    let mut choice = Choice {
        parts: block::read_list(content),
        ..Choice::default()
    };
    let told = fields.take("additionalModelResponseFields");
    if let Some(word) = fields.lenient_text("stopReason") {
        choice.finish = Some(finish::read(word, told.as_ref()));
    }
    if let Some(told) = told {
        let name = "additionalModelResponseFields";
        choice.extra.insert(NAME, name, told);
    }
    if !message.is_empty() {
        let rest = Value::Object(message.into_map());
        choice.extra.insert(NAME, "message", rest);
    }
    if !output.is_empty() {
        fields.put("output", Value::Object(output.into_map()));
    }
    let mut response = ChatResponse {
        choices: vec![choice],
        service_tier: take_tier(&mut fields),
        ..ChatResponse::default()
    };
    if let Some(counts) = fields.take("usage") {
        let (mut usage, extra) = usage::read(counts);
        usage.tier = response.service_tier.as_deref().and_then(Tier::read);
        (response.usage, response.usage_extra) = (Some(usage), extra);
    }
    response.extra = fields.rest(NAME);
    Ok(response)
}

/// Takes `serviceTier: {type}`, where it says nothing else.
pub(super) fn take_tier(fields: &mut Fields) -> Option<String> {
    let mut tier = fields.lenient_object("serviceTier")?;
    match tier.lenient_text("type") {
        Some(kind) if tier.is_empty() => Some(kind),
        kind => {
            if let Some(kind) = kind {
                tier.put("type", kind.into());
            }
            fields.put("serviceTier", Value::Object(tier.into_map()));
            None
        }
    }
}

/// See `Dialect::write_response`. Converse has one answer; a caller of it cannot ask for more.
pub(super) fn write(response: ChatResponse) -> Vec<u8> {
    let choice = response.choices.into_iter().next().unwrap_or_default();
    let has_tool_calls = choice.has_tool_calls();
    let mut extra = choice.extra;
    let mut told = extra.take(NAME);
    let content = BlockWriter::default().list(choice.parts, true);
    let mut message = Map::from_iter([
        ("role".to_owned(), Value::from("assistant")),
        ("content".to_owned(), content.into()),
    ]);
    if let Some(Value::Object(rest)) = told.shift_remove("message") {
        add_rest(&mut message, rest);
    }
    let finish = choice
        .finish
        .unwrap_or_else(|| Finish::new(FinishReason::Stop));
    let mut extra = response.extra;
    let mut rest = extra.take(NAME);
    let mut output = Map::from_iter([("message".to_owned(), Value::Object(message))]);
    if let Some(Value::Object(more)) = rest.shift_remove("output") {
        add_rest(&mut output, more);
    }
    let mut fields = Map::new();
    fields.insert("output".into(), output.into());
    let word = finish::write(&finish, has_tool_calls);
    fields.insert("stopReason".into(), word.into());
    add_rest(&mut fields, told);
    if let Some(told) = finish::told(&finish, false) {
        add_rest(&mut fields, told);
    }
    let usage = usage::write(response.usage.unwrap_or_default(), response.usage_extra);
    fields.insert("usage".into(), usage);
    add_metadata(&mut fields, rest, response.service_tier);
    serde_json::to_vec(&fields).unwrap_or_default()
}

/// Adds what else stands beside the usage, in whole answers and at the end of streams.
pub(super) fn add_metadata(
    fields: &mut Map<String, Value>,
    rest: Map<String, Value>,
    service_tier: Option<String>,
) {
    let tier = service_tier.as_deref().and_then(tier);
    add_rest(fields, rest);
    if let Some(tier) = tier {
        fields
            .entry("serviceTier")
            .or_insert_with(|| json!({ "type": tier }));
    }
    // SDKs take it for granted; how long another provider took is not known here.
    fields
        .entry("metrics")
        .or_insert_with(|| json!({"latencyMs": 0}));
}

/// A tier in Bedrock's words; `None` for one that it has no word for.
pub(super) fn tier(tier: &str) -> Option<&str> {
    match tier {
        "priority" | "default" | "flex" | "reserved" => Some(tier),
        "standard" | "standard_only" => Some("default"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::part::Content;

    fn round(body: &Value) -> Value {
        let response = read(body.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&write(response)).unwrap()
    }

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let body = json!({
            "metrics": {"latencyMs": 2714},
            "output": {"message": {"role": "assistant", "new": 1, "content": [
                {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
                {"text": "Calling."},
                {"toolUse": {"input": {"q": 1.0}, "name": "f", "toolUseId": "tooluse_1", "type": "tool_use"}},
            ]}},
            "stopReason": "tool_use",
            "additionalModelResponseFields": {"stop_sequence": null},
            "trace": {"guardrail": {}},
            "serviceTier": {"type": "flex"},
            "performanceConfig": {"latency": "standard"},
            "usage": {"inputTokens": 914, "outputTokens": 169, "serverToolUsage": {}, "totalTokens": 1083},
        });
        assert_eq!(round(&body), body);
    }

    #[test]
    fn what_the_provider_ran_itself_is_no_call_of_the_callers() {
        let body = json!({
            "output": {"message": {"role": "assistant", "content": [
                {"toolUse": {"input": {}, "name": "nova_grounding", "toolUseId": "a", "type": "server_tool_use"}},
                {"toolResult": {"content": [], "toolUseId": "a", "type": "nova_grounding_result"}},
            ]}},
            "stopReason": "end_turn", "metrics": {"latencyMs": 1},
            "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
        });
        let response = read(body.to_string().as_bytes()).unwrap();
        let parts = &response.choices[0].parts;
        assert!(
            parts
                .iter()
                .all(|part| matches!(part.content, Content::Native(_)))
        );
        assert_eq!(round(&body), body);
    }

    #[test]
    fn an_error_in_place_of_an_answer_is_one() {
        let error = read(br#"{"message":"no","__type":"ThrottlingException"}"#).unwrap_err();
        assert_eq!((error.message.as_str(), error.is_garbage), ("no", false));
        assert!(read(b"{}").unwrap_err().is_garbage);
        assert!(read(b"<html>").unwrap_err().is_garbage);
    }
}
