//! The event by which a client knows that a stream is over, whether or not its connection ends with it. Told
//! by the event's type, as the client tells it: what an answer's text says of such events does not count.

use std::iter;

use memchr::{memchr2, memmem};

use super::scan::{as_text, scan};

/// How a dialect's stream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// By the end of the answer alone.
    End,
    /// By an event that says only this.
    Text(&'static str),
    /// By an event of one of these types, which its `event` line names, or its data.
    Type(&'static [&'static str]),
    /// By a line of JSON in which this member is true.
    Flag(&'static str),
}

impl Closing {
    /// Whether it is among these events, which are whole.
    pub fn is_in(self, events: &[u8]) -> bool {
        let is_said = |text: &str| memmem::find(events, text.as_bytes()).is_some();
        match self {
            Closing::End => false,
            Closing::Text(text) => {
                lines(events).any(|line| field(line, b"data:") == Some(text.as_bytes()))
            }
            Closing::Type(types) => types
                .iter()
                .any(|name| is_said(name) && lines(events).any(|line| is_of_type(line, name))),
            Closing::Flag(name) => is_said(name) && lines(events).any(|line| is_true(line, name)),
        }
    }
}

fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..).unwrap_or_default();
        Some(line)
    })
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(name).map(<[u8]>::trim_ascii)
}

fn is_of_type(line: &[u8], name: &str) -> bool {
    if let Some(kind) = field(line, b"event:") {
        return kind == name.as_bytes();
    }
    let Some(data) = field(line, b"data:") else {
        return false;
    };
    if memmem::find(data, name.as_bytes()).is_none() {
        return false;
    }
    let kind = scan(data).ok().and_then(|members| members.value("type"));
    kind.and_then(as_text).is_some_and(|kind| kind == name)
}

fn is_true(line: &[u8], name: &str) -> bool {
    let value = scan(line).ok().and_then(|members| members.value(name));
    value.is_some_and(|value| value == b"true")
}

#[cfg(test)]
mod tests {
    use crate::dialects::{
        Dialect, anthropic::Anthropic, cohere::Cohere, ollama::Ollama, openai_chat::OpenAiChat,
        openai_responses::OpenAiResponses,
    };

    #[test]
    fn the_end_of_a_stream_is_told_however_it_is_written() {
        let openai: &dyn Dialect = &OpenAiChat;
        for (dialect, events) in [
            (openai, "data: [DONE]\n\n"),
            (openai, "data:[DONE]\r\n\r\n"),
            (openai, "data: {\"a\":1}\n\ndata: [DONE]\n\n"),
            (&Anthropic, "event: message_stop\ndata: {}\n\n"),
            (&Anthropic, "event:message_stop\ndata:{}\n\n"),
            (&Anthropic, "data: {\"type\": \"message_stop\"}\n\n"),
            (&OpenAiResponses, "event: response.completed\ndata: {}\n\n"),
            (
                &OpenAiResponses,
                "data: {\"response\":{},\"type\":\"response.completed\"}\n\n",
            ),
            (
                &OpenAiResponses,
                "data: {\"type\":\"error\",\"message\":\"no\"}\n\n",
            ),
            (&Cohere, "event: message-end\ndata: {}\n\n"),
            (&Cohere, "data: {\"type\":\"message-end\"}\n\n"),
            (
                &Ollama,
                "{\"done\":false}\n{\"model\":\"m\",\"done\":true}\n",
            ),
        ] {
            assert!(dialect.closing().is_in(events.as_bytes()), "{events}");
        }
    }

    #[test]
    fn text_that_speaks_of_the_end_is_not_it() {
        let openai: &dyn Dialect = &OpenAiChat;
        for (dialect, events) in [
            (openai, "data: {\"content\":\"data: [DONE]\"}\n\n"),
            (openai, "data: {\"content\":\"\\ndata: [DONE]\"}\n\n"),
            (&Anthropic, "event: message_delta\ndata: {}\n\n"),
            (
                &Anthropic,
                "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"message_stop\"}}\n\n",
            ),
            (
                &OpenAiResponses,
                "data: {\"type\":\"response.output_text.delta\",\"delta\":\"error\"}\n\n",
            ),
            (&Ollama, "{\"response\":\"done\",\"done\":false}\n"),
            (&Ollama, "{\"a\":{\"done\":true},\"done\":false}\n"),
        ] {
            assert!(!dialect.closing().is_in(events.as_bytes()), "{events}");
        }
    }
}
