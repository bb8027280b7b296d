use super::{results::SEE_BELOW, *};
use crate::chat::{
    extra::Opaque,
    id::IdRule,
    part::{Media, MediaKind, Source, Thinking, ToolCall, ToolResult},
};

fn call(id: &str) -> Part {
    Part::new(Content::ToolCall(ToolCall {
        id: Some(id.into()),
        name: "f".into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    }))
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult {
        call_id: Some(id.into()),
        content,
        ..ToolResult::default()
    }))
}

fn picture() -> Part {
    Part::new(Content::Media(Media {
        kind: MediaKind::Image,
        source: Source::from_url("https://x.y/z.png".into()),
        name: None,
        detail: None,
    }))
}

fn says(role: Role, text: &str) -> Message {
    Message::new(role, vec![Part::text(text)])
}

fn written(messages: Vec<Message>, quirks: &Quirks) -> (Value, Vec<String>) {
    let (list, lost) = write(messages, "m", quirks, false);
    let lost = lost.names().to_vec();
    (list.into(), lost)
}

#[test]
fn results_in_a_users_message_come_before_it_and_their_pictures_go_into_it() {
    let user = vec![
        result("a", vec![Part::text("x"), Part::text("y"), picture()]),
        result("b", vec![picture()]),
        Part::text("well?"),
    ];
    let messages = vec![
        Message::new(Role::Assistant, vec![call("a"), call("b")]),
        Message::new(Role::User, user),
    ];
    let (list, lost) = written(messages, &Quirks::default());
    assert_eq!(
        list[1],
        json!({"role": "tool", "tool_call_id": "a", "content": "x\ny"})
    );
    assert_eq!(list[2]["content"], SEE_BELOW);
    let kinds: Vec<&Value> = list[3]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["type"])
        .collect();
    assert_eq!(kinds, ["image_url", "image_url", "text"]);
    assert!(lost.is_empty());
}

#[test]
fn a_breakpoint_behind_a_result_that_says_nothing_is_reported() {
    let mut silent = result("a", Vec::new());
    silent.cache = Some(json!({"type": "ephemeral"}));
    let quirks = Quirks {
        cache_control: true,
        ..Quirks::default()
    };
    let (_, lost) = written(vec![Message::new(Role::Tool, vec![silent])], &quirks);
    assert_eq!(lost, ["cache_control"]);
}

#[test]
fn pictures_of_the_last_result_get_a_message_of_their_own() {
    let messages = vec![
        Message::new(Role::Assistant, vec![call("a")]),
        Message::new(Role::Tool, vec![result("a", vec![picture()])]),
    ];
    let (list, _) = written(messages, &Quirks::default());
    assert_eq!(list[2]["role"], "user");
    assert_eq!(list[2]["content"][0]["type"], "image_url");
}

#[test]
fn a_failure_is_reported_unless_the_text_says_so() {
    for (text, expected) in [
        ("Error: none", vec![]),
        ("42", vec!["tool_result.is_error"]),
    ] {
        let mut failed = result("a", vec![Part::text(text)]);
        if let Content::ToolResult(result) = &mut failed.content {
            result.is_error = true;
        }
        let (_, lost) = written(
            vec![Message::new(Role::Tool, vec![failed])],
            &Quirks::default(),
        );
        assert_eq!(lost, expected);
    }
}

#[test]
fn calls_are_gathered_and_results_stand_directly_behind_them() {
    let messages = vec![
        Message::new(Role::Assistant, vec![call("a")]),
        Message::new(Role::Assistant, vec![call("b")]),
        Message::new(Role::Tool, vec![result("a", vec![Part::text("1")])]),
        says(Role::User, "hurry"),
        Message::new(Role::Tool, vec![result("b", vec![Part::text("2")])]),
    ];
    let (list, _) = written(messages, &Quirks::default());
    let roles: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["role"])
        .collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user"]);
    assert_eq!(list[0]["tool_calls"].as_array().unwrap().len(), 2);
}

#[test]
fn instructions_go_where_the_server_allows_them() {
    let messages = || {
        vec![
            says(Role::System, "a"),
            says(Role::Developer, "b"),
            says(Role::User, "c"),
            says(Role::Developer, "d"),
        ]
    };
    let (list, _) = written(messages(), &Quirks::default());
    let roles = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|it| it["role"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(roles(&list), ["system", "user", "system"]);
    let newer = Quirks {
        developer_role: true,
        ..Quirks::default()
    };
    let (list, _) = written(messages(), &newer);
    assert_eq!(roles(&list), ["system", "developer", "user", "developer"]);
    let strict = Quirks {
        late_system: false,
        ..Quirks::default()
    };
    let (list, _) = written(messages(), &strict);
    assert_eq!(roles(&list), ["system", "user", "user"]);
    assert_eq!(list[0]["content"], "a\n\nb");
    assert_eq!(list[2]["content"], "d");
}

#[test]
fn mistral_has_rules_of_its_own() {
    let mistral = Quirks {
        tool_ids: IdRule::Nine,
        assistant_after_tool: true,
        prefix: true,
        ..Quirks::default()
    };
    let messages = vec![
        Message::new(Role::Assistant, vec![call("toolu_1")]),
        Message::new(Role::Tool, vec![result("toolu_1", vec![Part::text("1")])]),
        says(Role::User, "well?"),
        says(Role::Assistant, "It is"),
    ];
    let (list, _) = written(messages, &mistral);
    let id = list[0]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!((id.len(), &list[1]["tool_call_id"]), (9, &json!(id)));
    assert_eq!(list[2], json!({"role": "assistant", "content": BRIDGE}));
    assert_eq!(
        list[4],
        json!({"role": "assistant", "content": "It is", "prefix": true})
    );
}

#[test]
fn thoughts_that_cannot_go_back_are_reported_and_leave_no_empty_message() {
    let thought = Part::new(Content::Thinking(Thinking {
        text: "hm".into(),
        ..Thinking::default()
    }));
    let messages = vec![
        says(Role::User, "a"),
        Message::new(Role::Assistant, vec![thought]),
    ];
    let (list, lost) = written(messages, &Quirks::default());
    assert_eq!(
        (list.as_array().unwrap().len(), lost),
        (1, vec!["thinking".to_owned()])
    );
}

#[test]
fn openrouters_details_say_whose_they_are() {
    let thought = Part::new(Content::Thinking(Thinking {
        opaque: Some(Opaque {
            dialect: "openai_chat",
            data: "s".into(),
        }),
        is_redacted: true,
        ..Thinking::default()
    }));
    let quirks = Quirks {
        reasoning_back: ReasoningBack::Details,
        ..Quirks::default()
    };
    let messages = vec![Message::new(Role::Assistant, vec![thought])];
    let (list, _) = write(messages, "anthropic/claude", &quirks, false);
    let expected =
        json!([{"type": "reasoning.encrypted", "data": "s", "format": "anthropic-claude-v1"}]);
    assert_eq!(list[0]["reasoning_details"], expected);
}

#[test]
fn other_dialects_instructions_are_one_message_for_plain_servers() {
    let messages = || {
        vec![
            says(Role::System, "a"),
            says(Role::Developer, "b"),
            says(Role::User, "hi"),
            says(Role::System, "c"),
        ]
    };
    let (list, _) = written(messages(), &Quirks::default());
    let expected = json!([
        {"role": "system", "content": "a\n\nb"},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "c"},
    ]);
    assert_eq!(list, expected);
    let openai = Quirks {
        developer_role: true,
        ..Quirks::default()
    };
    let (list, _) = written(messages(), &openai);
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    let (own, _) = write(messages(), "m", &Quirks::default(), true);
    assert_eq!(own.len(), 4);
}

#[test]
fn a_strict_server_gets_thoughts_under_its_own_name_and_no_member_that_it_refuses() {
    let quirks = |back, members: &[&str]| Quirks {
        reasoning_back: back,
        reasoning_models: vec!["thinker-*".into()],
        message_members: members.iter().map(|name| (*name).to_owned()).collect(),
        ..Quirks::default()
    };
    let groq = quirks(
        ReasoningBack::Reasoning,
        &["role", "content", "tool_calls", "reasoning"],
    );
    let mistral = quirks(ReasoningBack::Parts, &["role", "content", "tool_calls"]);
    let said = json!({"role": "assistant", "content": "a", "reasoning_content": "hm", "refusal": null,
        "annotations": [], "mood": "good"});
    let silent = json!({"role": "assistant", "content": null, "reasoning_content": "hm"});
    let blank = json!({"role": "assistant", "content": "a", "reasoning": ""});
    let again = |model, quirks: &Quirks| {
        let messages =
            super::super::messages::read(vec![said.clone(), silent.clone(), blank.clone()]);
        let (list, lost) = write(messages.unwrap(), model, quirks, true);
        (Value::from(list), lost.names().to_vec())
    };
    let (list, lost) = again("thinker-1", &groq);
    let expected = json!([
        {"role": "assistant", "content": "a", "reasoning": "hm"},
        {"role": "assistant", "content": "", "reasoning": "hm"},
        {"role": "assistant", "content": "a", "reasoning": ""},
    ]);
    assert_eq!((list, lost), (expected, vec!["mood".to_owned()]));
    let (list, _) = again("thinker-1", &mistral);
    let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
    let expected = json!([
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [thinking]},
        {"role": "assistant", "content": "a"},
    ]);
    assert_eq!(list, expected);
    for quirks in [groq, mistral] {
        let (list, lost) = again("other", &quirks);
        let expected = json!([
            {"role": "assistant", "content": "a"},
            {"role": "assistant", "content": "a"},
        ]);
        assert_eq!(
            (list, lost),
            (expected, vec!["mood".into(), "thinking".to_owned()])
        );
    }
}
