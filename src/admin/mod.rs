//! The admin port: metrics, health, the cache, and questions about routes. [`router`] is where later routes are added.
//!
//! Served on one of Pingora's listeners, so that an upgrade hands its socket over as well.

mod access;
pub mod cache;
pub mod decide;
pub mod health;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use axum::{
    Extension, Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};
use serde_json::json;

use crate::gateway::Gateway;

/// The application behind the admin port.
pub struct Admin {
    router: Router,
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

impl Admin {
    /// An admin interface to `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Admin {
            router: router(gateway),
        }
    }
}

fn router(gateway: Arc<Gateway>) -> Router {
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(
            gateway.clone(),
            access::metrics,
        ));
    let admin = Router::new()
        .route("/admin/health", get(health::answer))
        .route("/admin/route/test", post(decide::answer))
        .route("/admin/cache", get(cache::stats))
        .route("/admin/cache/purge", post(cache::purge))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(
            gateway.clone(),
            access::admin,
        ));
    Router::new()
        .route("/health", get(alive))
        .merge(metrics)
        .merge(admin)
        .with_state(gateway)
}

async fn alive() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
    gateway.cache.refresh_gauges();
    let text = gateway.metrics.text(&health::breakers(&gateway));
    ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response()
}

async fn unknown() -> Response {
    access::refuse(
        StatusCode::NOT_FOUND,
        "There is no such route on the admin port.",
    )
}

#[async_trait]
impl ServerApp for Admin {
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let peer = stream
            .get_socket_digest()
            .and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        let router = self.router.clone().layer(Extension(Peer(peer)));
        let served = hyper::server::conn::http1::Builder::new()
            .timer(hyper_util::rt::TokioTimer::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
            .await;
        if let Err(error) = served {
            log::debug!("admin connection from {peer:?}: {error}");
        }
        None
    }
}
