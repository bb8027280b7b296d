//! The admin interface as the clients' port reaches it. LiteLLM serves both on one port, and its clients know
//! one base URL.

use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// No request to it has a longer body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// What answers LiteLLM's management routes.
#[async_trait]
pub trait Management: Send + Sync {
    /// Whether a path is one of its.
    fn knows(&self, path: &str) -> bool;

    /// Answers a request. Whoever sent it needs a key, wherever it came from.
    async fn answer(&self, request: Request<Bytes>, peer: Option<IpAddr>) -> Response<Bytes>;
}
