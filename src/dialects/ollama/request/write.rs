//! Writes a request for a server of Ollama's.

use serde_json::{Map, Value};

use super::{IS_GENERATE, messages::Writer, options, tools};
use crate::{
    chat::{
        fields::unfold,
        json,
        part::{Content, MediaKind, Source},
        request::{ChatRequest, Format, Message, Reasoning, Role, Schema},
        target::{Quirks, Target},
    },
    dialects::{
        Dropped, Written,
        ollama::{NAME, add_missing},
    },
    error::GatewayError,
};

/// See [`crate::dialects::Dialect::write_request`].
pub(in crate::dialects::ollama) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let mut extra = request.extra.take(NAME);
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    let is_generate = extra.shift_remove(IS_GENERATE).is_some();
    let mut dropped = if is_generate && is_one_turn(&request.messages) {
        put_prompt(std::mem::take(&mut request.messages), &mut body);
        Dropped::default()
    } else {
        put_messages(
            std::mem::take(&mut request.messages),
            target.quirks,
            &mut body,
        )
    };
    let tools = tools::write(&mut request, &mut dropped);
    if !tools.is_empty() {
        body.insert("tools".into(), tools.into());
    }
    let format = request.format.take();
    if let Some(format) = format.and_then(|format| format_of(format, &mut dropped)) {
        body.insert("format".into(), format);
    }
    let think = extra.shift_remove("think");
    if let Some(think) = think.or_else(|| think_of(request.reasoning.take(), &mut dropped)) {
        body.insert("think".into(), think);
    }
    // The default is a stream.
    body.insert("stream".into(), request.stream.into());
    if let Some(flag) = request.logprobs {
        body.insert("logprobs".into(), flag.into());
    }
    if let Some(count) = request.top_logprobs {
        body.insert("top_logprobs".into(), count.into());
    }
    let left = unfold(&mut extra, "options");
    let sampling = std::mem::take(&mut request.sampling);
    let options = options::write(sampling, request.max_tokens, left, &mut dropped);
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
    report_the_rest(&request, &mut dropped);
    add_missing(&mut body, extra);
    drop_refused(&mut body, target.quirks, &mut dropped);
    Ok(Written {
        body: json::print(&body),
        dropped,
        json_tool: None,
    })
}

fn put_messages(messages: Vec<Message>, quirks: &Quirks, body: &mut Map<String, Value>) -> Dropped {
    let mut writer = Writer::new(quirks);
    for message in messages {
        writer.write(message);
    }
    body.insert("messages".into(), writer.messages.into());
    writer.dropped
}

/// Whether the messages still have the shape that `/api/generate` gave them.
fn is_one_turn(messages: &[Message]) -> bool {
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    matches!(
        &*roles,
        [] | [Role::System | Role::User] | [Role::System, Role::User]
    )
}

fn put_prompt(messages: Vec<Message>, body: &mut Map<String, Value>) {
    for message in messages {
        let mut images = Vec::new();
        for part in message.parts {
            match part.content {
                Content::Text(text) if message.role == Role::System => {
                    body.insert("system".into(), text.text.into());
                }
                Content::Text(text) => {
                    body.insert("prompt".into(), text.text.into());
                }
                Content::Media(media) if media.kind == MediaKind::Image => {
                    if let Source::Base64 { data, .. } = media.source {
                        images.push(Value::String(data));
                    }
                }
                _ => {}
            }
        }
        if !images.is_empty() {
            body.insert("images".into(), images.into());
        }
    }
}

fn format_of(format: Format, dropped: &mut Dropped) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some("json".into()),
        Format::Schema(schema) if schema.schema.is_object() => Some(described(schema)),
        // A schema may be `true`, but Ollama takes objects only.
        Format::Schema(_) => {
            dropped.add("response_format");
            Some("json".into())
        }
    }
}

/// The schema, with what it is for inside it. It is followed to the letter in any case.
fn described(schema: Schema) -> Value {
    let mut value = schema.schema;
    if let (Some(fields), Some(text)) = (value.as_object_mut(), schema.description) {
        fields.entry("description").or_insert(text.into());
    }
    value
}

/// Thinking by level or by switch. Models that know no levels take any level for 'on'.
fn think_of(reasoning: Option<Reasoning>, dropped: &mut Dropped) -> Option<Value> {
    let reasoning = reasoning?;
    dropped.unless_none("reasoning.summary", &reasoning.summary);
    if reasoning.include == Some(false) {
        dropped.add("reasoning.include");
    }
    if reasoning.is_on() == Some(false) {
        return Some(false.into());
    }
    let level = match reasoning.effort_or_budget() {
        Some("none") => return Some(false.into()),
        Some("minimal") => "low",
        Some("xhigh") => "max",
        Some(level) => level,
        None => return reasoning.is_on().map(Value::Bool),
    };
    Some(level.into())
}

fn report_the_rest(request: &ChatRequest, dropped: &mut Dropped) {
    if request.parallel_tool_calls == Some(false) {
        dropped.add("parallel_tool_calls");
    }
    if request.n.is_some_and(|n| n > 1) {
        dropped.add("n");
    }
    if request.store == Some(true) {
        dropped.add("store");
    }
    let others = |wanted: &Vec<String>| wanted.iter().any(|kind| kind != "text");
    if request.modalities.as_ref().is_some_and(others) {
        dropped.add("modalities");
    }
    dropped.unless_none("service_tier", &request.service_tier);
    dropped.unless_none("user", &request.user);
    dropped.unless_none("metadata", &request.metadata);
    dropped.unless_none("verbosity", &request.verbosity);
    dropped.unless_none("prompt_cache_key", &request.prompt_cache_key);
    dropped.unless_none("previous_response_id", &request.previous);
}

/// Leaves out what this server refuses, wherever it stands.
fn drop_refused(body: &mut Map<String, Value>, quirks: &Quirks, dropped: &mut Dropped) {
    for name in &quirks.unsupported {
        let options = body.get_mut("options").and_then(Value::as_object_mut);
        let inside = options.and_then(|options| options.shift_remove(name));
        if body.shift_remove(name).or(inside).is_some() {
            dropped.add(name);
        }
    }
}
