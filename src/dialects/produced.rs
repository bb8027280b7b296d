//! Counts what a provider says in a stream that passes through, in case it breaks before the provider
//! tells its usage. An event is looked at once, from the member on that holds what is new.

use std::sync::LazyLock;

use memchr::{memchr2, memmem::Finder};

use crate::chat::estimate::Counter;

/// Where a dialect's events have their text.
pub struct Produced {
    /// The member that holds what is new, in its quotes.
    pub member: LazyLock<Finder<'static>>,
    /// The members of it whose strings are what the model said.
    pub texts: &'static [&'static str],
    /// The members of it that it said as a whole, whatever they are.
    pub wholes: &'static [&'static str],
    /// The members of it that say again what others do.
    pub repeated: &'static [&'static str],
}

impl Produced {
    /// Adds what whole events say.
    pub fn count(&self, events: &[u8], counter: &mut Counter) {
        let mut rest = events;
        while let Some(at) = self.member.find(rest) {
            let behind = at + self.member.needle().len();
            rest = rest.get(behind..).unwrap_or_default();
            let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
                continue;
            };
            let value = value.trim_ascii_start();
            rest = match value.strip_prefix(b"\"") {
                Some(inside) => {
                    let (text, rest) = string(inside);
                    counter.push_json(text);
                    rest
                }
                None => self.walk(value, counter),
            };
        }
    }

    /// Adds what an object or a list says that the bytes begin with; gives back what is behind it.
    fn walk<'b>(&self, bytes: &'b [u8], counter: &mut Counter) -> &'b [u8] {
        let (mut rest, mut depth) = (bytes, 0_usize);
        let mut is_text = false;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return rest;
                    }
                }
                b'"' => {
                    let (inside, behind) = string(rest);
                    rest = behind;
                    match behind.trim_ascii_start().strip_prefix(b":") {
                        None if is_text => counter.push_json(inside),
                        None => {}
                        Some(value) => {
                            is_text = is_in(self.texts, inside);
                            rest = value.trim_ascii_start();
                            let is_tree = matches!(rest.first(), Some(b'{' | b'['));
                            let is_whole = is_tree && is_in(self.wholes, inside);
                            if is_whole || (is_tree && is_in(self.repeated, inside)) {
                                let behind = skip(rest);
                                let all = rest.len() - behind.len();
                                if is_whole {
                                    counter.push(rest.get(..all).unwrap_or_default());
                                }
                                rest = behind;
                            }
                        }
                    }
                }
                // A number or a word, white space, or a comma: nothing that a model says.
                _ if depth == 0 => return rest,
                _ => {}
            }
        }
        rest
    }
}

fn is_in(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

/// The inside of a string whose opening quote is before these bytes, and what is behind it.
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| memchr2(b'"', b'\\', rest))
    {
        let at = from + found;
        if bytes.get(at) == Some(&b'"') {
            let (inside, rest) = bytes.split_at(at);
            return (inside, rest.get(1..).unwrap_or_default());
        }
        from = at + 2;
    }
    (bytes, &[])
}

/// What is behind the object or the list that the bytes begin with.
fn skip(bytes: &[u8]) -> &[u8] {
    let (mut rest, mut depth) = (bytes, 0_usize);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'"' => rest = string(rest).1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return rest,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{chat::estimate, dialects::by_name};

    /// What is counted of `events` in that dialect is what is counted of `said`.
    fn check(dialect: &str, events: &str, said: &str) {
        let mut counter = Counter::default();
        let produced = by_name(dialect).unwrap().produced().unwrap();
        produced.count(events.as_bytes(), &mut counter);
        assert_eq!(counter.tokens(), estimate::text(said), "{events}");
    }

    #[test]
    fn what_a_model_says_is_found_in_the_events_of_each_dialect() {
        check(
            "openai_chat",
            r#"data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"Say \"hi\"\n"},"finish_reason":null}],"model":"one two"}

data: {"choices":[{"delta": {"reasoning_content":"think","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]}}],"usage":null}

data: {"choices":[{"delta":{}}]}

"#,
            "Say \"hi\"\nthinkf{\"a\":",
        );
        check(
            "openai_chat",
            r#"data: {"choices":[{"delta":{"reasoning":"abc","reasoning_details":[{"type":"reasoning.text","text":"abc"}]}}]}"#,
            "abc",
        );
        check(
            "openai_chat",
            r#"data: {"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"one"}]},{"type":"text","text":" two"}]}}]}"#,
            "one two",
        );
        check(
            "openai_responses",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\",\"obfuscation\":\"xyz\"}\n\n",
            "Hello",
        );
        check(
            "anthropic",
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}

data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#,
            "Hello{\"a\"",
        );
        check(
            "gemini",
            r#"data: {"candidates": [{"content": {"parts": [{"text": "Hello"},{"functionCall": {"name": "f","args": {"city":"Rome"}},"thoughtSignature":"abc"}],"role": "model"}}]}"#,
            "Hellof{\"city\":\"Rome\"}",
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(text in "[a\"\\\\:{}\\[\\], ]{0,60}", cut in 0_usize..80) {
            let produced = by_name("openai_chat").unwrap().produced().unwrap();
            let event = format!("data: {{\"delta\":{text}");
            let mut counter = Counter::default();
            produced.count(&event.as_bytes()[..cut.min(event.len())], &mut counter);
        }
    }
}
