//! The admin port: keys and whom they belong to, providers and models, usage, metrics, health, and
//! questions about routes. `registry` lists the routes, ours and LiteLLM's; `operation` says what one is.
//!
//! Served on one of Pingora's listeners, so that an upgrade hands its socket over as well.

pub mod access;
pub mod decide;
mod document;
pub mod health;
pub mod input;
mod operation;
mod refusal;
mod registry;
mod server;

pub use document::document;
pub use server::Admin;
use server::{Origin, Server, in_force};
