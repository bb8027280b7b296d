//! What servers that take no member of a message on trust take of it: Mistral refuses any that it does not
//! know, be it `null`, and Groq thoughts under another server's name or for a model that has none.

use serde_json::{Map, Value, value::RawValue};

use super::INCIDENTAL;
use crate::{
    chat::target::{Quirks, Target},
    dialects::{
        openai_chat::thinking::TEXTS,
        scan::{as_text, scan},
    },
    pattern,
};

/// Whether the server takes earlier thoughts for `model`.
pub(super) fn takes_thoughts(quirks: &Quirks, model: &str) -> bool {
    let globs = &quirks.reasoning_models;
    globs.is_empty() || globs.iter().any(|glob| pattern::matches(glob, model))
}

/// Whether some of `messages`, as they stand in a body, has members that the server refuses.
pub(super) fn has_refused(messages: &[u8], target: &Target<'_>) -> bool {
    let quirks = target.quirks;
    if quirks.message_members.is_empty() {
        return false;
    }
    let has_thoughts = takes_thoughts(quirks, target.model);
    let messages: Vec<&RawValue> = serde_json::from_slice(messages).unwrap_or_default();
    messages.into_iter().any(|message| {
        let Ok(members) = scan(message.get().as_bytes()) else {
            return false;
        };
        let role = members.value("role").and_then(as_text).unwrap_or_default();
        let mut names = members.all().iter().map(|member| &*member.name);
        names.any(|name| !takes(quirks, has_thoughts, &role, name))
    })
}

/// Takes out of a message what the server refuses. Gives back the names of what is a loss.
pub(super) fn leave_out(
    message: &mut Map<String, Value>,
    quirks: &Quirks,
    has_thoughts: bool,
) -> Vec<String> {
    if quirks.message_members.is_empty() && has_thoughts {
        return Vec::new();
    }
    let role = message.get("role").and_then(Value::as_str);
    let role = role.unwrap_or_default().to_owned();
    let mut lost = Vec::new();
    message.retain(|name, value| {
        let is_taken = takes(quirks, has_thoughts, &role, name);
        if !is_taken && !value.is_null() && !INCIDENTAL.contains(&name.as_str()) {
            lost.push(name.clone());
        }
        is_taken
    });
    lost
}

fn takes(quirks: &Quirks, has_thoughts: bool, role: &str, name: &str) -> bool {
    if !has_thoughts && TEXTS.contains(&name) {
        return false;
    }
    let members = &quirks.message_members;
    members.is_empty()
        || members.iter().any(|known| match known.split_once('.') {
            Some((of, known)) => (of, known) == (role, name),
            None => known == name,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::target::Operation;

    fn refused(messages: &str, model: &str) -> bool {
        let quirks = Quirks {
            message_members: ["role", "content", "reasoning", "tool.name"]
                .map(str::to_owned)
                .into(),
            reasoning_models: vec!["thinker-*".into()],
            ..Quirks::default()
        };
        let target = Target {
            model,
            quirks: &quirks,
            operation: Operation::Generate,
        };
        has_refused(messages.as_bytes(), &target)
    }

    #[test]
    fn only_what_the_server_names_is_taken_and_thoughts_where_the_model_has_some() {
        for (message, is_refused) in [
            (r#"{"role":"user","content":"a"}"#, false),
            // What a text says is no member.
            (r#"{"role":"user","content":"{\"name\":1}"}"#, false),
            (r#"{"role":"user","content":"a","name":"x"}"#, true),
            (r#"{"role":"tool","content":"a","name":"x"}"#, false),
            (r#"{"role":"assistant","refusal":null}"#, true),
            (r#"{"role":"assistant","reasoning_content":""}"#, true),
            (r#"{"role":"assistant","reasoning":"hm"}"#, false),
        ] {
            let messages = format!("[{message}]");
            assert_eq!(refused(&messages, "thinker-1"), is_refused, "{message}");
        }
        assert!(refused(r#"[{"role":"assistant","reasoning":""}]"#, "other"));
        assert!(!refused("\"no list\"", "other"));
    }
}
