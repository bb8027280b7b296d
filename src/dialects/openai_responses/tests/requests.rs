//! Requests of this dialect's own callers.

use serde_json::{Value, json};

use super::{answered, asked, assembled, streamed, written};
use crate::{
    chat::{
        event::Event,
        part::{Content, MediaKind, Part, ToolCall},
        request::{Role, Tool, ToolChoice},
        target::{Operation, Quirks, Target},
    },
    dialects::{DIALECTS, Dialect, openai_responses::OpenAiResponses, translate},
};

fn comes_back(body: Value) {
    let (back, report) = written(asked(body.clone()).request);
    assert_eq!(back, body);
    assert!(report.dropped.is_empty(), "{:?}", report.dropped.names());
}

#[test]
fn everything_that_a_request_may_say_comes_back() {
    let body = r#"{
        "model": "gpt-4.1",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
            {"type": "message", "role": "user", "id": "msg_0", "status": "completed", "content": [
                {"type": "input_text", "text": "see", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
                {"type": "input_image", "file_id": "file_1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                {"type": "input_file", "filename": "b.pdf", "file_data": "AAAA"},
                {"type": "input_file", "file_data": "data:image/png;base64,AAAA"},
                {"type": "input_file", "file_url": "https://x/y.pdf"},
                {"type": "input_file", "file_id": "file_2", "new": 1},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {"type": "computer_screenshot", "image_url": "https://x"}
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [
                {"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": ""}
            ], "content": [], "encrypted_content": "gAAA", "status": "completed"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [
                {"type": "reasoning_text", "text": "b"}, {"type": "text", "text": "c"}
            ]},
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
             "phase": "commentary", "content": [
                {"type": "output_text", "text": "x", "annotations": [], "logprobs": []},
                {"type": "output_text", "text": "y", "annotations": [
                    {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
                    {"type": "file_citation", "file_id": "f", "filename": "n", "index": 3}
                ]},
                {"type": "refusal", "refusal": "no"},
                {"type": "input_text", "text": "odd"},
                {"type": "never_heard_of", "x": 1}
            ]},
            {"role": "assistant", "content": "plain"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "plain"}]},
            {"type": "message", "role": "assistant", "content": []},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "", "status": "completed"},
            {"type": "function_call", "call_id": "call_2", "name": "look", "namespace": "mcp__x__", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_3", "name": "apply_patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "call_1", "output": "", "id": "fco_1"},
            {"type": "function_call_output", "call_id": "call_2", "output": [
                {"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "https://x"}
            ]},
            {"type": "custom_tool_call_output", "call_id": "call_3", "output": [{"type": "input_text", "text": "t"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "status": "completed", "action": {"type": "exec", "command": ["ls"]}},
            {"type": "local_shell_call_output", "id": "lsh_1", "output": "x"},
            {"type": "mcp_approval_response", "approval_request_id": "m", "approve": true},
            {"type": "item_reference", "id": "msg_9"},
            {"role": "critic", "content": "?"},
            {"role": "user", "content": []}
        ],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true, "defer_loading": true},
            {"type": "function", "name": "g", "parameters": {"type": "object"}, "strict": null},
            {"type": "function", "name": "h", "parameters": {"type": "object"}},
            {"type": "namespace", "name": "mcp__x__", "description": "X", "tools": [
                {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": false},
                {"type": "custom", "name": "_note"}
            ]},
            {"type": "namespace", "name": "agents", "description": "A", "tools": [{"type": "function", "name": "spawn"}]},
            {"type": "namespace", "name": "odd", "tools": [{"type": "new_kind"}]},
            {"type": "custom", "name": "apply_patch", "description": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "web_search", "external_web_access": false},
            {"type": "local_shell"}
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [
            {"type": "function", "name": "f"}, {"type": "custom", "name": "apply_patch"}
        ]},
        "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "n", "description": "d", "schema": {"type": "object"}, "strict": true, "new": 1}, "verbosity": "low", "new": 2},
        "reasoning": {"effort": "xhigh", "summary": "auto", "context": "all_turns"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "max_output_tokens": 5,
        "temperature": 0.5,
        "top_p": 1,
        "top_logprobs": 3,
        "stream": true,
        "stream_options": {"include_obfuscation": false},
        "store": false,
        "service_tier": "flex",
        "safety_identifier": "s",
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "previous_response_id": "resp_0",
        "conversation": "conv_1",
        "background": false,
        "truncation": "auto",
        "max_tool_calls": 3,
        "client_metadata": {"x": "y"}
    }"#;
    comes_back(serde_json::from_str(body).unwrap());
}

#[test]
fn short_requests_come_back_as_short() {
    comes_back(json!({"model": "m", "input": "hi", "stream": false, "user": "u"}));
    comes_back(json!({"model": "m", "prompt": {"id": "pmpt_1"}}));
    comes_back(json!({"prompt": {"id": "pmpt_1"}}));
    comes_back(json!({"model": "m", "input": "x", "tool_choice": {"type": "custom", "name": "x"}}));
    comes_back(json!({"model": "m", "input": "x", "reasoning": {}, "tool_choice": "auto"}));
    comes_back(
        json!({"model": "m", "input": "x", "tool_choice": {"type": "mcp", "server_label": "s"}}),
    );
    comes_back(json!({"model": "m", "input": "x", "text": {"format": {"type": "json_object"}}}));
    comes_back(
        json!({"model": "m", "input": "x", "text": {"format": {"type": "grammar", "g": 1}}}),
    );
}

#[test]
fn the_items_of_a_turn_are_one_message() {
    let request = asked(json!({"model": "m", "instructions": "i", "input": [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "E"},
        {"type": "message", "role": "assistant", "content": "calling"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws"},
        {"type": "function_call_output", "call_id": "c1", "output": "r"},
    ]}))
    .request;
    let roles: Vec<Role> = request
        .messages
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(
        roles,
        [Role::System, Role::User, Role::Assistant, Role::Tool]
    );
    let turn = &request.messages[2].parts;
    assert_eq!(turn.len(), 5);
    let Content::Thinking(last) = &turn[1].content else {
        panic!("no thought");
    };
    assert_eq!(last.id.as_deref(), Some("rs_1"));
    assert_eq!(last.opaque.as_ref().unwrap().data, "rs_1|s|E");
    assert!(
        matches!(&turn[3].content, Content::ToolCall(call) if call.id.as_deref() == Some("c1"))
    );
}

#[test]
fn what_a_request_means_is_read() {
    let asked = asked(json!({
        "model": "m",
        "input": [{"role": "user", "content": [
            {"type": "input_file", "file_data": "data:image/png;base64,AA"},
            {"type": "input_text", "text": "x", "cache_control": {"type": "ephemeral"}},
        ]}],
        "tools": [
            {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]},
            {"type": "custom", "name": "patch"},
        ],
        "tool_choice": {"type": "custom", "name": "patch"},
        "include": ["message.output_text.logprobs"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "safety_identifier": "who",
    }));
    let request = asked.request;
    assert!(matches!(&request.tools[0], Tool::Function(function) if function.name == "ns__f"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Tool("patch".into())));
    assert_eq!(asked.call.custom_tools, ["patch"]);
    assert_eq!(request.logprobs, Some(true));
    assert_eq!(request.user.as_deref(), Some("who"));
    assert_eq!(request.reasoning.unwrap().include, Some(true));
    let parts = &request.messages[0].parts;
    assert!(matches!(&parts[0].content, Content::Media(media) if media.kind == MediaKind::Image));
    assert!(parts[1].cache.is_some());
}

#[test]
fn wrong_types_name_their_field() {
    for (body, field) in [
        (json!({"input": 1}), "input"),
        (json!({"instructions": ["x"]}), "instructions"),
        (
            json!({"input": [{"role": "user", "content": 1}]}),
            "content",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}),
            "text",
        ),
        (
            json!({"input": [{"type": "function_call", "arguments": {}}]}),
            "arguments",
        ),
        (json!({"tools": {}}), "tools"),
        (json!({"max_output_tokens": "many"}), "max_output_tokens"),
        (json!({"text": "x"}), "text"),
    ] {
        let error = OpenAiResponses
            .read_request(body, &Default::default())
            .unwrap_err();
        assert_eq!(error.param(), Some(field));
    }
}

#[test]
fn what_codex_tells_openai_alone_is_no_loss_elsewhere() {
    let asked = asked(json!({
        "model": "gpt-5-codex",
        "instructions": "You are Codex.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "p"}]},
            {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "q"}],
             "internal_chat_message_metadata_passthrough": {"turn_id": "t"}},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": null, "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "a"}]},
            {"type": "function_call", "id": "fc_1", "name": "shell", "namespace": "x", "arguments": "{}", "call_id": "c1"},
            {"type": "function_call_output", "call_id": "c1", "output": "{}"},
        ],
        "tools": [{"type": "function", "name": "exec_command", "description": "d", "strict": false, "parameters": {"type": "object"}}],
        "tool_choice": "auto", "parallel_tool_calls": true,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": false, "stream": true,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199", "text": {"verbosity": "low"},
        "client_metadata": {"x-codex-installation-id": "1"},
    }));
    let request = asked.request;
    let messages = request.messages.iter();
    let parts = messages.clone().flat_map(|message| &message.parts);
    let extras = messages
        .map(|message| &message.extra)
        .chain(parts.map(|part| &part.extra))
        .chain([&request.extra]);
    let incidental = OpenAiResponses.incidental();
    let lost: Vec<&str> = extras
        .flat_map(|extra| extra.foreign_to("anthropic"))
        .filter(|name| !incidental.contains(name))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn tools_that_an_item_declares_are_tools_and_the_item_stays() {
    let body = json!({
        "model": "gpt-6",
        "input": [
            {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [
                {"type": "namespace", "name": "functions", "description": "", "tools": [
                    {"type": "custom", "name": "exec", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
                    {"type": "function", "name": "wait", "strict": false, "parameters": {"type": "object", "properties": {}}},
                ]},
                {"type": "web_search"},
            ]},
            {"type": "message", "role": "user", "content": "hi"},
        ],
        "tools": [{"type": "function", "name": "more"}],
    });
    let read = asked(body.clone());
    assert_eq!(read.request.tools.len(), 4);
    assert_eq!(read.call.custom_tools, ["functions__exec"]);
    assert!(read.request.function("functions__wait").is_some());
    assert_eq!(written(read.request.clone()).0, body);

    for provider in DIALECTS {
        if provider.name() == "openai_responses" {
            continue;
        }
        let target = Target {
            model: "m",
            quirks: &Quirks::default(),
            operation: Operation::Generate,
        };
        let sent =
            translate::request(read.request.clone(), &OpenAiResponses, *provider, &target).unwrap();
        let dropped = sent.written.dropped.names();
        assert!(dropped.contains(&"web_search".to_owned()));
        assert!(!dropped.contains(&"additional_tools".to_owned()));
        let body = String::from_utf8(sent.written.body).unwrap();
        assert!(body.contains("functions__exec") && !body.contains("at_1"));
        let is_empty = ["\"\"", "[]"].map(|none| body.contains(&format!("\"content\":{none}")));
        assert_eq!(is_empty, [false, false], "{body}");
        assert!(!body.contains("\"parts\":[]"));
    }

    let events = vec![
        Event::Open {
            choice: 0,
            block: 0,
            part: Part::new(Content::ToolCall(ToolCall {
                name: "functions__exec".into(),
                arguments: "1".into(),
                is_custom: true,
                ..ToolCall::default()
            })),
        },
        Event::Close {
            choice: 0,
            block: 0,
        },
        Event::Done,
    ];
    let whole = answered(assembled(&events), &read.call);
    assert_eq!(whole["output"][0]["namespace"], "functions");
    assert_eq!(whole["output"][0]["name"], "exec");
    assert_eq!(whole.get("additional_tools"), None);
    let frames = streamed(events, &read.call);
    let item = frames.iter().find(|frame| frame.get("item").is_some());
    assert_eq!(item.unwrap()["item"]["namespace"], "functions");
    assert_eq!(item.unwrap()["item"]["name"], "exec");
}
