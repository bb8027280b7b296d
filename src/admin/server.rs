//! The admin port's server: routes from the registry, metrics beside them, the same headers on all answers.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use axum::{
    Extension, Router,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};

use super::{
    access::{self, Logins},
    health,
    operation::{Asked, Registered, Verb},
    refusal::{Refusal, Shape},
    registry::operations,
};
use crate::{gateway::Gateway, store::Store};

/// The application behind the admin port.
pub struct Admin {
    router: Router,
}

/// What all its routes share.
pub(super) struct Server {
    pub(super) gateway: Arc<Gateway>,
    pub(super) logins: Logins,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin {
    /// The address.
    pub(super) peer: Option<IpAddr>,
    /// Whether it came in by the clients' port, which others may reach in our name.
    pub(super) is_client_port: bool,
}

impl Origin {
    pub(super) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or_default()
    }
}

impl Admin {
    /// An admin interface to `gateway`.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let logins = Logins::default();
        Admin {
            router: router(Arc::new(Server { gateway, logins })),
        }
    }
}

fn router(server: Arc<Server>) -> Router {
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(
            server.clone(),
            access::metrics,
        ));
    let mut routes = Router::new();
    for operation in operations() {
        routes = routes.route(operation.route().path, handler(operation));
    }
    routes
        .merge(metrics)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(finish))
        .with_state(server)
}

fn handler(operation: &'static dyn Registered) -> MethodRouter<Arc<Server>> {
    let filter = match operation.route().verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
    };
    let answer = move |State(server): State<Arc<Server>>,
                       path: Result<RawPathParams, RawPathParamsRejection>,
                       request: Request| async move {
        let Ok(path) = path else {
            let shape = operation.route().shape;
            return Refusal::invalid(None, "The path is no UTF-8.").respond(shape);
        };
        let origin = Origin::of(&request);
        let path = path
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let path = path.collect();
        let (head, body) = request.into_parts();
        let asked = Asked {
            server,
            headers: head.headers,
            uri: head.uri,
            origin,
            path,
            body,
        };
        operation.answer(asked).await
    };
    on(filter, answer)
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
    let gateway = &server.gateway;
    let text = gateway.metrics.text(&health::breakers(gateway));
    ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response()
}

/// Who may not use the admin interface learns nothing of which routes there are.
async fn unknown(State(server): State<Arc<Server>>, request: Request) -> Response {
    let origin = Origin::of(&request);
    if let Err(refusal) = access::login(&server, request.headers(), origin).await {
        return refusal.respond(Shape::Own);
    }
    let message = "There is no such route on the admin port; GET /admin/openapi.json lists all.";
    Refusal::new(StatusCode::NOT_FOUND, "unknown_route", message).respond(Shape::Own)
}

async fn wrong_method() -> Response {
    let message = "This path has other methods; see the answer's `Allow`.";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(status, "wrong_method", message).respond(Shape::Own)
}

/// No answer is kept by anybody, and none is anything but what it says it is.
async fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let no_guess = HeaderValue::from_static("nosniff");
    headers.insert(HeaderName::from_static("x-content-type-options"), no_guess);
    response
}

/// Waits until what the store says now is what requests are served by.
pub(super) async fn in_force(gateway: &Gateway, store: &Store) {
    let is_in_force = match store.revision().await {
        Ok(revision) => gateway.progress.reaches(revision).await,
        Err(_) => false,
    };
    if !is_in_force {
        log::warn!("a change by the admin interface is not in force yet");
    }
}

#[async_trait]
impl ServerApp for Admin {
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let peer = stream
            .get_socket_digest()
            .and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        let origin = Origin {
            peer,
            is_client_port: false,
        };
        let router = self.router.clone().layer(Extension(origin));
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
