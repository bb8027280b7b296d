//! The admin port: keys and whom they belong to, providers and models, usage, the cache, metrics, health, and
//! questions about routes. `registry` lists the routes, ours and LiteLLM's; `operation` says what one is.
//!
//! Served on one of Pingora's listeners, so that an upgrade hands its socket over as well.

pub mod access;
mod address;
pub mod budgets;
pub mod cache;
pub mod decide;
mod document;
pub mod encryption;
mod entity;
pub mod health;
pub mod identity;
pub mod input;
pub mod keys;
pub mod list;
mod litellm;
pub mod models;
mod myself;
mod operation;
pub mod projects;
pub mod providers;
mod refusal;
mod registry;
pub mod requests;
mod server;
pub mod teams;
pub mod terms;
pub mod usage;
pub mod users;

pub use document::document;
pub use server::Admin;
use server::{Door, Origin, Server, in_force};
