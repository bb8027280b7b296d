//! The gateway's own language: what flows between the caller's dialect and the provider's.
//!
//! ```text
//! request    ChatRequest: messages of parts, tools, sampling, what else a caller asks for
//! response   ChatResponse: choices of parts, why they ended, usage
//! estimate   how many tokens a request has, about
//! event      the same answer as it streams: Event, and Assembler from events to a ChatResponse
//! part       what messages and answers are made of
//! extra      what only one dialect knows, kept for that dialect and named for all others
//! fields     reading a JSON object member by member, with nothing lost
//! frame      where one event of a stream ends: SSE, lines of JSON, a JSON array, AWS's framing
//! json       reading and writing a whole body
//! resume     a stream that another provider goes on with
//! target     what a provider's server accepts, as data
//! ```

pub mod estimate;
pub mod event;
pub mod extra;
pub mod fields;
pub mod frame;
pub mod id;
pub mod json;
pub mod part;
pub mod request;
pub mod response;
pub mod resume;
pub mod sse;
pub mod target;
pub mod usage;
