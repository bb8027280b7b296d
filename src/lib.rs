//! ai-gateway: an AI gateway on Cloudflare's Pingora.
pub mod auth;
pub mod chat;
pub mod dialects;
pub mod error;
pub mod identity;
pub mod pattern;
pub mod routing;
pub mod secret;
pub mod telemetry;
pub mod upstream;
