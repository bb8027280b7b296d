//! Who calls the admin interface, and how far they reach. The master key may do everything; a key of the
//! store what it is granted (`scope`); without a master key whoever is on the same machine.

mod logins;
mod scope;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};
use log::Level;

use super::{
    Door, Origin, Server,
    operation::{Doing, Reach, Route},
    refusal::{Refusal, Shape, away},
};
use crate::{
    auth, config::MetricsAuth, error::GatewayError, gateway::Gateway, identity::Identity,
    store::Store, telemetry::logging::write_event,
};
pub(in crate::admin) use logins::Logins;
pub(in crate::admin) use scope::Scope;
pub use scope::{Grant, PERMISSION};

/// What records call whoever types commands where the store is.
const CONSOLE: &str = "cli";

/// Who calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// What records and logs call it; never the key.
    pub(super) name: Arc<str>,
    /// How far it reaches.
    pub(super) scope: Scope,
    /// Whose key it sent, where one was needed.
    pub(super) identity: Option<Arc<Identity>>,
}

impl Caller {
    fn nobody() -> Self {
        Caller {
            name: "".into(),
            scope: Scope::Nobody,
            identity: None,
        }
    }

    /// Whoever types commands where the store is.
    fn console() -> Self {
        Caller {
            name: CONSOLE.into(),
            scope: Scope::All { writes: true },
            identity: None,
        }
    }

    /// Whether it is whoever types commands where the store is.
    pub(super) fn is_console(&self) -> bool {
        self.identity.is_none() && &*self.name == CONSOLE
    }

    /// The id of its key in the store.
    pub(super) fn key_id(&self) -> Option<&Arc<str>> {
        Some(&self.identity.as_ref()?.profile.as_ref()?.id)
    }

    /// The team that it is bound to.
    pub(super) fn team(&self) -> Option<&str> {
        match &self.scope {
            Scope::Team { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Whether it sees everything.
    pub(super) fn sees_all(&self) -> bool {
        matches!(self.scope, Scope::All { .. })
    }

    /// Lets pass who may use a route at all. What they may see and change there is the route's to say.
    pub(super) fn admit(&self, route: &Route) -> Result<(), Refusal> {
        let (reach, writes) = match &self.scope {
            Scope::Nobody => (Reach::Public, false),
            // Its own affairs are no administration.
            Scope::Own => (Reach::Anyone, true),
            Scope::Team { writes, .. } => (Reach::Team, *writes),
            Scope::All { writes } => (Reach::All, *writes),
        };
        if route.reach > reach {
            let who = match route.reach {
                Reach::Team => "the master key, or a key with an `admin` grant",
                _ => "the master key, or a key whose `admin` grant is `read` or `write`",
            };
            return Err(Refusal::forbidden(format!(
                "This key may not use {} {}; it takes {who}.",
                route.verb.name(),
                route.path
            )));
        }
        match route.doing == Doing::Write && !writes && route.reach > Reach::Anyone {
            true => Err(Refusal::forbidden(
                "This key may look and change nothing; it takes the master key, or a key whose `admin` \
                 grant is `write` or `team_write`.",
            )),
            false => Ok(()),
        }
    }
}

/// Who sent a request to the admin interface.
///
/// # Errors
/// 401 without a key or with a wrong one, 403 beyond loopback where there is no master key, 429 after too
/// many wrong ones, 503 while keys are being read.
pub(super) async fn login(
    server: &Server,
    headers: &HeaderMap,
    origin: Origin,
) -> Result<Caller, Refusal> {
    if origin.door == Door::Console {
        return Ok(Caller::console());
    }
    let gateway = &server.gateway;
    let snapshot = gateway.hold_snapshot();
    let has_master = snapshot.config.auth.master_key.is_some();
    let Some(sent) = auth::client_key(headers, None) else {
        return match has_master || origin.door == Door::Client {
            true => Err(missing()),
            false => by_loopback(headers, origin),
        };
    };
    let identity = match snapshot.keys.find(&sent) {
        Ok(identity) => identity,
        Err(error @ GatewayError::Starting) => {
            return Err(Refusal {
                retry_after: Some(1),
                ..error.into()
            });
        }
        Err(error) => return Err(guessed(server, &error, origin, has_master)),
    };
    let store: Option<Arc<Store>> = gateway.store.load_full();
    let scope = Scope::of(&identity, store.as_deref()).await;
    Ok(Caller {
        name: identity.key.clone().unwrap_or_else(|| "".into()),
        scope: scope.map_err(|_| away())?,
        identity: Some(identity),
    })
}

/// The same for a route that everybody may use: who is not known is nobody.
pub(super) async fn greet(server: &Server, headers: &HeaderMap, origin: Origin) -> Caller {
    match auth::client_key(headers, None) {
        Some(_) => login(server, headers, origin).await,
        None => Ok(Caller::nobody()),
    }
    .unwrap_or_else(|_| Caller::nobody())
}

fn missing() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "missing_key",
        "Send the master key, or a key with an `admin` grant, as `Authorization: Bearer KEY` or \
         `X-API-Key`.",
    )
}

/// Answers a wrong key, which counts against the address that it came from.
fn guessed(server: &Server, error: &GatewayError, origin: Origin, has_master: bool) -> Refusal {
    let now = Instant::now();
    let address = origin.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let Some(wait) = server.logins.barred(address, now) else {
        server.logins.failed(address, now);
        return wrong(error, address, has_master);
    };
    Refusal {
        retry_after: Some(wait.as_secs() + 1),
        ..Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_logins",
            "Too many wrong keys came from this address; try again later.",
        )
    }
}

/// Why is for the operator alone.
fn wrong(error: &GatewayError, address: IpAddr, has_master: bool) -> Refusal {
    let why = match error {
        GatewayError::InvalidKey(fault) => fault.fault.name(),
        _ => "unknown",
    };
    let address = address.to_string();
    let fields = [("client", address.as_str()), ("fault", why)];
    write_event(Level::Warn, "admin_login_failed", &fields);
    let hint = match has_master {
        true => "Send the master key, or a key with an `admin` grant.",
        false => "Until GATEWAY_MASTER_KEY is set, requests from this machine need no key.",
    };
    let message = format!("This key is not valid. {hint}");
    Refusal::new(StatusCode::UNAUTHORIZED, "invalid_key", message)
}

/// Without a master key whoever is on this machine may do everything, but not a web page that somebody on
/// this machine looks at: browsers send its origin, and the name that it has reached us by.
fn by_loopback(headers: &HeaderMap, origin: Origin) -> Result<Caller, Refusal> {
    let is_loopback = origin
        .peer
        .is_some_and(|address| address.to_canonical().is_loopback());
    if !is_loopback {
        return Err(Refusal::forbidden(
            "The admin port answers to loopback only until GATEWAY_MASTER_KEY is set.",
        ));
    }
    if !is_ours(headers) {
        return Err(Refusal::forbidden(
            "Without GATEWAY_MASTER_KEY the admin port answers to no other site's pages, and to no name \
             but localhost.",
        ));
    }
    Ok(Caller {
        name: "loopback".into(),
        scope: Scope::All { writes: true },
        identity: None,
    })
}

fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = |authority: &str| -> Option<String> {
        let uri: Uri = format!("http://{authority}/").parse().ok()?;
        Some(uri.host()?.to_ascii_lowercase())
    };
    let is_local = |name: &str| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
    };
    let Some(authority) = text(header::HOST) else {
        return true;
    };
    let is_named_well = host(authority).is_some_and(|name| is_local(&name));
    let is_same_origin = text(header::ORIGIN).is_none_or(|origin| {
        origin
            .split_once("://")
            .is_some_and(|(_, from)| from == authority)
    });
    is_named_well && is_same_origin
}

/// Lets through who may read metrics: loopback always, and whoever `metrics_auth` names.
pub(super) async fn metrics(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let gateway: &Gateway = &server.gateway;
    let is_open = gateway.snapshot().config.telemetry.metrics_auth == MetricsAuth::None;
    let origin = Origin::of(&request);
    let is_loopback = origin
        .peer
        .is_some_and(|address| address.to_canonical().is_loopback());
    if is_open || is_loopback {
        return next.run(request).await;
    }
    let caller = login(&server, request.headers(), origin).await;
    match caller.and_then(|caller| match caller.sees_all() {
        true => Ok(()),
        false => Err(Refusal::forbidden("This key may not read metrics.")),
    }) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.respond(Shape::Own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&'static str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn without_a_master_key_no_web_page_gets_in() {
        for ours in [
            &[("host", "localhost:4081")][..],
            &[("host", "127.0.0.1:4081")],
            &[("host", "[::1]:4081"), ("origin", "http://[::1]:4081")],
            &[("host", "LOCALHOST")],
            &[],
        ] {
            assert!(is_ours(&headers(ours)), "{ours:?}");
        }
        for theirs in [
            &[("host", "evil.example:4081")][..],
            &[("host", "localhost.evil.example")],
            &[
                ("host", "127.0.0.1:4081"),
                ("origin", "http://evil.example"),
            ],
            &[("host", "127.0.0.1:4081"), ("origin", "null")],
            &[
                ("host", "localhost:4081"),
                ("origin", "http://localhost:3000"),
            ],
        ] {
            assert!(!is_ours(&headers(theirs)), "{theirs:?}");
        }
    }
}
