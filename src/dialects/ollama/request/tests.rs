//! Requests there and back, and from elsewhere.

use serde_json::{Value, json};

use super::{read, write};
use crate::{
    chat::{
        extra::Opaque,
        part::{Content, Media, MediaKind, Part, Source, Thinking, ToolCall, ToolResult},
        request::{
            ChatRequest, Custom, Format, Function, Message, Reasoning, Role, Schema, Tool,
            ToolChoice,
        },
        target::{Quirks, Target},
    },
    dialects::{Route, Written},
};

fn route(path: &str) -> Route<'_> {
    Route { path, query: "" }
}

fn written(request: ChatRequest) -> (Value, Written) {
    let quirks = Quirks::default();
    let target = Target {
        model: "m",
        quirks: &quirks,
        operation: crate::chat::target::Operation::Generate,
    };
    let written = write(request, &target).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written)
}

fn there_and_back(body: &Value, path: &str) -> Value {
    let asked = read(body.clone(), &route(path)).unwrap();
    let (back, written) = written(asked.request);
    assert!(written.dropped.is_empty(), "{:?}", written.dropped);
    back
}

#[test]
fn a_chat_survives_with_all_that_is_not_known() {
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "control", "content": "thinking"},
            {"role": "user", "content": "add", "images": ["iVBORw0"], "new": 1},
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                {"type": "function", "function": {"index": 0, "name": "add", "arguments": {"x": 1.0}}},
            ]},
            {"role": "tool", "content": "1", "tool_name": "add", "tool_call_id": "c"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}, "new": 2}},
            {"type": "web_search"},
        ],
        "format": {"type": "object"},
        "think": "high",
        "stream": false,
        "logprobs": true,
        "top_logprobs": 2,
        "options": {"temperature": 0, "num_predict": 9, "stop": ["a"], "repeat_penalty": 1.1,
            "num_ctx": 4096, "mirostat": 1},
        "keep_alive": "5m",
        "newest": {"a": null},
    });
    assert_eq!(there_and_back(&body, "/api/chat"), body);
    let endless = json!({"model": "m", "messages": [], "stream": true, "think": "turbo",
        "options": {"num_predict": -1}});
    assert_eq!(there_and_back(&endless, "/api/chat"), endless);
}

#[test]
fn generate_stays_generate() {
    let body = json!({"model": "m", "prompt": "def f", "suffix": "return", "system": "code",
        "template": "{{ .Prompt }}", "images": ["/9j/4"], "raw": true, "context": [1, 2],
        "stream": false, "format": "json", "options": {"seed": 7}});
    assert_eq!(there_and_back(&body, "/api/generate"), body);
    let asked = read(body, &route("/api/generate")).unwrap();
    assert_eq!(asked.call.form, Some("generate"));
    let roles: Vec<Role> = asked.request.messages.iter().map(|one| one.role).collect();
    assert_eq!(roles, [Role::System, Role::User]);
    assert_eq!(asked.request.messages[1].parts.len(), 2);
}

#[test]
fn a_stream_is_the_default() {
    let asked = read(json!({"model": "m"}), &route("/api/chat")).unwrap();
    assert!(asked.request.stream);
    assert_eq!(written(asked.request).0["stream"], true);
}

#[test]
fn wrong_types_name_their_field() {
    for (body, param) in [
        (json!([]), "body"),
        (json!({"messages": {}}), "messages"),
        (
            json!({"messages": [{"role": "user", "content": []}]}),
            "content",
        ),
        (json!({"options": {"temperature": "hot"}}), "temperature"),
        (json!({"think": 1}), "think"),
    ] {
        let error = read(body, &route("/api/chat")).unwrap_err();
        assert_eq!(error.param(), Some(param));
    }
}

fn media(kind: MediaKind, source: Source) -> Part {
    Part::new(Content::Media(Media {
        kind,
        source,
        name: None,
        detail: None,
    }))
}

#[test]
fn what_ollama_cannot_say_is_reported() {
    let url = || Source::Url {
        url: "https://a".into(),
        media_type: None,
    };
    let mut cached = Part::text("hi");
    cached.cache = Some(json!({"type": "ephemeral"}));
    let redacted = Thinking {
        opaque: Some(Opaque {
            dialect: "anthropic",
            data: "x".into(),
        }),
        is_redacted: true,
        ..Thinking::default()
    };
    let request = ChatRequest {
        messages: vec![
            Message::new(
                Role::User,
                vec![
                    cached,
                    media(MediaKind::Image, url()),
                    media(MediaKind::Audio, url()),
                    media(MediaKind::Document, url()),
                    media(
                        MediaKind::Document,
                        Source::Text {
                            text: "fact".into(),
                        },
                    ),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![Part::new(Content::Thinking(redacted)), Part::text("ok")],
            ),
        ],
        n: Some(2),
        parallel_tool_calls: Some(false),
        tool_choice: Some(ToolChoice::Required),
        ..ChatRequest::default()
    };
    let (body, written) = written(request);
    assert_eq!(body["messages"][0]["content"], "hi\n\nfact");
    let wanted = [
        "cache_control",
        "images",
        "audio",
        "documents",
        "thinking",
        "tool_choice",
        "parallel_tool_calls",
        "n",
    ];
    assert_eq!(written.dropped.names(), wanted);
}

#[test]
fn results_in_a_users_message_become_messages_with_the_tools_name() {
    let call = ToolCall {
        id: Some("c1".into()),
        name: "add".into(),
        arguments: "{\"x\": 1}".into(),
        ..ToolCall::default()
    };
    let result = ToolResult {
        call_id: Some("c1".into()),
        content: vec![
            Part::text("1"),
            media(
                MediaKind::Image,
                Source::Base64 {
                    media_type: "image/png".into(),
                    data: "iVBOR".into(),
                },
            ),
        ],
        is_error: true,
        ..ToolResult::default()
    };
    let request = ChatRequest {
        messages: vec![
            Message::new(Role::Assistant, vec![Part::new(Content::ToolCall(call))]),
            Message::new(
                Role::User,
                vec![Part::text("and?"), Part::new(Content::ToolResult(result))],
            ),
        ],
        ..ChatRequest::default()
    };
    let (body, written) = written(request);
    let wanted = json!([
        {"role": "assistant", "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": {"x": 1}}}]},
        {"role": "tool", "content": "1", "images": ["iVBOR"], "tool_name": "add", "tool_call_id": "c1"},
        {"role": "user", "content": "and?"},
    ]);
    assert_eq!(body["messages"], wanted);
    assert_eq!(written.dropped.names(), ["tool_result.is_error"]);
}

fn with_tools(choice: ToolChoice) -> (Value, Written) {
    let function = |name: &str| {
        Tool::Function(Function {
            name: name.into(),
            ..Function::default()
        })
    };
    let custom = Tool::Custom(Custom {
        name: "c".into(),
        ..Custom::default()
    });
    written(ChatRequest {
        tools: vec![function("a"), function("b"), custom],
        tool_choice: Some(choice),
        ..ChatRequest::default()
    })
}

#[test]
fn a_choice_among_tools_leaves_the_others_out() {
    let names = |body: &Value| -> Vec<String> {
        let tools = body["tools"].as_array().cloned().unwrap_or_default();
        let names = tools
            .iter()
            .map(|tool| tool["function"]["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let allowed = ToolChoice::Allowed {
        names: vec!["a".into(), "c".into()],
        required: false,
    };
    for (choice, left, is_reported) in [
        (ToolChoice::Auto, vec!["a", "b", "c"], false),
        (ToolChoice::None, vec![], false),
        (ToolChoice::Tool("b".into()), vec!["b"], true),
        (ToolChoice::Tool("z".into()), vec!["a", "b", "c"], true),
        (allowed, vec!["a", "c"], false),
    ] {
        let (body, written) = with_tools(choice);
        assert_eq!(names(&body), left);
        assert_eq!(!written.dropped.is_empty(), is_reported);
    }
}

#[test]
fn thinking_and_formats_have_their_words() {
    for (effort, budget, enabled, wanted) in [
        (Some("minimal"), None, None, json!("low")),
        (Some("xhigh"), None, None, json!("max")),
        (Some("none"), None, None, json!(false)),
        (None, Some(2000), Some(true), json!("medium")),
        (None, None, Some(true), json!(true)),
        (None, Some(0), None, json!(false)),
    ] {
        let request = ChatRequest {
            reasoning: Some(Reasoning {
                effort: effort.map(str::to_owned),
                budget_tokens: budget,
                enabled,
                ..Reasoning::default()
            }),
            format: Some(Format::Schema(Schema {
                name: Some("answer".into()),
                description: Some("for people".into()),
                schema: json!({"type": "object"}),
                strict: Some(true),
            })),
            ..ChatRequest::default()
        };
        let (body, written) = written(request);
        assert_eq!(body["think"], wanted);
        let schema = json!({"type": "object", "description": "for people"});
        assert_eq!(body["format"], schema);
        assert!(written.dropped.is_empty());
    }
}

#[test]
fn a_schema_that_is_no_object_becomes_any_json() {
    let request = ChatRequest {
        format: Some(Format::Schema(Schema {
            schema: json!(true),
            ..Schema::default()
        })),
        ..ChatRequest::default()
    };
    let (body, written) = written(request);
    assert_eq!(body["format"], "json");
    assert_eq!(written.dropped.names(), ["response_format"]);
}
