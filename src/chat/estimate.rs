//! How many tokens a request has, about: where nobody counts exactly. A tokenizer itself would be larger
//! than all of the gateway, and slower than what it serves; `docs/pricing.md` has the numbers.

mod counter;

pub use counter::Counter;

use super::{
    part::{Content, Part},
    request::{ChatRequest, Tool},
};

/// What a message costs besides its text.
const PER_MESSAGE: u64 = 4;
/// What a picture or a page costs, about, at usual sizes.
const PER_MEDIA: u64 = 1000;

/// The tokens of a request's prompt, estimated.
pub fn tokens(request: &ChatRequest) -> u64 {
    let messages: u64 = request
        .messages
        .iter()
        .map(|message| PER_MESSAGE + parts(&message.parts))
        .sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    messages + tools
}

/// The tokens of a text, estimated.
pub fn text(text: &str) -> u64 {
    let mut counter = Counter::default();
    counter.push(text.as_bytes());
    counter.tokens()
}

fn parts(all: &[Part]) -> u64 {
    all.iter().map(part).sum()
}

fn part(part: &Part) -> u64 {
    match &part.content {
        Content::Text(content) => text(&content.text),
        Content::Refusal(content) => text(content),
        Content::Thinking(thinking) => text(&thinking.text),
        Content::Media(_) => PER_MEDIA,
        Content::ToolCall(call) => text(&call.name) + text(&call.arguments) + PER_MESSAGE,
        Content::ToolResult(result) => parts(&result.content) + PER_MESSAGE,
        Content::Native(native) => text(&native.value.to_string()),
    }
}

fn tool(tool: &Tool) -> u64 {
    let described = |name: &str, description: &Option<String>| {
        text(name) + description.as_deref().map_or(0, text) + PER_MESSAGE
    };
    match tool {
        Tool::Function(function) => {
            let schema = function.parameters.as_ref().map(ToString::to_string);
            described(&function.name, &function.description) + schema.as_deref().map_or(0, text)
        }
        Tool::Custom(custom) => described(&custom.name, &custom.description),
        Tool::Native(native) => text(&native.value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::request::{Message, Role};

    #[test]
    fn a_message_costs_more_than_its_text() {
        assert_eq!(text("four and more"), 3);
        let message = Message::new(Role::User, vec![Part::text("four and more")]);
        let request = ChatRequest {
            messages: vec![message],
            ..ChatRequest::default()
        };
        assert_eq!(tokens(&request), 7);
    }
}
