//! ai-gateway: an AI gateway on Cloudflare's Pingora.
pub mod cli;
pub mod config;
pub mod providers;
pub mod secret;
pub mod yaml;
