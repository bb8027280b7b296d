//! Writes a request for Cohere.

use serde_json::{Map, Value};

use super::{messages::Writer, sampling, tools};
use crate::{
    chat::{
        fields::unfold,
        json,
        request::{ChatRequest, Format, Reasoning, Schema},
        target::{Quirks, Target},
    },
    dialects::{
        Dropped, Written,
        cohere::{NAME, add_missing},
    },
    error::GatewayError,
};

/// See [`crate::dialects::Dialect::write_request`].
pub(in crate::dialects::cohere) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let mut extra = request.extra.take(NAME);
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    let mut writer = Writer::new(target.quirks);
    for message in std::mem::take(&mut request.messages) {
        writer.write(message);
    }
    let mut dropped = writer.dropped;
    body.insert("messages".into(), writer.messages.into());
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    tools::write(&mut request, &mut body, &mut dropped);
    let left = unfold(&mut extra, "response_format");
    if let Some(format) = request.format.take() {
        body.insert("response_format".into(), write_format(format, left));
    }
    let left = unfold(&mut extra, "thinking");
    if let Some(thinking) = request.reasoning.take() {
        put_thinking(thinking, left, &mut body, &mut dropped);
    }
    if let Some(limit) = request.max_tokens {
        body.insert("max_tokens".into(), limit.into());
    }
    sampling::write(
        std::mem::take(&mut request.sampling),
        &mut body,
        &mut dropped,
    );
    if let Some(flag) = request.logprobs {
        body.insert("logprobs".into(), flag.into());
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

fn write_format(format: Format, mut left: Map<String, Value>) -> Value {
    let is_old = left.shift_remove("schema").is_some();
    let mut fields = Map::new();
    let kind = match &format {
        Format::Text => "text",
        Format::Json | Format::Schema(_) => "json_object",
    };
    fields.insert("type".into(), kind.into());
    if let Format::Schema(schema) = format {
        let name = if is_old { "schema" } else { "json_schema" };
        fields.insert(name.to_owned(), described(schema));
    }
    add_missing(&mut fields, left);
    Value::Object(fields)
}

/// The schema, with what it is for inside it. It is followed to the letter in any case.
fn described(schema: Schema) -> Value {
    let mut value = schema.schema;
    if let (Some(fields), Some(text)) = (value.as_object_mut(), schema.description) {
        fields.entry("description").or_insert(text.into());
    }
    value
}

fn put_thinking(
    reasoning: Reasoning,
    left: Map<String, Value>,
    body: &mut Map<String, Value>,
    dropped: &mut Dropped,
) {
    dropped.unless_none("reasoning.summary", &reasoning.summary);
    if reasoning.include == Some(false) {
        dropped.add("reasoning.include");
    }
    let mut fields = Map::new();
    match reasoning.is_on() {
        Some(false) => {
            fields.insert("type".into(), "disabled".into());
        }
        Some(true) => {
            fields.insert("type".into(), "enabled".into());
        }
        None => {}
    }
    let budget = reasoning.budget_or_effort().filter(|budget| *budget > 0);
    if let Some(budget) = budget.filter(|_| !reasoning.dynamic) {
        fields.insert("token_budget".into(), budget.into());
    }
    add_missing(&mut fields, left);
    if !fields.is_empty() {
        body.insert("thinking".into(), fields.into());
    }
}

fn report_the_rest(request: &ChatRequest, dropped: &mut Dropped) {
    if request.parallel_tool_calls == Some(false) {
        dropped.add("parallel_tool_calls");
    }
    if request.n.is_some_and(|n| n > 1) {
        dropped.add("n");
    }
    if request.top_logprobs.is_some_and(|count| count > 0) {
        dropped.add("top_logprobs");
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

/// Leaves out what this server refuses.
fn drop_refused(body: &mut Map<String, Value>, quirks: &Quirks, dropped: &mut Dropped) {
    for name in &quirks.unsupported {
        if body.shift_remove(name).is_some() {
            dropped.add(name);
        }
    }
}
