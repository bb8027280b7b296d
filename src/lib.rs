//! ai-gateway: an AI gateway on Cloudflare's Pingora.
pub mod config;
pub mod secret;
pub mod yaml;
