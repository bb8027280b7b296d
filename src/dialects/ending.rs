//! Whether an answer, as its caller got it, is whole and may be given again: it says why it ended, and that
//! reason is one of its own. Found in the bytes from their end, for this runs on every answer that is kept.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::scan::{as_text, scan};

/// An error object. Inside a string its quotes would be escaped.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\":{"));

/// How a dialect says why an answer ended.
#[derive(Debug)]
pub struct Ending {
    /// The member that says so, in quotes.
    pub name: &'static str,
    /// Reasons of answers that are whole: neither filtered nor broken off.
    pub good: &'static [&'static str],
    /// What a stream says last.
    pub last: Option<&'static str>,
    /// Whether it is a member of the outermost object of an answer that is not streamed.
    pub is_outermost: bool,
}

impl Ending {
    /// Whether `body` is whole.
    pub fn is_whole(&self, body: &[u8], stream: bool) -> bool {
        if has_error(body) {
            return false;
        }
        if stream
            && let Some(last) = self.last
            && memmem::rfind(body, last.as_bytes()).is_none()
        {
            return false;
        }
        let reason = match self.is_outermost && !stream {
            true => scan(body)
                .ok()
                .and_then(|members| members.value(self.name.trim_matches('"'))),
            false => last_text(body, self.name),
        };
        let reason = reason.and_then(as_text);
        reason.is_some_and(|reason| self.good.contains(&reason.as_ref()))
    }
}

/// Whether an answer holds an error object.
pub fn has_error(body: &[u8]) -> bool {
    ERROR.find(body).is_some()
}

/// The last value of that name that is a string.
fn last_text<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut before = body;
    while let Some(at) = memmem::rfind(before, name.as_bytes()) {
        let rest = body.get(at + name.len()..)?.trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        if let Some(value) = value.filter(|value| value.starts_with(b"\"")) {
            let end = value.iter().skip(1).position(|byte| *byte == b'"')?;
            return value.get(..end + 2);
        }
        before = body.get(..at)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::dialects::by_name;

    fn is_whole(dialect: &str, body: &str, stream: bool) -> bool {
        let ending = by_name(dialect).unwrap().ending().unwrap();
        ending.is_whole(body.as_bytes(), stream)
    }

    #[test]
    fn an_answer_with_a_reason_of_its_own_is_whole() {
        for (dialect, body, stream) in [
            (
                "openai_chat",
                r#"{"choices":[{"message":{},"finish_reason": "stop"}]}"#,
                false,
            ),
            (
                "openai_chat",
                "data: {\"choices\":[{\"finish_reason\":\"tool_calls\"}]}\n\ndata: {\"choices\":[{\"finish_reason\":null}],\"usage\":{}}\n\ndata: [DONE]\n\n",
                true,
            ),
            (
                "anthropic",
                r#"{"stop_reason":"end_turn","stop_sequence":null}"#,
                false,
            ),
            (
                "anthropic",
                "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
                true,
            ),
            (
                "openai_responses",
                r#"{"status":"completed","error":null,"output":[{"status":"completed"}]}"#,
                false,
            ),
            (
                "openai_responses",
                "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n",
                true,
            ),
            (
                "gemini",
                r#"{"candidates":[{"finishReason": "MAX_TOKENS"}]}"#,
                false,
            ),
            ("ollama", "{\"done\":true,\"done_reason\":\"stop\"}\n", true),
        ] {
            assert!(is_whole(dialect, body, stream), "{dialect}: {body}");
        }
    }

    #[test]
    fn filtered_failed_and_cut_answers_are_not() {
        for (dialect, body, stream) in [
            (
                "openai_chat",
                r#"{"choices":[{"finish_reason":"content_filter"}]}"#,
                false,
            ),
            (
                "openai_chat",
                r#"{"choices":[{"finish_reason":null}]}"#,
                false,
            ),
            (
                "openai_chat",
                "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: {\"error\":{\"message\":\"\"}}\n\n",
                true,
            ),
            (
                "openai_chat",
                r#"{"choices":[{"message":{"content":"\"finish_reason\":\"stop\""}}]}"#,
                false,
            ),
            ("anthropic", r#"{"stop_reason":"refusal"}"#, false),
            ("anthropic", r#"{"stop_reason":"pause_turn"}"#, false),
            (
                "anthropic",
                "data: {\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
                true,
            ),
            (
                "openai_responses",
                r#"{"status":"incomplete","output":[{"status":"completed"}]}"#,
                false,
            ),
            (
                "openai_responses",
                "data: {\"type\":\"response.incomplete\",\"response\":{\"status\":\"completed\"}}\n\n",
                true,
            ),
            (
                "gemini",
                r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
                false,
            ),
            (
                "gemini",
                r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
                false,
            ),
            ("ollama", "{\"done\":false}\n", true),
        ] {
            assert!(!is_whole(dialect, body, stream), "{dialect}: {body}");
        }
    }
}
