//! Writes the conversation of a request, by the rules that servers have for who may speak when.

mod results;

use serde_json::{Map, Value, json};

use super::{messages::CACHE, strict};
use crate::{
    chat::{
        extra::Extra,
        part::{Content, Part},
        request::{Message, Role},
        target::{Quirks, ReasoningBack},
    },
    dialects::{
        Dropped,
        openai_chat::{
            NAME,
            marks::{fill, marked, members},
            message,
            parts::{self, Lost, Rules},
            thinking::DETAILS,
        },
    },
};

/// `role` and `content`.
const SILENT_MEMBERS: usize = 2;
/// What the assistant says where it must say something.
const BRIDGE: &str = "Ok.";

/// Writes `messages` for `model`. Gives them back with the names of what could not be said.
pub(super) fn write(
    mut messages: Vec<Message>,
    model: &str,
    quirks: &Quirks,
    is_own: bool,
) -> (Vec<Value>, Dropped) {
    if !is_own {
        merge_assistants(&mut messages);
    }
    if !quirks.late_system || !is_own && !quirks.developer_role {
        gather_instructions(&mut messages);
    }
    let mut writer = Writer {
        model,
        quirks,
        rules: Rules::provider(quirks, is_own),
        has_thoughts: strict::takes_thoughts(quirks, model),
        out: Vec::with_capacity(messages.len()),
        pending: Vec::new(),
        has_begun: false,
        lost: Vec::new(),
        dropped: Dropped::default(),
    };
    messages
        .into_iter()
        .for_each(|message| writer.push(message));
    writer.finish()
}

/// Makes the instructions at the beginning one message: the templates of most open models take one,
/// and servers that allow them there only, mostly allow one.
fn gather_instructions(messages: &mut Vec<Message>) {
    let is_instruction = |message: &Message| is_instruction(message.role);
    let count = messages.iter().take_while(|it| is_instruction(it)).count();
    if count < 2 {
        return;
    }
    let later: Vec<Part> = messages
        .drain(1..count)
        .flat_map(|message| message.parts)
        .collect();
    if let Some(first) = messages.first_mut() {
        first.parts.extend(later);
        join_texts(&mut first.parts);
    }
}

/// Makes texts one, unless a cache breakpoint stands between them.
fn join_texts(parts: &mut Vec<Part>) {
    let is_plain = |part: &Part| {
        part.as_text().is_some() && part.cache.is_none() && part.extra.of(NAME).is_none()
    };
    if parts.iter().all(is_plain) {
        let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
        let said: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        *parts = vec![Part::text(said.join("\n\n"))];
    }
}

/// Makes neighbouring messages of the assistant's one: every call must be in the message before the
/// results.
fn merge_assistants(messages: &mut Vec<Message>) {
    let both =
        |one: &Message, next: &Message| (one.role, next.role) == (Role::Assistant, Role::Assistant);
    messages.dedup_by(|next, one| {
        let is_one = both(one, next);
        if is_one {
            one.parts.append(&mut next.parts);
        }
        is_one
    });
}

fn is_instruction(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

struct Writer<'a> {
    model: &'a str,
    quirks: &'a Quirks,
    rules: Rules<'a>,
    /// Whether the model takes earlier thoughts.
    has_thoughts: bool,
    out: Vec<Value>,
    /// What tools gave besides text, which their messages cannot hold: it goes to the user's next.
    pending: Vec<Part>,
    /// Whether anyone has spoken yet.
    has_begun: bool,
    lost: Lost,
    /// Members of messages that the server refuses.
    dropped: Dropped,
}

impl Writer<'_> {
    fn push(&mut self, mut message: Message) {
        self.has_begun |= !is_instruction(message.role);
        let beside = self.take_cache(&mut message);
        match message.role {
            Role::System | Role::Developer if self.has_begun && !self.quirks.late_system => {
                self.say("user", message.parts, message.name, message.extra, beside);
            }
            Role::Developer if self.quirks.developer_role => {
                self.say(
                    "developer",
                    message.parts,
                    message.name,
                    message.extra,
                    beside,
                );
            }
            Role::System | Role::Developer => {
                self.say("system", message.parts, message.name, message.extra, beside);
            }
            Role::User => self.user(message, beside),
            Role::Assistant => self.assistant(message, beside),
            Role::Tool => self.results(message, beside),
        }
    }

    /// Takes the breakpoint that came beside the content.
    fn take_cache(&mut self, message: &mut Message) -> Option<Value> {
        if marked(&message.extra) != Some(CACHE) {
            return None;
        }
        let cache = message.parts.last_mut()?.cache.take();
        if !self.rules.has_cache() {
            self.lost.push("cache_control");
            return None;
        }
        cache
    }

    /// A user's message. Results of tools in it come before it, in messages of their own.
    fn user(&mut self, mut message: Message, beside: Option<Value>) {
        let is_result = |part: &Part| matches!(part.content, Content::ToolResult(_));
        if message.parts.iter().any(is_result) {
            let (results, said) = message.parts.into_iter().partition(is_result);
            self.results(Message::new(Role::Tool, results), None);
            message.parts = said;
            if message.parts.is_empty() {
                return;
            }
        }
        self.say("user", message.parts, message.name, message.extra, beside);
    }

    fn say(
        &mut self,
        role: &str,
        mut said: Vec<Part>,
        name: Option<String>,
        mut extra: Extra,
        beside: Option<Value>,
    ) {
        if role == "user" {
            let mut pending = std::mem::take(&mut self.pending);
            if !pending.is_empty() {
                pending.append(&mut said);
                said = pending;
            }
            self.bridge();
        } else {
            self.flush();
        }
        let content = parts::content(said, &self.rules, &mut self.lost);
        if content == "" && role != "user" && !self.rules.is_own {
            // Instructions that say nothing.
            return;
        }
        let mut out = Map::with_capacity(4);
        out.insert("role".into(), role.into());
        out.insert("content".into(), content);
        self.end(out, name, beside, &mut extra);
    }

    /// Lets the assistant speak between a tool and the user, where it must.
    fn bridge(&mut self) {
        let role = self.out.last().and_then(|last| last.get("role"));
        if self.quirks.assistant_after_tool && role.is_some_and(|role| role == "tool") {
            self.out
                .push(json!({"role": "assistant", "content": BRIDGE}));
        }
    }

    /// Says what waits for the user's next message in one of its own.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.say("user", Vec::new(), None, Extra::default(), None);
        }
    }

    fn end(
        &mut self,
        mut out: Map<String, Value>,
        name: Option<String>,
        beside: Option<Value>,
        extra: &mut Extra,
    ) {
        match name {
            Some(_) if self.quirks.refuses("name") => self.lost.push("name"),
            Some(name) => {
                out.insert("name".into(), name.into());
            }
            None => {}
        }
        if let Some(cache) = beside {
            out.insert("cache_control".into(), cache);
        }
        fill(&mut out, members(extra));
        for name in strict::leave_out(&mut out, self.quirks, self.has_thoughts) {
            self.dropped.add(&name);
        }
        self.out.push(Value::Object(out));
    }

    fn assistant(&mut self, mut message: Message, beside: Option<Value>) {
        self.flush();
        let had_thoughts = !self.has_thoughts && self.leave_thoughts(&mut message.parts);
        let (mut out, lost) = message::write(message.parts, &self.rules);
        self.lost.extend(lost);
        if self.quirks.reasoning_back == ReasoningBack::Details {
            name_formats(&mut out, self.model);
        }
        let extra = members(&mut message.extra);
        let is_empty = out.get("content").is_some_and(Value::is_null);
        let says = ["tool_calls", "function_call", "refusal", "audio"];
        let is_silent = is_empty && !says.iter().any(|name| out.contains_key(*name));
        let is_left = !self.rules.is_own || had_thoughts;
        if is_silent && is_left && out.len() == SILENT_MEMBERS {
            // Nothing of it could be said, and an empty message is refused by many.
            return;
        }
        if is_silent && !extra.contains_key("content") {
            out.insert("content".into(), "".into());
        }
        fill(&mut out, extra);
        self.end(out, message.name, beside, &mut Extra::default());
    }

    /// Takes out thoughts, where the model takes none back. Gives back whether there were any.
    fn leave_thoughts(&mut self, parts: &mut Vec<Part>) -> bool {
        let before = parts.len();
        parts.retain(|part| !matches!(part.content, Content::Thinking(_)));
        let had_some = parts.len() < before;
        if had_some {
            self.lost.push("thinking");
        }
        had_some
    }

    fn finish(mut self) -> (Vec<Value>, Dropped) {
        self.flush();
        if self.quirks.prefix
            && let Some(Value::Object(last)) = self.out.last_mut()
            && last.get("role").is_some_and(|role| role == "assistant")
            && !last.contains_key("tool_calls")
        {
            last.insert("prefix".into(), true.into());
        }
        self.lost.iter().for_each(|name| self.dropped.add(name));
        (self.out, self.dropped)
    }
}

/// Says whose form OpenRouter's details have, where a caller of another dialect could not keep it.
fn name_formats(message: &mut Map<String, Value>, model: &str) {
    let format = match model.split('/').next() {
        Some("anthropic") => "anthropic-claude-v1",
        Some("google") => "google-gemini-v1",
        Some("openai") => "openai-responses-v1",
        Some("x-ai") => "xai-responses-v1",
        _ => return,
    };
    let Some(Value::Array(details)) = message.get_mut(DETAILS) else {
        return;
    };
    for detail in details.iter_mut().filter_map(Value::as_object_mut) {
        detail.entry("format").or_insert_with(|| format.into());
    }
}

#[cfg(test)]
mod tests;
