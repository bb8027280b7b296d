//! Chat requests of a given size, in the two shapes that matter to a parser: prose (a few long
//! strings with escapes) and an agent's (many tools and short strings). The parse bench uses them too.

#![allow(
    dead_code,
    reason = "the parse bench includes this file, and each uses a part"
)]

use std::fmt::Write as _;

/// Before the ten digits that tell requests apart.
pub(crate) const SEED: &str = "\"seed\":";
/// The same in a body without a seed: in its text.
pub(crate) const STAMP: &str = "stamp ";

const PROSE: &str = "The gateway reads the body once, finds the model and sends it on.\\n\\nA \
                     \\\"quoted\\\" word, a path C:\\\\temp and a tab\\tstand in it, as in any \
                     pasted log or source file; naïve façades — too. ";

/// What a request asks of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One JSON document.
    Plain,
    /// A stream of events.
    Stream {
        /// How many events.
        chunks: u64,
        /// Microseconds before each.
        gap_us: u64,
    },
    /// A stream that stays open after its first event until the upstream is told to go on.
    Held,
}

/// A conversation in prose of about `bytes` bytes, never fewer than its frame needs.
pub(crate) fn prose(bytes: usize, answer: Answer) -> String {
    let mut body = opening(answer);
    body.push_str(
        "\"messages\":[{\"role\":\"system\",\"content\":\"You are a careful engineer.\"}",
    );
    turns(&mut body, bytes);
    body
}

/// The same as an Anthropic client sends it. What tells requests apart, and what the upstream is to
/// do, stand in the text, so that no translation drops them.
pub(crate) fn anthropic(bytes: usize, answer: Answer) -> String {
    let orders = match answer {
        Answer::Plain => String::new(),
        Answer::Stream { chunks, gap_us } => {
            format!(" bench_chunks {chunks} bench_gap_us {gap_us}")
        }
        Answer::Held => " bench_chunks 2 bench_hold 1".into(),
    };
    let stream = answer != Answer::Plain;
    let mut body = format!(
        "{{\"model\":\"gpt-4o-mini\",\"max_tokens\":1024,\"temperature\":0.0,\"stream\":{stream},\
         \"system\":\"You are a careful engineer. {STAMP}1000000000{orders}\",\"messages\":[\
         {{\"role\":\"user\",\"content\":\"Look at this.\"}},\
         {{\"role\":\"assistant\",\"content\":\"Show me.\"}}"
    );
    turns(&mut body, bytes);
    body
}

/// Turns until the body has its size, and the body's end.
fn turns(body: &mut String, bytes: usize) {
    // Turns of at most 16 KB, as of a long conversation with pasted files.
    let mut role = "user";
    while body.len() + 80 < bytes {
        let turn = (bytes - body.len() - 48).min(16 << 10);
        let _ = write!(body, ",{{\"role\":\"{role}\",\"content\":\"");
        fill(body, turn);
        body.push_str("\"}");
        role = if role == "user" { "assistant" } else { "user" };
    }
    body.push_str("]}");
}

/// An agent's request of about `bytes` bytes: half of it tool definitions, half short tool calls
/// and their results.
pub(crate) fn agent(bytes: usize, answer: Answer) -> String {
    let mut body = opening(answer);
    body.push_str("\"tools\":[");
    let mut index = 0;
    while body.len() < bytes / 2 {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"type\":\"function\",\"function\":{{\"name\":\"tool_{index}\",\
             \"description\":\"Reads a file.\",\"parameters\":{{\"type\":\"object\",\"properties\":{{\
             \"path\":{{\"type\":\"string\",\"description\":\"Where\"}},\"line\":{{\"type\":\
             \"integer\",\"minimum\":1}}}},\"required\":[\"path\"],\
             \"additionalProperties\":false}}}}}}"
        );
        index += 1;
    }
    body.push_str("],\"messages\":[{\"role\":\"user\",\"content\":\"Fix the test.\"}");
    let mut call = 0;
    while body.len() + 300 < bytes {
        let _ = write!(
            body,
            ",{{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"id\":\"call_{call}\",\
             \"type\":\"function\",\"function\":{{\"name\":\"tool_0\",\"arguments\":\
             \"{{\\\"path\\\":\\\"src/main.rs\\\",\\\"line\\\":{call}}}\"}}}}]}},{{\"role\":\"tool\",\
             \"tool_call_id\":\"call_{call}\",\"content\":\"fn main() {{\\n    run()\\n}}\"}}"
        );
        call += 1;
    }
    body.push_str("]}");
    body
}

/// The fields before the messages. Without a temperature an answer is one that caches keep; the
/// metadata tell the upstream what to do.
fn opening(answer: Answer) -> String {
    let mut body = format!("{{\"model\":\"gpt-4o-mini\",\"temperature\":0.0,{SEED}1000000000,");
    let orders = match answer {
        Answer::Plain => return body,
        Answer::Stream { chunks, gap_us } => {
            format!("\"bench_chunks\":\"{chunks}\",\"bench_gap_us\":\"{gap_us}\"")
        }
        Answer::Held => "\"bench_chunks\":\"2\",\"bench_hold\":\"1\"".into(),
    };
    let _ = write!(
        body,
        "\"stream\":true,\"stream_options\":{{\"include_usage\":true}},\"metadata\":{{{orders}}},"
    );
    body
}

fn fill(body: &mut String, bytes: usize) {
    let end = body.len() + bytes;
    while body.len() + PROSE.len() <= end {
        body.push_str(PROSE);
    }
    while body.len() < end {
        body.push('x');
    }
}
