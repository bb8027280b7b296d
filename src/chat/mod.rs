//! The gateway's own language: what flows between the caller's dialect and the provider's.

pub mod sse;
pub mod usage;
