//! What a provider does wrong, and what it says where it does nothing wrong.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::support::{Ending, Script, openai};

/// What a good provider says.
pub const GOOD: &str = "word 0 word 1 word 2 ";
/// What has been said when a stream breaks.
pub const HALF: &str = "word 0 word 1 ";
/// The `Retry-After` of those faults that have one, in seconds.
pub const RETRY_AFTER: &str = "7";

/// A column of the matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Refused,
    Reset,
    StallBeforeHead,
    StallMidStream,
    /// 429 with `Retry-After`.
    RateLimited,
    /// 500.
    ServerError,
    /// 503 with `Retry-After`.
    Unavailable,
    /// 529.
    Overloaded,
    NotHttp,
    /// A 200 with a page of HTML, named as such.
    WebPage,
    /// A 200 that calls itself JSON.
    NotJson,
    Truncated,
}

impl Fault {
    /// How it is done; `None` where nobody listens.
    pub fn script(self, stream: bool) -> Option<Script> {
        let error = |status| Script::json(status, openai::error("broken"));
        let page = |kind: &str| Script::Answer {
            status: 200,
            headers: vec![("content-type".into(), kind.into())],
            body: Bytes::from_static(b"<html>sign in</html>"),
        };
        let breaks = |ending| match stream {
            true => Script::broken(words().into_iter().take(2), ending),
            false => Script::HalfPlain { ending },
        };
        Some(match self {
            Fault::Refused => return None,
            Fault::Reset => Script::ResetBeforeHead,
            Fault::StallBeforeHead => Script::Stall,
            Fault::StallMidStream => breaks(Ending::Stall),
            Fault::RateLimited => error(429).with_header("retry-after", RETRY_AFTER),
            Fault::ServerError => error(500),
            Fault::Unavailable => error(503).with_header("retry-after", RETRY_AFTER),
            Fault::Overloaded => error(529),
            Fault::NotHttp => Script::Garbage,
            Fault::WebPage => page("text/html"),
            Fault::NotJson => page("application/json"),
            Fault::Truncated => breaks(Ending::Truncate),
        })
    }

    /// The status where nobody else can answer.
    pub fn status(self) -> u16 {
        match self {
            Fault::StallBeforeHead | Fault::StallMidStream => 504,
            _ => 502,
        }
    }

    /// The provider's own `Retry-After`.
    pub fn retry_after(self) -> Option<&'static str> {
        matches!(self, Fault::RateLimited | Fault::Unavailable).then_some(RETRY_AFTER)
    }

    /// The attempt's outcome in logs and metrics.
    pub fn outcome(self) -> &'static str {
        match self {
            Fault::Refused => "refused",
            Fault::Reset => "reset",
            Fault::StallBeforeHead | Fault::StallMidStream => "timeout",
            Fault::RateLimited | Fault::ServerError | Fault::Unavailable | Fault::Overloaded => {
                "http_error"
            }
            Fault::NotHttp | Fault::WebPage | Fault::NotJson => "garbage",
            Fault::Truncated => "truncated",
        }
    }
}

/// A good answer.
pub fn good(stream: bool) -> Script {
    if !stream {
        return Script::json(200, openai::completion(GOOD));
    }
    let end = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    });
    let end = Bytes::from(format!("data: {end}\n\n"));
    let frames = words().into_iter().chain([end, openai::done()]);
    Script::frames(frames, Duration::ZERO)
}

fn words() -> Vec<Bytes> {
    let words = GOOD.split_inclusive(' ').collect::<Vec<_>>();
    words
        .chunks(2)
        .map(|pair| openai::frame(&pair.concat()))
        .collect()
}
