//! Writes a request for a model on Bedrock.

use serde_json::{Map, Value, json};

use super::{
    messages,
    reasoning::{self, Setting},
    sampling, tools,
};
use crate::{
    chat::{
        json,
        request::{ChatRequest, Format, Reasoning},
        target::{JsonSchema, Quirks, Target},
    },
    dialects::{
        Dropped, Written,
        anthropic::{self, model::Limits},
        bedrock::{NAME, add_rest, model::Family, response, write::BlockWriter},
    },
};

/// See `Dialect::write_request`.
pub(in crate::dialects::bedrock) fn write(request: ChatRequest, target: &Target<'_>) -> Written {
    let (body, written) = body(request, target);
    Written {
        body: json::print(&body),
        ..written
    }
}

/// Only what makes up the prompt is counted.
pub(in crate::dialects::bedrock) fn write_count(
    request: ChatRequest,
    target: &Target<'_>,
) -> Written {
    let (mut body, written) = body(request, target);
    body.retain(|name, _| {
        matches!(
            name.as_str(),
            "messages" | "system" | "toolConfig" | "additionalModelRequestFields"
        )
    });
    let body = json!({"input": {"converse": body}});
    Written {
        body: json::print(&body),
        ..written
    }
}

fn body(mut request: ChatRequest, target: &Target<'_>) -> (Map<String, Value>, Written) {
    let family = Family::of(target.model);
    let quirks = target.quirks;
    let mut writer = BlockWriter::for_model(family);
    writer.own(is_own(&request, target));
    sampling::drop_unknown(&request, &mut writer.dropped);
    drop_refused(&mut request, quirks, &mut writer.dropped);
    let messages = std::mem::take(&mut request.messages);
    let conversation = messages::write(messages, &mut writer);
    let has_tool_blocks = conversation.has_tool_blocks;
    let by_tool =
        quirks.json_schema == JsonSchema::ForcedTool || !writer.takes(Family::enforces_schemas);
    let plan = tools::write(&mut request, has_tool_blocks, by_tool, &mut writer);
    let mut dropped = std::mem::take(&mut writer.dropped);
    let mut rest = request.extra.take(NAME);

    let mut more = Map::new();
    let mut limits = anthropic::model::limits(target.model);
    limits.usual = quirks.default_max_tokens.unwrap_or(limits.usual);
    // It is there on every request that came in this dialect.
    let is_own = rest.contains_key("additionalModelResponseFieldPaths");
    if matches!(family, Family::Claude(..)) {
        limit(&mut request, limits, is_own, &mut dropped);
    }
    let setting = Setting {
        family,
        is_forced: plan.is_forced,
        lacks_thoughts: conversation.lacks_thoughts,
        limits,
    };
    reasoning::write(&mut request, setting, &mut more, &mut dropped);
    let config = sampling::write(
        &mut request,
        (family, writer.is_own),
        &mut more,
        &mut dropped,
    );
    let has_stop = config.get("stopSequences").is_some();
    if let Some(choice) = plan.claude_choice {
        more.insert("tool_choice".into(), choice);
    }

    let mut body = Map::new();
    // A prompt that Bedrock keeps needs none.
    if !conversation.messages.is_empty() {
        body.insert("messages".into(), conversation.messages.into());
    }
    if !conversation.system.is_empty() {
        body.insert("system".into(), conversation.system.into());
    }
    let mut put = |name: &str, value: Map<String, Value>| {
        let own = Value::Object(value);
        let own = joined(own, rest.shift_remove(name));
        if own.as_object().is_none_or(|own| !own.is_empty()) {
            body.insert(name.to_owned(), own);
        }
    };
    put("inferenceConfig", config);
    put("toolConfig", as_map(plan.config));
    put("additionalModelRequestFields", more);
    let format = plan
        .text_format
        .map(|format| json!({ "textFormat": format }));
    put("outputConfig", as_map(format));
    put("requestMetadata", metadata(&mut request, &mut dropped));
    if let Some(tier) = request.service_tier.take().filter(|tier| tier != "auto") {
        match response::tier(&tier) {
            Some(tier) => drop(body.insert("serviceTier".into(), json!({ "type": tier }))),
            None => dropped.add("service_tier"),
        }
    }
    // Which stop sequence it was is told on demand alone.
    if has_stop && !is_own && matches!(family, Family::Claude(..)) {
        let path = match request.stream {
            true => "/delta/stop_sequence",
            false => "/stop_sequence",
        };
        body.insert("additionalModelResponseFieldPaths".into(), json!([path]));
    }
    add_rest(&mut body, rest);
    let written = Written {
        dropped,
        json_tool: plan.json_tool,
        ..Written::default()
    };
    (body, written)
}

/// Whether a client of Converse asks for this very model. The reader marks what came in its words.
fn is_own(request: &ChatRequest, target: &Target<'_>) -> bool {
    let mark = "additionalModelResponseFieldPaths";
    request.model == target.model && request.extra.get(NAME, mark).is_some()
}

/// An answer no longer than Claude gives, and as long as it should be where nobody said: Converse stops
/// after 4,096 tokens then.
fn limit(request: &mut ChatRequest, limits: Limits, is_own: bool, dropped: &mut Dropped) {
    let most = limits.most.unwrap_or(u64::MAX);
    match request.max_tokens {
        Some(asked) if asked > most => {
            dropped.add("max_tokens");
            request.max_tokens = Some(most);
        }
        None if !is_own => {
            let thoughts = request.reasoning.as_ref();
            let budget = thoughts.and_then(Reasoning::budget_or_effort).unwrap_or(0);
            request.max_tokens = Some(limits.usual.saturating_add(budget).min(most));
        }
        _ => {}
    }
}

fn as_map(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Our members and those that only Bedrock knows, one level down as well (`output_config`).
fn joined(own: Value, rest: Option<Value>) -> Value {
    match (own, rest) {
        (Value::Object(mut own), Some(Value::Object(rest))) => {
            for (name, value) in rest {
                let known = own.shift_remove(&name);
                let value = match known {
                    Some(known) => joined(known, Some(value)),
                    None => value,
                };
                own.insert(name, value);
            }
            Value::Object(own)
        }
        (Value::Object(own), Some(rest)) if own.is_empty() => rest,
        (own, _) => own,
    }
}

/// What this provider refuses.
fn drop_refused(request: &mut ChatRequest, quirks: &Quirks, dropped: &mut Dropped) {
    fn refuse<T>(name: &str, value: &mut Option<T>, quirks: &Quirks, dropped: &mut Dropped) {
        if quirks.refuses(name) {
            dropped.unless_none(name, &value.take());
        }
    }
    let sampling = &mut request.sampling;
    refuse("temperature", &mut sampling.temperature, quirks, dropped);
    refuse("top_p", &mut sampling.top_p, quirks, dropped);
    refuse("top_k", &mut sampling.top_k, quirks, dropped);
    refuse("stop", &mut sampling.stop, quirks, dropped);
    refuse("max_tokens", &mut request.max_tokens, quirks, dropped);
    refuse("tool_choice", &mut request.tool_choice, quirks, dropped);
    refuse("reasoning_effort", &mut request.reasoning, quirks, dropped);
    refuse("metadata", &mut request.metadata, quirks, dropped);
    refuse("service_tier", &mut request.service_tier, quirks, dropped);
    let calls = &mut request.parallel_tool_calls;
    refuse("parallel_tool_calls", calls, quirks, dropped);
    if quirks.refuses("response_format") && request.format != Some(Format::Text) {
        dropped.unless_none("response_format", &request.format.take());
    }
}

/// `requestMetadata`: up to sixteen short texts of letters, digits and a few signs.
fn metadata(request: &mut ChatRequest, dropped: &mut Dropped) -> Map<String, Value> {
    let is_fit = |text: &str| {
        text.chars().count() <= 256
            && text.chars().all(|letter| {
                letter.is_ascii_alphanumeric()
                    || letter.is_whitespace()
                    || ":_@$#=/+,-.".contains(letter)
            })
    };
    let mut fit = Map::new();
    for (name, value) in request.metadata.take().unwrap_or_default() {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match !name.is_empty() && is_fit(&name) && is_fit(&value) && fit.len() < 16 {
            true => drop(fit.insert(name, value.into())),
            false => dropped.add("metadata"),
        }
    }
    fit
}
