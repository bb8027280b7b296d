//! What a route of the admin interface is: where, for whom, what it takes and answers. Router and OpenAPI
//! document are both made from these, so that they cannot differ.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Origin, Server,
    access::{self, Caller},
    document::Schemas,
    input,
    refusal::{Refusal, Shape, away},
};
use crate::{
    gateway::{Gateway, Snapshot},
    store::Store,
    telemetry::logging,
};

/// The methods of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Verb {
    /// As HTTP has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
            Verb::Options => "OPTIONS",
        }
    }
}

/// How far one must reach to use a route at all, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// No key is needed.
    Public,
    /// Any key that may be used; it is about the key itself.
    Anyone,
    /// What is its team's.
    Team,
    /// Everything.
    All,
}

/// Whether a route changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Write,
}

/// Where a route is, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) verb: Verb,
    pub(super) path: &'static str,
    /// One sentence for the document.
    pub(super) summary: &'static str,
    pub(super) reach: Reach,
    pub(super) doing: Doing,
    pub(super) shape: Shape,
    /// The status where all is well.
    pub(super) status: StatusCode,
}

impl Route {
    const fn new(verb: Verb, path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route {
            verb,
            path,
            summary,
            reach,
            doing: match verb {
                Verb::Get | Verb::Options => Doing::Read,
                _ => Doing::Write,
            },
            shape: Shape::Own,
            status: StatusCode::OK,
        }
    }

    pub(super) const fn get(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Get, path, reach, summary)
    }

    pub(super) const fn post(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Post, path, reach, summary)
    }

    pub(super) const fn put(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Put, path, reach, summary)
    }

    pub(super) const fn patch(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Patch, path, reach, summary)
    }

    pub(super) const fn delete(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Delete, path, reach, summary)
    }

    pub(super) const fn options(path: &'static str, reach: Reach, summary: &'static str) -> Self {
        Route::new(Verb::Options, path, reach, summary)
    }

    /// It makes something: 201.
    pub(super) const fn makes(self) -> Self {
        Route {
            status: StatusCode::CREATED,
            ..self
        }
    }

    /// It changes nothing, whatever its method.
    pub(super) const fn reads(self) -> Self {
        Route {
            doing: Doing::Read,
            ..self
        }
    }

    /// It is LiteLLM's.
    pub(super) const fn of_litellm(self) -> Self {
        Route {
            shape: Shape::LiteLlm,
            ..self
        }
    }

    /// Whether requests may have a body.
    pub(super) fn takes_a_body(&self) -> bool {
        !matches!(self.verb, Verb::Get | Verb::Delete | Verb::Options)
    }
}

/// What query or body hold.
pub(super) trait Part: DeserializeOwned + JsonSchema + Send + 'static {}
impl<T: DeserializeOwned + JsonSchema + Send + 'static> Part for T {}

/// What a route does.
pub(super) trait Operation: Send + Sync + 'static {
    /// Where it is, and for whom.
    const ROUTE: Route;
    /// What the query may hold.
    type Query: Part;
    /// What the body may hold.
    type Body: Part;
    /// What is answered.
    type Answer: Serialize + JsonSchema + Send;

    /// Does it.
    fn run(
        call: Call,
        query: Self::Query,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

/// A call that its caller may make.
pub(super) struct Call {
    /// The process.
    pub(super) gateway: Arc<Gateway>,
    /// What requests are served by.
    pub(super) snapshot: Arc<Snapshot>,
    /// Who calls.
    pub(super) caller: Caller,
    path: Vec<(String, String)>,
}

impl Call {
    /// What stands in the path in that place.
    pub(super) fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The store.
    ///
    /// # Errors
    /// 503 where it is not open.
    pub(super) fn store(&self) -> Result<Arc<Store>, Refusal> {
        self.gateway.store.load_full().ok_or_else(away)
    }

    /// Who is said to have done it.
    pub(super) fn by(&self) -> Option<&str> {
        Some(&self.caller.name)
    }
}

/// A request to a route.
pub(super) struct Asked {
    pub(super) server: Arc<Server>,
    pub(super) headers: HeaderMap,
    pub(super) uri: Uri,
    pub(super) origin: Origin,
    pub(super) path: Vec<(String, String)>,
    pub(super) body: Body,
}

/// A future that may go anywhere.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An operation whose types are forgotten, for the registry.
pub(super) trait Registered: Send + Sync {
    /// Where it is, and for whom.
    fn route(&self) -> Route;
    /// The schemas of query, body and answer.
    fn schemas(&self, schemas: &mut Schemas) -> [schemars::Schema; 3];
    /// Answers a request.
    fn answer(&self, asked: Asked) -> Boxed<Response>;
}

impl<O: Operation> Registered for O {
    fn route(&self) -> Route {
        O::ROUTE
    }

    fn schemas(&self, schemas: &mut Schemas) -> [schemars::Schema; 3] {
        [
            schemas.taken::<O::Query>(O::ROUTE.shape),
            schemas.taken::<O::Body>(O::ROUTE.shape),
            schemas.given::<O::Answer>(),
        ]
    }

    fn answer(&self, asked: Asked) -> Boxed<Response> {
        Box::pin(async move {
            match attempt::<O>(asked).await {
                Ok(answer) => {
                    let mut response = (O::ROUTE.status, Json(answer)).into_response();
                    if O::ROUTE.verb == Verb::Options {
                        let allowed = HeaderValue::from_static("GET, OPTIONS");
                        response.headers_mut().insert(header::ALLOW, allowed);
                    }
                    response
                }
                Err(refusal) => refusal.respond(O::ROUTE.shape),
            }
        })
    }
}

async fn attempt<O: Operation>(asked: Asked) -> Result<O::Answer, Refusal> {
    let route = &O::ROUTE;
    let server = asked.server;
    if route.reach != Reach::Public {
        server.gateway.opening.over().await;
    }
    let caller = match route.reach {
        Reach::Public => access::greet(&server, &asked.headers, asked.origin).await,
        _ => access::login(&server, &asked.headers, asked.origin).await?,
    };
    caller.admit(route)?;
    let query = input::query::<O::Query>(&asked.uri, route.shape)?;
    let body = match route.takes_a_body() {
        true => input::read(&asked.headers, asked.body).await?,
        false => Vec::new(),
    };
    let body = input::body::<O::Body>(&body, route.shape)?;
    let gateway = server.gateway.clone();
    let call = Call {
        snapshot: gateway.hold_snapshot(),
        gateway: gateway.clone(),
        caller: caller.clone(),
        path: asked.path,
    };
    let answer = O::run(call, query, body).await;
    if route.doing == Doing::Write {
        settle(&gateway, &caller, route, answer.as_ref().err()).await;
    }
    answer
}

/// What has been changed is in force on this process before it is answered. The log has who did what; not
/// the path as it came, for a key may be in it.
async fn settle(gateway: &Gateway, caller: &Caller, route: &Route, refusal: Option<&Refusal>) {
    if let Some(store) = gateway.store.load_full() {
        super::in_force(gateway, &store).await;
    }
    let status = refusal.map_or(route.status, |refusal| refusal.status);
    let fields = [
        ("by", &*caller.name),
        ("method", route.verb.name()),
        ("route", route.path),
        ("status", status.as_str()),
    ];
    logging::event("admin_change", &fields);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Bytes;

    use super::*;
    use crate::{admin::Admin, store::Location, telemetry::metrics::Metrics};

    async fn list(gateway: &Arc<Gateway>) -> StatusCode {
        let request = http::Request::get("/admin/keys")
            .body(Bytes::new())
            .unwrap();
        let console = Admin::new(gateway.clone()).on_console();
        console.answer(request, None).await.status()
    }

    #[tokio::test]
    async fn a_store_that_will_be_open_in_a_moment_is_waited_for_and_no_other() {
        let gateway = Arc::new(Gateway::new(Metrics::new().unwrap()));
        assert_eq!(list(&gateway).await, StatusCode::SERVICE_UNAVAILABLE);
        gateway.opening.begin();
        let early = tokio::spawn({
            let gateway = gateway.clone();
            async move { list(&gateway).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!early.is_finished(), "it waits");
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("gateway.db"));
        let store = Store::open(&location).await.unwrap();
        gateway.store.store(Some(store.into()));
        gateway.opening.end();
        assert_eq!(early.await.unwrap(), StatusCode::OK);
    }
}
