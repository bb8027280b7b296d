//! The gateway as its users meet it: the built binary over real sockets, against an upstream that
//! misbehaves on command. One module a theme; `support` is what they are made of.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "a test binary: a panic is its way to fail, and nothing outside sees its items"
)]

mod support;

mod admin;
mod attempts;
mod auth;
mod bad_framing;
mod bad_input;
mod bodies;
mod body_limits;
mod breaker;
mod broken_answers;
mod cache_storage;
mod caching;
mod commands;
mod cost;
mod cost_guard;
mod disconnects;
mod edges;
mod endurance;
mod fallbacks;
mod fault_matrix;
mod faults;
mod headers;
mod health_checks;
mod heartbeat;
mod hedging;
mod lifecycle;
mod limits;
mod limits_engine;
mod matrix;
mod provider_health;
pub mod recordings;
mod reload;
mod resume;
mod retries;
mod route_test;
mod routing;
mod secrets;
mod shadow;
mod slow_clients;
mod startup;
mod store;
mod streaming;
mod support_works;
mod surface;
mod tls;
mod translation;
mod usage;
mod websocket;
