//! Writes a request for a provider that speaks Anthropic Messages.
//! Source: Anthropic's API reference, "Messages"; what refuses what: its error messages, and
//! "Extended thinking", "Feature compatibility".

use serde_json::{Map, Number, Value, json};

use super::{
    super::{
        NAME,
        content::{BlockWriter, Receiver},
        model::Model,
        put_rest,
    },
    conversation::Conversation,
    read::leaves_thinking_open,
    thinking::Plan,
    tools::Toolbox,
};
use crate::{
    chat::{
        extra::Extra,
        json,
        request::{ChatRequest, Sampling},
        target::{Operation, ReasoningRequest, Target},
    },
    dialects::{Dropped, Written},
    error::GatewayError,
};

/// See [`super::super::super::Dialect::write_request`].
pub(in super::super) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let (model, quirks) = (Model::named(target.model), target.quirks);
    let is_counted = target.operation == Operation::CountTokens;
    if is_counted {
        request = prompt_alone(request);
    }
    let mut dropped = Dropped::default();
    let mut conversation = {
        let mut blocks = BlockWriter {
            receiver: Receiver::Provider {
                unsigned_thoughts: !model.is_claude(),
            },
            dropped: &mut dropped,
        };
        let late_system = quirks.late_system && model.takes_late_system();
        let messages = std::mem::take(&mut request.messages);
        Conversation::write(messages, late_system, &mut blocks)
    };
    let own_thinking = match leaves_thinking_open(&request.extra) {
        true => Some(Value::Null),
        false => request.extra.get(NAME, "thinking").cloned(),
    };
    let mut reasoning = request.reasoning.take();
    if quirks.reasoning == ReasoningRequest::None {
        dropped.unless_none("reasoning", &reasoning.take());
    }
    let mut plan = Plan::new(reasoning, own_thinking, model, &mut dropped);
    if plan.has_budget && conversation.lacks_thought() {
        plan.give_up(&mut dropped);
    }
    let toolbox = Toolbox::take(&mut request, model, quirks, !plan.has_budget, &mut dropped);
    if plan.has_budget && toolbox.json_tool.is_some() {
        plan.give_up(&mut dropped);
    }
    report(&request, &mut dropped);

    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    if !is_counted {
        let mut limits = model.limits();
        limits.usual = quirks.default_max_tokens.unwrap_or(limits.usual);
        let max_tokens = plan.max_tokens(request.max_tokens, limits, &mut dropped);
        body.insert("max_tokens".into(), max_tokens.into());
    }
    if !conversation.system.is_empty() {
        let system = std::mem::take(&mut conversation.system);
        body.insert("system".into(), system.into());
    }
    body.insert("messages".into(), conversation.into_messages().into());
    if !toolbox.tools.is_empty() {
        body.insert("tools".into(), toolbox.tools.into());
    }
    if let Some(choice) = toolbox.choice {
        body.insert("tool_choice".into(), choice);
    }
    put_sampling(request.sampling, model, &plan, &mut body, &mut dropped);
    let mut extra = request.extra.take(NAME);
    extra.shift_remove("thinking");
    if let Some(thinking) = plan.thinking {
        body.insert("thinking".into(), thinking.into());
    }
    put_output_config(plan.effort, toolbox.schema, &mut body, &mut extra);
    put_user(request.user, &mut body, &mut extra);
    if let Some(tier) = request.service_tier {
        put_tier(tier, &mut body, &mut dropped);
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    put_rest(&mut body, extra);
    for name in &quirks.unsupported {
        if body.shift_remove(name).is_some() {
            dropped.add(name);
        }
    }
    for (name, other) in &quirks.renames {
        if let Some(value) = body.shift_remove(name) {
            body.insert(other.clone(), value);
        }
    }
    Ok(Written {
        body: json::print(&body),
        dropped,
        json_tool: toolbox.json_tool,
    })
}

/// What counts of a request whose tokens are counted; the rest is refused there.
fn prompt_alone(mut request: ChatRequest) -> ChatRequest {
    let mut extra = request.extra.take(NAME);
    for name in ["container", "inference_geo", "metadata"] {
        extra.shift_remove(name);
    }
    ChatRequest {
        model: request.model,
        messages: request.messages,
        tools: request.tools,
        tool_choice: request.tool_choice,
        parallel_tool_calls: request.parallel_tool_calls,
        format: request.format,
        reasoning: request.reasoning,
        extra: Extra::new(NAME, extra),
        ..ChatRequest::default()
    }
}

/// Reports what Anthropic has nothing for. A value that changes nothing is no loss.
fn report(request: &ChatRequest, dropped: &mut Dropped) {
    let sampling = &request.sampling;
    let differs = |number: &Option<Number>, from: f64| {
        let number = number.as_ref().and_then(Number::as_f64);
        number.is_some_and(|number| (number - from).abs() > f64::EPSILON)
    };
    let speaks_only = |modalities: &Vec<String>| modalities.iter().all(|kind| kind == "text");
    for (name, is_lost) in [
        ("n", request.n.is_some_and(|n| n > 1)),
        ("logprobs", request.logprobs == Some(true)),
        (
            "top_logprobs",
            request.top_logprobs.is_some_and(|top| top > 0),
        ),
        ("seed", sampling.seed.is_some()),
        ("min_p", differs(&sampling.min_p, 0.0)),
        (
            "frequency_penalty",
            differs(&sampling.frequency_penalty, 0.0),
        ),
        ("presence_penalty", differs(&sampling.presence_penalty, 0.0)),
        (
            "repetition_penalty",
            differs(&sampling.repetition_penalty, 1.0),
        ),
        (
            "logit_bias",
            sampling
                .logit_bias
                .as_ref()
                .is_some_and(|bias| !bias.is_empty()),
        ),
        (
            "metadata",
            request
                .metadata
                .as_ref()
                .is_some_and(|labels| !labels.is_empty()),
        ),
        ("store", request.store == Some(true)),
        ("verbosity", request.verbosity.is_some()),
        ("prompt_cache_key", request.prompt_cache_key.is_some()),
        (
            "modalities",
            request
                .modalities
                .as_ref()
                .is_some_and(|modalities| !speaks_only(modalities)),
        ),
    ] {
        if is_lost {
            dropped.add(name);
        }
    }
}

/// Temperature is between 0 and 1. Thinking wants its defaults, but for a `top_p` from 0.95; newer
/// models want one of temperature and `top_p` at most, the newest neither.
fn put_sampling(
    sampling: Sampling,
    model: Model,
    plan: &Plan,
    body: &mut Map<String, Value>,
    dropped: &mut Dropped,
) {
    let value = |number: &Number| number.as_f64().unwrap_or_default();
    let is_default = |number: &Number| (value(number) - 1.0).abs() < f64::EPSILON;
    let is_free = model.takes_sampling() && !plan.is_on;
    if let Some(temperature) = sampling.temperature {
        let is_in_range = (0.0..=1.0).contains(&value(&temperature));
        if !is_in_range || (!is_free && !is_default(&temperature)) {
            dropped.add("temperature");
        }
        if !is_in_range && is_free {
            let nearest = value(&temperature).clamp(0.0, 1.0);
            body.insert("temperature".into(), json!(nearest));
        } else if is_free || is_default(&temperature) {
            body.insert("temperature".into(), temperature.into());
        }
    }
    if let Some(top_p) = sampling.top_p {
        let is_alone = model.takes_both_samplings() || !body.contains_key("temperature");
        let is_wide = !plan.is_on || value(&top_p) >= 0.95;
        if model.takes_sampling() && is_alone && is_wide {
            body.insert("top_p".into(), top_p.into());
        } else if !is_default(&top_p) {
            dropped.add("top_p");
        }
    }
    if let Some(top_k) = sampling.top_k {
        if is_free {
            body.insert("top_k".into(), top_k.into());
        } else {
            dropped.add("top_k");
        }
    }
    if let Some(mut stop) = sampling.stop {
        let count = stop.len();
        // White space alone is refused.
        stop.retain(|text| !text.trim().is_empty());
        if stop.len() < count {
            dropped.add("stop");
        }
        if !stop.is_empty() {
            body.insert("stop_sequences".into(), stop.into());
        }
    }
}

fn put_output_config(
    effort: Option<String>,
    schema: Option<Value>,
    body: &mut Map<String, Value>,
    extra: &mut Map<String, Value>,
) {
    let mut config = Map::new();
    if let Some(effort) = effort {
        config.insert("effort".into(), effort.into());
    }
    if let Some(schema) = schema {
        let format = json!({"type": "json_schema", "schema": schema});
        config.insert("format".into(), format);
    }
    if let Some(Value::Object(rest)) = extra.shift_remove("output_config") {
        put_rest(&mut config, rest);
    }
    if !config.is_empty() {
        body.insert("output_config".into(), config.into());
    }
}

fn put_user(user: Option<String>, body: &mut Map<String, Value>, extra: &mut Map<String, Value>) {
    let Some(user) = user else { return };
    let mut metadata = Map::from_iter([("user_id".to_owned(), user.into())]);
    if let Some(Value::Object(rest)) = extra.shift_remove("metadata") {
        put_rest(&mut metadata, rest);
    }
    body.insert("metadata".into(), metadata.into());
}

/// `auto` uses capacity of the account's that has priority, `standard_only` does not.
fn put_tier(tier: String, body: &mut Map<String, Value>, dropped: &mut Dropped) {
    let tier = match tier.as_str() {
        "default" | "standard" => "standard_only".to_owned(),
        "priority" => "auto".to_owned(),
        "flex" | "scale" => return dropped.add("service_tier"),
        _ => tier,
    };
    body.insert("service_tier".into(), tier.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        part::Part,
        request::{Message, Reasoning, Role, ToolChoice},
        target::Quirks,
    };

    fn written(request: ChatRequest, model: &str) -> (Value, Vec<String>) {
        written_for(Operation::Generate, request, model)
    }

    fn written_for(
        operation: Operation,
        request: ChatRequest,
        model: &str,
    ) -> (Value, Vec<String>) {
        let quirks = Quirks::default();
        let target = Target {
            model,
            quirks: &quirks,
            operation,
        };
        let written = super::write(request, &target).unwrap();
        let body = serde_json::from_slice(&written.body).unwrap();
        (body, written.dropped.names().to_vec())
    }

    fn number(value: f64) -> Option<Number> {
        Number::from_f64(value)
    }

    fn asking(sampling: Sampling) -> ChatRequest {
        ChatRequest {
            messages: vec![Message::new(Role::User, vec![Part::text("x")])],
            sampling,
            ..ChatRequest::default()
        }
    }

    #[test]
    fn what_is_out_of_range_is_moved_or_dropped_and_reported() {
        let hot = || Sampling {
            temperature: number(1.7),
            top_p: number(0.5),
            seed: Some(1.into()),
            ..Sampling::default()
        };
        let (body, dropped) = written(asking(hot()), "claude-sonnet-4-5");
        assert_eq!(body["temperature"], 1.0);
        assert_eq!(body["max_tokens"], 32_000);
        assert_eq!(dropped, ["seed", "temperature", "top_p"]);
        let (body, _) = written(asking(hot()), "claude-3-5-sonnet-latest");
        assert_eq!(body["top_p"], 0.5);
        let (body, dropped) = written(asking(hot()), "claude-opus-4-8");
        assert_eq!((body.get("temperature"), body.get("top_p")), (None, None));
        assert_eq!(dropped, ["seed", "temperature", "top_p"]);
    }

    #[test]
    fn an_answer_may_be_as_long_as_the_model_gives_or_the_provider_is_set_to() {
        let asked = |max_tokens| ChatRequest {
            max_tokens,
            ..ChatRequest::default()
        };
        for (model, wanted, sent) in [
            ("claude-opus-4-8", None, 32_000),
            ("claude-3-5-haiku-latest", None, 8_192),
            ("claude-sonnet-4-5", Some(128_000), 64_000),
            ("claude-opus-4-6", Some(128_000), 128_000),
        ] {
            let (body, dropped) = written(asked(wanted), model);
            assert_eq!(body["max_tokens"], sent, "{model}");
            assert_eq!(
                dropped.is_empty(),
                wanted.is_none_or(|wanted| wanted == sent)
            );
        }
        let quirks = Quirks {
            default_max_tokens: Some(50_000),
            ..Quirks::default()
        };
        let target = Target {
            model: "claude-opus-4-8",
            quirks: &quirks,
            operation: Operation::Generate,
        };
        let body: Value =
            serde_json::from_slice(&write(asked(None), &target).unwrap().body).unwrap();
        assert_eq!(body["max_tokens"], 50_000);
    }

    #[test]
    fn thinking_wants_defaults_and_forces_nothing() {
        let request = ChatRequest {
            reasoning: Some(Reasoning {
                effort: Some("high".into()),
                ..Reasoning::default()
            }),
            tools: vec![crate::chat::request::Tool::Function(
                crate::chat::request::Function::default(),
            )],
            tool_choice: Some(ToolChoice::Required),
            max_tokens: Some(1000),
            ..asking(Sampling {
                temperature: number(0.2),
                top_p: number(0.97),
                top_k: Some(4.into()),
                ..Sampling::default()
            })
        };
        let (body, mut dropped) = written(request, "claude-sonnet-4-5");
        dropped.sort_unstable();
        assert_eq!(
            dropped,
            ["max_tokens", "temperature", "tool_choice", "top_k"]
        );
        assert_eq!(body["max_tokens"], 5096);
        assert_eq!(body["top_p"], 0.97);
        assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    }

    #[test]
    fn what_came_in_this_dialect_goes_out_the_same() {
        let body = json!({
            "model": "claude-opus-4-8",
            "max_tokens": 10,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "t", "citations": {"enabled": true}},
                    {"type": "container_upload", "file_id": "file_2"},
                    {"type": "text", "text": "a"},
                ]},
                {"role": "assistant", "content": [
                    {"type": "redacted_thinking", "data": "r"},
                    {"type": "thinking", "thinking": "", "signature": "s"},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"z": 1, "a": [1.5]}, "caller": {"type": "direct"}},
                    {"type": "mcp_tool_use", "id": "m", "name": "x", "server_name": "y", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}], "is_error": true, "cache_control": {"type": "ephemeral"}},
                ]},
                {"role": "system", "content": [{"type": "text", "text": "late"}]},
            ],
            "tools": [
                {"name": "f", "description": "", "input_schema": {"type": "object"}, "strict": false, "input_examples": [{}]},
                {"type": "bash_20250124", "name": "bash"},
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": false},
            "thinking": {"type": "adaptive", "display": "omitted", "new": true},
            "output_config": {"effort": "xhigh", "task_budget": {"type": "tokens", "total": 1}},
            "metadata": {"user_id": "u", "other": 1},
            "service_tier": "standard_only",
            "stop_sequences": ["x"],
            "stream": true,
            "cache_control": {"type": "ephemeral"},
            "context_management": {"edits": []},
            "mcp_servers": [],
        });
        let asked = super::super::read(body.clone()).unwrap();
        let (written, dropped) = written(asked.request, "claude-opus-4-8");
        assert_eq!(written, body);
        assert!(dropped.is_empty(), "{dropped:?}");
    }

    #[test]
    fn only_the_prompt_is_counted() {
        let request = ChatRequest {
            max_tokens: Some(5),
            stream: true,
            ..asking(Sampling {
                temperature: number(0.5),
                seed: Some(1.into()),
                ..Sampling::default()
            })
        };
        let (body, dropped) = written_for(Operation::CountTokens, request, "claude-sonnet-4-5");
        assert_eq!(body["messages"].as_array().map(Vec::len), Some(1));
        assert_eq!(body.as_object().map(Map::len), Some(2));
        assert!(dropped.is_empty());
    }

    #[test]
    fn an_effort_alone_leaves_thinking_to_the_model() {
        let body = json!({"model": "claude-opus-4-6", "max_tokens": 1, "messages": [], "output_config": {"effort": "low"}});
        let asked = super::super::read(body.clone()).unwrap();
        assert_eq!(written(asked.request, "claude-opus-4-6").0, body);
    }
}
