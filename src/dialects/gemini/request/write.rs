//! Writes a request for a provider.

use serde_json::{Map, Value, json};

use super::{
    super::{
        NAME, model, names,
        part::{Reader, Writer},
    },
    WRAPPED, config, conversation, thinking, tools,
};
use crate::{
    chat::{
        json,
        part::Content,
        request::{ChatRequest, Format, Function, Schema, Tool, ToolChoice},
        target::{JsonSchema, Operation, Target},
    },
    dialects::{Dropped, Written},
    error::GatewayError,
};

/// The tool that stands for an answer of a given schema.
const JSON_TOOL: &str = "json_answer";

/// See [`crate::dialects::Dialect::write_request`].
pub(in crate::dialects::gemini) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let mut dropped = Dropped::default();
    let mut own = request.extra.take(NAME);
    let is_third = model::is_third(target.model);
    if results_lack_names(&request) {
        request.link_tools();
    }
    let json_tool = as_tool(&mut request, target, is_third, &mut own, &mut dropped);
    let mut writer = Writer {
        reader: Reader::Provider { is_third },
        dropped: &mut dropped,
        beside: Vec::new(),
    };
    let messages = std::mem::take(&mut request.messages);
    let conversation = conversation::write(messages, &mut writer, is_third);
    let mut body = Map::new();
    if let Some(instruction) = conversation.instruction {
        body.insert("systemInstruction".into(), instruction.into());
    }
    body.insert("contents".into(), conversation.contents.into());
    let tools = tools::write(std::mem::take(&mut request.tools), &mut dropped);
    let has_tools = !tools.is_empty();
    if has_tools {
        body.insert("tools".into(), tools.into());
    }
    let choice = request.tool_choice.take();
    if let Some(choice) = tools::write_choice(choice, has_tools, &mut own, &mut dropped) {
        body.insert(
            "toolConfig".into(),
            json!({ "functionCallingConfig": choice }),
        );
    }
    let config = config::write(&mut request, target, &own, &mut dropped);
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    others(&mut request, target, &mut body, &mut dropped);
    if !is_third && request.model != target.model {
        own.shift_remove(thinking::LEVEL);
    }
    let is_wrapped = own.shift_remove(WRAPPED).is_some();
    name_model(&mut own, target.model);
    names::fill(&mut body, own);
    if target.operation == Operation::CountTokens || is_wrapped {
        body = counted(body, target, is_wrapped);
    }
    Ok(Written {
        body: json::print(&body),
        dropped,
        json_tool,
    })
}

/// Google tells results by their function's name.
fn results_lack_names(request: &ChatRequest) -> bool {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| matches!(&part.content, Content::ToolResult(result) if result.name.is_none()))
}

/// Before the third generation tools and JSON exclude each other (400, "Function calling with a
/// response mime type: 'application/json' is unsupported"): the schema becomes a tool then.
fn as_tool(
    request: &mut ChatRequest,
    target: &Target<'_>,
    is_third: bool,
    own: &mut Map<String, Value>,
    dropped: &mut Dropped,
) -> Option<String> {
    let has_functions = request
        .tools
        .iter()
        .any(|tool| !matches!(tool, Tool::Native(_)));
    let is_forced = target.quirks.json_schema == JsonSchema::ForcedTool;
    // What Google's own client asks of this very model is Google's to judge.
    let is_meant = own.shift_remove(config::MIME).is_some() && request.model == target.model;
    if !is_forced && (is_third || !has_functions || is_meant) {
        return None;
    }
    let schema = match request.format.take() {
        Some(Format::Schema(schema)) if is_object(&schema) => schema,
        Some(Format::Json | Format::Schema(_)) if has_functions => {
            dropped.add("response_format");
            return None;
        }
        other => {
            request.format = other;
            return None;
        }
    };
    own.shift_remove("generationConfig.responseSchema");
    own.shift_remove("generationConfig._responseJsonSchema");
    let must_call = request
        .tool_choice
        .as_ref()
        .is_some_and(ToolChoice::is_forced);
    if must_call && has_functions {
        // An answer that has to be a call has no text to be formed.
        return None;
    }
    let mut name = JSON_TOOL.to_owned();
    while request.function(&name).is_some() {
        name.push('_');
    }
    request.tool_choice = Some(match request.tool_choice.take() {
        Some(ToolChoice::Allowed { mut names, .. }) => {
            names.push(name.clone());
            ToolChoice::Allowed {
                names,
                required: true,
            }
        }
        Some(ToolChoice::None) => ToolChoice::Tool(name.clone()),
        _ => ToolChoice::Required,
    });
    let usual =
        "Gives the final answer. Call it once everything is known, instead of writing text.";
    request.tools.push(Tool::Function(Function {
        name: name.clone(),
        description: Some(schema.description.unwrap_or_else(|| usual.to_owned())),
        parameters: Some(schema.schema),
        ..Function::default()
    }));
    Some(name)
}

fn is_object(schema: &Schema) -> bool {
    schema.schema.get("type").and_then(Value::as_str) == Some("object")
}

/// What else a caller may ask for.
fn others(
    request: &mut ChatRequest,
    target: &Target<'_>,
    body: &mut Map<String, Value>,
    dropped: &mut Dropped,
) {
    if request.parallel_tool_calls == Some(false) {
        dropped.add("parallel_tool_calls");
    }
    dropped.unless_none("user", &request.user);
    dropped.unless_none("verbosity", &request.verbosity);
    dropped.unless_none("prompt_cache_key", &request.prompt_cache_key);
    if request.store == Some(true) {
        dropped.add("store");
    }
    if let Some(metadata) = request.metadata.take() {
        let labels: Map<String, Value> = match target.quirks.refuses("metadata") {
            true => Map::new(),
            false => metadata.iter().filter(is_label).map(owned).collect(),
        };
        if labels.len() < metadata.len() {
            dropped.add("metadata");
        }
        if !labels.is_empty() || metadata.is_empty() {
            body.insert("labels".into(), labels.into());
        }
    }
    match request.service_tier.take().as_deref() {
        // What Google does where nothing is said.
        None | Some("auto" | "default" | "standard_only") => {}
        Some(_) if target.quirks.refuses("service_tier") => dropped.add("service_tier"),
        Some(tier) => {
            body.insert("serviceTier".into(), tier.into());
        }
    }
}

/// Vertex refuses labels of other shapes (its reference, "labels").
fn is_label((name, value): &(&String, &Value)) -> bool {
    let is_word = |text: &str| {
        text.len() <= 63
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
            })
    };
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && is_word(name)
        && value.as_str().is_some_and(is_word)
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// The model that a client repeated in the body is the one that is asked now.
fn name_model(own: &mut Map<String, Value>, model: &str) {
    if let Some(Value::String(said)) = own.get_mut("model") {
        let tail = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        if tail(said) != tail(model) {
            *said = full_name(model);
        }
    }
}

fn full_name(model: &str) -> String {
    if model.contains('/') {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}

/// A count of tokens: `contents` alone, or all that makes up the prompt. AI Studio takes a whole request
/// under a name of its own, which Vertex refuses (`unsupported: [generateContentRequest]`).
fn counted(
    mut body: Map<String, Value>,
    target: &Target<'_>,
    is_wrapped: bool,
) -> Map<String, Value> {
    if !is_wrapped {
        body.retain(|name, _| {
            matches!(
                name.as_str(),
                "model" | "contents" | "systemInstruction" | "tools"
            )
        });
    }
    let is_plain = !body.contains_key("systemInstruction") && !body.contains_key("tools");
    if !is_wrapped && (is_plain || target.quirks.refuses(WRAPPED)) {
        return body;
    }
    body.entry("model")
        .or_insert_with(|| full_name(target.model).into());
    Map::from_iter([(WRAPPED.to_owned(), Value::Object(body))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        part::Part,
        request::{Message, Reasoning, Role},
        target::Quirks,
    };

    fn write_for(request: ChatRequest, model: &str, operation: Operation) -> (Value, Written) {
        let quirks = Quirks::default();
        let target = Target {
            model,
            quirks: &quirks,
            operation,
        };
        let written = write(request, &target).unwrap();
        (serde_json::from_slice(&written.body).unwrap(), written)
    }

    fn asking(role: Role) -> ChatRequest {
        ChatRequest {
            messages: vec![
                Message::new(role, vec![Part::text("a")]),
                Message::new(Role::User, vec![Part::text("b")]),
            ],
            ..ChatRequest::default()
        }
    }

    #[test]
    fn an_answer_longer_than_the_model_gives_is_not_asked_for() {
        for (model, sent) in [("gemini-2.5-pro", 65_536), ("my-model", 128_000)] {
            let request = ChatRequest {
                max_tokens: Some(128_000),
                ..asking(Role::User)
            };
            let (body, written) = write_for(request, model, Operation::Generate);
            assert_eq!(body["generationConfig"]["maxOutputTokens"], sent);
            assert_eq!(written.dropped.is_empty(), sent == 128_000);
        }
    }

    fn function() -> Tool {
        Tool::Function(Function {
            name: "f".into(),
            parameters: Some(json!({"type": "object", "additionalProperties": false})),
            ..Function::default()
        })
    }

    fn schema() -> Format {
        Format::Schema(Schema {
            name: Some("answer".into()),
            schema: json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            ..Schema::default()
        })
    }

    #[test]
    fn what_others_ask_is_said_in_googles_words_or_reported() {
        let mut request = asking(Role::System);
        request.tools.push(function());
        request.format = Some(schema());
        request.reasoning = Some(Reasoning {
            effort: Some("high".into()),
            ..Reasoning::default()
        });
        request.sampling.temperature = Some(3.into());
        request.sampling.seed = Some(5_000_000_000_u64.into());
        request.sampling.min_p = Some(1.into());
        request.parallel_tool_calls = Some(false);
        request.user = Some("u".into());
        request.metadata = json!({"team": "a", "Team": "A"}).as_object().cloned();
        request.service_tier = Some("default".into());
        let (body, written) = write_for(request, "gemini-3-pro", Operation::Generate);
        assert_eq!(
            body,
            json!({
                "systemInstruction": {"parts": [{"text": "a"}]},
                "contents": [{"role": "user", "parts": [{"text": "b"}]}],
                "tools": [{"functionDeclarations": [{"name": "f",
                    "parametersJsonSchema": {"type": "object", "additionalProperties": false}}]}],
                "generationConfig": {
                    "temperature": 2,
                    "responseMimeType": "application/json",
                    "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
                    "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": true},
                },
                "labels": {"team": "a"},
            })
        );
        assert_eq!(
            written.dropped.names(),
            [
                "temperature",
                "seed",
                "min_p",
                "parallel_tool_calls",
                "user",
                "metadata"
            ]
        );
    }

    #[test]
    fn before_the_third_generation_a_schema_beside_tools_is_a_tool() {
        let mut request = asking(Role::User);
        request.tools.push(function());
        request.format = Some(schema());
        let (body, written) = write_for(request.clone(), "gemini-2.5-flash", Operation::Generate);
        assert_eq!(written.json_tool.as_deref(), Some(JSON_TOOL));
        assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
        assert_eq!(
            body["tools"][0]["functionDeclarations"][1]["name"],
            JSON_TOOL
        );
        assert!(body.get("generationConfig").is_none());
        // A call that is demanded comes before the answer does.
        let forced = ChatRequest {
            tool_choice: Some(ToolChoice::Required),
            ..request.clone()
        };
        let (body, written) = write_for(forced, "gemini-2.5-flash", Operation::Generate);
        let functions = body["tools"][0]["functionDeclarations"].as_array().unwrap();
        assert_eq!((functions.len(), written.json_tool), (1, None));
        request.tools.clear();
        let (_, written) = write_for(request, "gemini-2.5-flash", Operation::Generate);
        assert_eq!(written.json_tool, None);
    }

    #[test]
    fn a_count_is_of_the_prompt_alone() {
        let mut request = asking(Role::User);
        request.max_tokens = Some(5);
        let (body, _) = write_for(request, "g", Operation::CountTokens);
        let contents = json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]);
        assert_eq!(body, json!({ "contents": contents }));
        let (body, _) = write_for(asking(Role::System), "g", Operation::CountTokens);
        let inner = &body["generateContentRequest"];
        assert_eq!(inner["model"], "models/g");
        assert_eq!(inner["systemInstruction"]["parts"][0]["text"], "a");
    }

    #[test]
    fn a_choice_among_nothing_is_left_out() {
        let mut request = asking(Role::User);
        request.tool_choice = Some(ToolChoice::Required);
        let (body, written) = write_for(request, "g", Operation::Generate);
        assert!(body.get("toolConfig").is_none());
        assert_eq!(written.dropped.names(), ["tool_choice"]);
    }

    #[test]
    fn what_googles_own_client_asks_of_a_model_is_left_to_that_model() {
        let body = json!({
            "contents": [{"role": "user", "parts": [{"text": "a"}]}],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object"},
                "thinkingConfig": {"thinkingLevel": "low"},
            },
            "serviceTier": "standard",
        });
        let path = "/v1beta/models/gemini-2.5-flash:generateContent";
        let route = crate::dialects::Route { path, query: "" };
        let request = super::super::read(body.clone(), &route).unwrap().request;
        let (back, written) = write_for(request.clone(), "gemini-2.5-flash", Operation::Generate);
        assert_eq!(back, body);
        assert_eq!(written.json_tool, None);
        let (other, written) = write_for(request, "gemini-2.5-pro", Operation::Generate);
        assert_eq!(written.json_tool.as_deref(), Some(JSON_TOOL));
        assert_eq!(
            other["generationConfig"],
            json!({"thinkingConfig": {"thinkingBudget": 1024}})
        );
    }
}
