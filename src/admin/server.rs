//! The admin port's server: routes from the registry, metrics beside them, the same headers on all answers.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use bytes::Bytes;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};

use super::{
    access::{self, Logins},
    health, litellm,
    operation::{Asked, Registered, Verb},
    refusal::{Refusal, Shape},
    registry::operations,
};
use crate::{
    gateway::{Gateway, management::Management},
    store::Store,
};

/// The application behind the admin port.
pub struct Admin {
    router: Router,
    server: Arc<Server>,
}

/// Its routes for whoever asks from within: the clients' port, which has LiteLLM's, and the command line.
struct Inside {
    router: Router,
    door: Door,
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
    /// How it came in.
    pub(super) door: Door,
}

/// By what a request comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Door {
    /// The admin port.
    #[default]
    Admin,
    /// The clients' port, which others may reach in our name.
    Client,
    /// The command line, on a store that it has opened itself: whoever can do that may do everything.
    Console,
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
        let server = Arc::new(Server { gateway, logins });
        Admin {
            router: router(server.clone(), true),
            server,
        }
    }

    /// LiteLLM's routes alone, for the clients' port. Both ports count wrong keys together.
    pub fn on_client_port(&self) -> Arc<dyn Management> {
        let router = router(self.server.clone(), false);
        let door = Door::Client;
        Arc::new(Inside { router, door })
    }

    /// All routes, for the command line where no gateway runs: its commands do by them what they do by a
    /// port. Nobody is asked for a key.
    pub fn on_console(&self) -> Arc<dyn Management> {
        let router = router(self.server.clone(), true);
        let door = Door::Console;
        Arc::new(Inside { router, door })
    }
}

/// All routes, or LiteLLM's alone.
fn router(server: Arc<Server>, is_whole: bool) -> Router {
    let mut routes = Router::new();
    for operation in operations() {
        let route = operation.route();
        if is_whole || route.shape == Shape::LiteLlm {
            routes = routes.route(route.path, handler(operation));
        }
    }
    if is_whole {
        routes = routes.merge(metrics_router(&server));
    }
    routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(finish))
        .with_state(server)
}

fn metrics_router(server: &Arc<Server>) -> Router<Arc<Server>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(
            server.clone(),
            access::metrics,
        ))
}

fn handler(operation: &'static dyn Registered) -> MethodRouter<Arc<Server>> {
    let filter = match operation.route().verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
        Verb::Options => MethodFilter::OPTIONS,
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
    gateway.cache.refresh_gauges();
    let text = gateway.metrics.text(&health::breakers(gateway));
    ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response()
}

/// Who may not use the admin interface learns nothing of which routes there are.
async fn unknown(State(server): State<Arc<Server>>, request: Request) -> Response {
    let origin = Origin::of(&request);
    if let Err(refusal) = access::login(&server, request.headers(), origin).await {
        return refusal.respond(Shape::Own);
    }
    if let Some(refusal) = litellm::absent::why(request.uri().path()) {
        return refusal.respond(Shape::LiteLlm);
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
impl Management for Inside {
    fn knows(&self, path: &str) -> bool {
        let mut routes = operations().map(Registered::route);
        routes.any(|route| route.shape == Shape::LiteLlm && is_of(route.path, path))
    }

    async fn answer(
        &self,
        request: http::Request<Bytes>,
        peer: Option<IpAddr>,
    ) -> http::Response<Bytes> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(Origin {
            peer,
            door: self.door,
        });
        let service = TowerToHyperService::new(self.router.clone());
        let Ok(answer) = hyper::service::Service::call(&service, request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        http::Response::from_parts(head, body)
    }
}

/// Whether a path is one of a route's, whose parts in braces may be anything.
fn is_of(route: &str, path: &str) -> bool {
    let (mut known, mut asked) = (route.split('/'), path.split('/'));
    loop {
        match (known.next(), asked.next()) {
            (None, None) => return true,
            (Some(known), Some(asked)) => {
                if known.starts_with("{*") {
                    return !asked.is_empty();
                }
                let is_any = known.starts_with('{') && !asked.is_empty();
                if !is_any && known != asked {
                    return false;
                }
            }
            _ => return false,
        }
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
            door: Door::Admin,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_names_in_them_are_known() {
        assert!(is_of("/key/{key}/regenerate", "/key/sk-1/regenerate"));
        assert!(is_of("/key/info", "/key/info"));
        assert!(is_of("/v1/models/{*id}", "/v1/models/openai/gpt-4o"));
        assert!(!is_of("/v1/models/{*id}", "/v1/models/"));
        for other in [
            "/key//regenerate",
            "/key/a/b/regenerate",
            "/key/info/",
            "/key",
            "",
        ] {
            assert!(!is_of("/key/{key}/regenerate", other), "{other}");
        }
    }
}
