//! The admin interface as the clients' port reaches it. LiteLLM serves both on one port, and its clients know
//! one base URL.

use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::Gateway;
use crate::config::{Cache, CacheBackend};

/// No request to it has a longer body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// The version of LiteLLM whose routes these are: its clients ask for it.
const LITELLM_VERSION: &str = "1.106.2";

/// What `/health/readiness` says on either port while requests can be taken.
pub fn readiness(gateway: &Gateway, settings: &Cache) -> Value {
    let db = match gateway.store.load().is_some() {
        true => "connected",
        false => "Not connected",
    };
    let cache = match settings.backend {
        CacheBackend::Memory if settings.enabled => Some("local"),
        CacheBackend::Redis | CacheBackend::Tiered if settings.enabled => Some("redis"),
        _ => None,
    };
    json!({
        "status": "healthy", "db": db, "cache": cache, "litellm_version": LITELLM_VERSION,
        "success_callbacks": [],
    })
}

/// What answers LiteLLM's management routes.
#[async_trait]
pub trait Management: Send + Sync {
    /// Whether a path is one of its.
    fn knows(&self, path: &str) -> bool;

    /// Answers a request. Whoever sent it needs a key, wherever it came from.
    async fn answer(&self, request: Request<Bytes>, peer: Option<IpAddr>) -> Response<Bytes>;
}
