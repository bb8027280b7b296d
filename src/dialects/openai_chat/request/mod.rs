//! Requests: what routing must know of one, and the way to the form and back.
//! Source: OpenAI's API reference, "Create chat completion".
//!
//! ```text
//! inspect       routing's fields, without a tree
//! read          bytes to the form: members, and
//!   messages      the conversation
//! write         the form to a provider's bytes, by its quirks: members, and
//!   conversation  the conversation
//! tools, format, reasoning   both ways
//! fit           what a compatible server would refuse of a request that is passed on
//! strict        what it would refuse of a message
//! ```

mod conversation;
mod fit;
mod format;
mod inspect;
mod messages;
mod read;
mod reasoning;
mod strict;
mod tools;
mod write;

pub(super) use fit::unfit;
pub(in crate::dialects) use inspect::inspect;
pub(super) use read::read;
pub(super) use write::write;

/// Members whose loss means nothing to another dialect's provider: they only say how something was
/// written, repeat what is said elsewhere, or are expressed in the form as well.
pub(super) const INCIDENTAL: &[&str] = &[
    super::marks::AS,
    "annotations",
    "content",
    "enable_thinking",
    "extra_content",
    "format",
    "function_call",
    "id",
    "include_reasoning",
    "index",
    "prefix",
    "provider_specific_fields",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "reasoning_effort",
    "refusal",
    "stream_options",
    "thinking",
    "thinking_blocks",
    "thinking_budget",
    "thought_signature",
    "tool_calls",
    "usage",
];
