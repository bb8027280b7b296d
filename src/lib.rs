//! ai-gateway: a drop-in base URL for every AI client, on Cloudflare's Pingora.
//!
//! The map, floor by floor; a module imports only from floors below its own (a test checks it):
//!
//! | floor | modules |
//! |---|---|
//! | 7 assembly | [`cli`], [`server`] |
//! | 6 surfaces | [`proxy`], [`admin`], [`tasks`] |
//! | 5 state | [`gateway`], [`snapshot`] |
//! | 4 stages | [`auth`], [`cache`], [`limits`], [`routing`], [`usage`] |
//! | 3 edges | [`dialects`], [`health`], [`redis_client`], [`store`], [`upstream`] |
//! | 2 settings | [`config`], [`providers`], [`telemetry`] |
//! | 1 language | [`blocking`], [`chat`], [`error`], [`identity`], [`pattern`], [`price`], [`row`], [`secret`], [`yaml`] |
//!
//! A request's way reads top to bottom in [`proxy`].

pub mod admin;
pub mod auth;
pub mod blocking;
pub mod cache;
pub mod chat;
pub mod cli;
pub mod config;
pub mod dialects;
pub mod error;
pub mod gateway;
pub mod health;
pub mod identity;
pub mod limits;
pub mod pattern;
pub mod price;
pub mod providers;
pub mod proxy;
pub mod redis_client;
pub mod routing;
pub mod row;
pub mod secret;
pub mod server;
pub mod snapshot;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
pub mod usage;
pub mod yaml;

#[cfg(test)]
mod floors;
