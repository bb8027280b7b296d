//! Writes a request for a provider.

use serde_json::{Map, Value};

use super::{input, models, read, settings};
use crate::{
    chat::{
        id::{self, IdRule},
        json,
        request::{ChatRequest, Format, Function, Message, Schema, Tool, ToolChoice},
        target::{JsonSchema, Target},
    },
    dialects::{
        Dropped, Written, openai_chat,
        openai_responses::{
            NAME,
            marks::{ADDITIONAL, FORM, STRING},
            part::Writing,
            tools,
        },
    },
    error::GatewayError,
};

/// OpenAI refuses a smaller `max_output_tokens`.
const LEAST_TOKENS: u64 = 16;

/// See [`crate::dialects::Dialect::write_request`].
pub(in crate::dialects::openai_responses) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let form = read::form_of(&request.extra);
    let mut writing = Writing {
        is_own: form.is_some(),
        quirks: target.quirks,
        dropped: Dropped::default(),
    };
    let form = form.unwrap_or_default();
    report_unknown(&request, &mut writing.dropped);
    let json_tool = force_schema(&mut request, &writing);
    let wants_encrypted =
        !writing.is_own && request.store != Some(true) && thinks(&request, target);
    let mut rest = request.extra.take(NAME);
    rest.shift_remove(FORM);
    let mut body = Body::default();
    // A stored prompt names one.
    body.set(
        "model",
        Some(target.model).filter(|model| !model.is_empty()),
    );
    write_conversation(&mut request, &form, &mut body, &mut writing);
    let choice = request.tool_choice.take();
    let choice = choice.and_then(|choice| tools::write_choice(choice, &request.tools));
    // Those of items are where they were.
    let additional = form.get(ADDITIONAL).and_then(Value::as_u64).unwrap_or(0);
    let tools = request.tools.drain(..).skip(additional as usize).collect();
    let tools = tools::write(tools, &mut writing);
    body.set("tools", (!tools.is_empty()).then_some(tools));
    body.set("tool_choice", choice);
    body.set("parallel_tool_calls", request.parallel_tool_calls);
    body.set(
        "text",
        settings::write_text(
            request.format.take(),
            request.verbosity.take(),
            rest.shift_remove("text"),
        ),
    );
    let reasoning = request.reasoning.take();
    let said = rest.shift_remove("reasoning");
    body.set(
        "reasoning",
        settings::write_reasoning(reasoning, said, target.model, &mut writing),
    );
    let draws = openai_chat::models::draws(target.model, body.effort());
    if !draws.samples && request.logprobs.take() == Some(true) {
        writing.dropped.add("logprobs");
    }
    let said = rest.shift_remove("include");
    let include = settings::write_include(said, request.logprobs, wants_encrypted);
    body.set("include", include);
    request.max_tokens =
        openai_chat::models::clamp(request.max_tokens, target.model, &mut writing.dropped);
    write_plain(request, &form, &mut body, &mut writing);
    openai_chat::models::withhold(&mut body.0, draws, &mut writing.dropped);
    for (name, value) in rest {
        body.0.entry(name).or_insert(value);
    }
    let body = body.for_server(&mut writing);
    Ok(Written {
        body: json::print(&body),
        dropped: writing.dropped,
        json_tool,
    })
}

/// The body so far.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn effort(&self) -> Option<&str> {
        self.0.get("reasoning")?.get("effort")?.as_str()
    }

    /// Leaves out and renames what this server wants so.
    fn for_server(mut self, writing: &mut Writing<'_>) -> Map<String, Value> {
        for name in &writing.quirks.unsupported {
            if self.0.shift_remove(name).is_some() {
                writing.dropped.add(name);
            }
        }
        for (name, there) in &writing.quirks.renames {
            if let Some(value) = self.0.shift_remove(name) {
                self.0.insert(there.clone(), value);
            }
        }
        self.0
    }
}

/// What this dialect has no word for.
fn report_unknown(request: &ChatRequest, dropped: &mut Dropped) {
    let sampling = &request.sampling;
    dropped.unless_none("top_k", &sampling.top_k);
    dropped.unless_none("min_p", &sampling.min_p);
    dropped.unless_none("frequency_penalty", &sampling.frequency_penalty);
    dropped.unless_none("presence_penalty", &sampling.presence_penalty);
    dropped.unless_none("repetition_penalty", &sampling.repetition_penalty);
    dropped.unless_none("seed", &sampling.seed);
    dropped.unless_none("logit_bias", &sampling.logit_bias);
    dropped.unless_none("stop", &sampling.stop);
    if request.n.is_some_and(|n| n > 1) {
        dropped.add("n");
    }
    let is_more_than_text = |wanted: &Vec<String>| wanted.iter().any(|name| name != "text");
    if request.modalities.as_ref().is_some_and(is_more_than_text) {
        dropped.add("modalities");
    }
}

fn write_conversation(
    request: &mut ChatRequest,
    form: &Map<String, Value>,
    body: &mut Body,
    writing: &mut Writing<'_>,
) {
    let is_kept = request.store == Some(true) || request.previous.is_some();
    let messages = std::mem::take(&mut request.messages);
    let text = whole_input(&messages, form);
    let (instructions, items) = input::write(messages, is_kept, writing);
    body.set("instructions", instructions);
    match text {
        Some(text) => body.set("input", Some(text)),
        // With a stored prompt or an earlier answer there may be none.
        None if items.is_empty() && writing.is_own => {}
        None => body.set("input", Some(items)),
    }
}

/// The input that was one text, where it still is.
fn whole_input(messages: &[Message], form: &Map<String, Value>) -> Option<String> {
    if form.get("input").and_then(Value::as_str) != Some(STRING) {
        return None;
    }
    let [only] = messages.last()?.parts.as_slice() else {
        return None;
    };
    only.as_text().map(str::to_owned)
}

/// The members that are plain values.
fn write_plain(
    request: ChatRequest,
    form: &Map<String, Value>,
    body: &mut Body,
    writing: &mut Writing<'_>,
) {
    let least = request.max_tokens.map(|most| most.max(LEAST_TOKENS));
    let max_tokens = if writing.is_own {
        request.max_tokens
    } else {
        if least != request.max_tokens {
            writing.dropped.add("max_tokens");
        }
        least
    };
    // Other dialects' callers cannot ask for an answer that is kept, so none is kept unsaid.
    let store = request.store.or((!writing.is_own).then_some(false));
    let user = form.get("user").and_then(Value::as_str).unwrap_or("user");
    let (mut who, mut tier) = (request.user, request.service_tier);
    if !writing.is_own {
        who = who.map(short_user);
        tier = tier.and_then(|tier| known_tier(tier, &mut writing.dropped));
    }
    body.set("max_output_tokens", max_tokens);
    body.set(
        "temperature",
        request.sampling.temperature.map(Value::Number),
    );
    body.set("top_p", request.sampling.top_p.map(Value::Number));
    body.set("top_logprobs", request.top_logprobs);
    let stream = request.stream.then_some(true);
    body.set("stream", stream.or(form.get("stream").map(|_| false)));
    body.set("store", store);
    body.set("service_tier", tier);
    body.set(user, who);
    body.set("metadata", request.metadata.map(Value::Object));
    body.set("prompt_cache_key", request.prompt_cache_key);
    body.set("previous_response_id", request.previous);
}

/// A user's id that is longer than the 64 characters which OpenAI takes is stood for by another.
fn short_user(user: String) -> String {
    if user.len() <= 64 {
        return user;
    }
    let short = id::fit(&user, IdRule::Word);
    format!("user_{}", short.trim_start_matches("call_"))
}

fn known_tier(tier: String, dropped: &mut Dropped) -> Option<String> {
    match tier.as_str() {
        "auto" | "default" | "flex" | "priority" | "scale" => Some(tier),
        "standard_only" | "standard" => Some("default".to_owned()),
        _ => {
            dropped.add("service_tier");
            None
        }
    }
}

/// Whether the model is one that thinks: OpenAI refuses to send others' thoughts encrypted.
fn thinks(request: &ChatRequest, target: &Target<'_>) -> bool {
    let asked = request.reasoning.as_ref().and_then(|asked| asked.is_on());
    asked.unwrap_or_else(|| models::is_reasoning(target.model))
}

/// Where the server knows no JSON Schema for answers, a tool takes its place.
fn force_schema(request: &mut ChatRequest, writing: &Writing<'_>) -> Option<String> {
    if writing.quirks.json_schema != JsonSchema::ForcedTool {
        return None;
    }
    let Some(Format::Schema(Schema {
        name,
        description,
        schema,
        strict,
    })) = request
        .format
        .take_if(|format| matches!(format, Format::Schema(_)))
    else {
        return None;
    };
    let choice = request.tool_choice.take();
    if choice.as_ref().is_some_and(ToolChoice::is_forced) && !request.tools.is_empty() {
        // An answer that has to be a call has no text to be formed.
        request.tool_choice = choice;
        return None;
    }
    let mut name = name.unwrap_or_else(|| "answer".to_owned());
    while tools::has(&request.tools, &name) {
        name.push('_');
    }
    request.tool_choice = Some(match choice {
        Some(ToolChoice::None) => ToolChoice::Tool(name.clone()),
        Some(ToolChoice::Allowed { mut names, .. }) => {
            names.push(name.clone());
            ToolChoice::Allowed {
                names,
                required: true,
            }
        }
        _ if request.tools.is_empty() => ToolChoice::Tool(name.clone()),
        _ => ToolChoice::Required,
    });
    request.tools.push(Tool::Function(Function {
        name: name.clone(),
        description,
        parameters: Some(schema),
        strict,
        ..Function::default()
    }));
    Some(name)
}
