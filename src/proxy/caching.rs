//! What the cache has to do with a request: whether its answer may be one that was given before, what that is
//! found by, and who makes it where there is none. Called from `accept`, before anybody is picked to be asked.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use pingora::http::RequestHeader;
use smallvec::SmallVec;

use super::{
    context::Context,
    endpoints::{Endpoint, Kind},
    recording::Recording,
    replay,
    settle::header_text,
};
use crate::{
    cache::{
        Entry, Key, Rules, Tier,
        flights::{Follower, Part},
        shape::{self, Partition, Shape},
    },
    config::CacheScope,
    dialects::scan::scan,
    error::GatewayError,
    telemetry::metrics::cache::HitKind,
};

/// Headers by which a caller chooses what its API's answers are like.
const SHAPING_HEADERS: [&str; 3] = ["anthropic-beta", "anthropic-version", "openai-beta"];

/// Longer idempotency keys are refused.
const MAX_MARK_BYTES: usize = 256;

/// Where an answer comes from, for `X-Cache`, logs and metrics.
#[derive(Debug, Clone, Default)]
pub enum Caching {
    /// The cache has nothing to do with it.
    #[default]
    Apart,
    /// From a provider, for this reason.
    Bypass(&'static str),
    /// From a provider, for it was not in the cache.
    Miss,
    /// From the cache.
    Hit(Arc<Entry>),
    /// From a provider, by the call that another request made: the provider and the model there.
    Coalesced(Arc<str>, Arc<str>),
}

impl Caching {
    /// The value of `X-Cache`.
    pub fn header(&self) -> &'static str {
        match self {
            Caching::Apart | Caching::Bypass(_) => "BYPASS",
            Caching::Miss => "MISS",
            Caching::Hit(_) => "HIT",
            Caching::Coalesced(..) => "COALESCED",
        }
    }

    /// The word for logs; `None` where the cache has nothing to do with the request.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Caching::Apart => None,
            Caching::Bypass(_) => Some("bypass"),
            Caching::Miss => Some("miss"),
            Caching::Hit(_) => Some("hit"),
            Caching::Coalesced(..) => Some("coalesced"),
        }
    }
}

impl From<Tier> for HitKind {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Memory => HitKind::Memory,
            Tier::Redis => HitKind::Redis,
        }
    }
}

/// What a request wants of the cache.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What its answer is found by.
    key: Key,
    /// Of the request; zeroes where the key says it all.
    fingerprint: [u8; 32],
    /// How long its answer is given again.
    pub ttl: Duration,
    /// Whether what the cache has is not wanted.
    refreshes: bool,
    /// Whether nobody is to be asked.
    only_cached: bool,
    /// Whether it was marked by its client, so that it counts as one however often it comes.
    pub is_marked: bool,
}

/// What follows.
pub enum Entered {
    /// The answer is to be made.
    Makes,
    /// The cache has it.
    Hit,
    /// Somebody makes it.
    Follows(Follower),
}

/// Finds out what the request wants of the cache, and whether memory has it or somebody makes it.
///
/// # Errors
/// `InvalidBody` where a header of the cache makes no sense, `IdempotencyMismatch`.
pub fn begin(head: &RequestHeader, context: &mut Context) -> Result<Entered, GatewayError> {
    let Some(route) = context
        .endpoint
        .and_then(|endpoint| route_of(context, endpoint))
    else {
        return Ok(Entered::Makes);
    };
    match wish(head, context, &route)? {
        Ok(wish) => context.wish = Some(Box::new(wish)),
        Err(_) if context.has_wishes && Directives::read(&head.headers)?.only_if_cached => {
            return Err(GatewayError::NotCached);
        }
        Err(reason) => {
            context.gateway().cache.metrics.bypass(reason);
            context.caching = Caching::Bypass(reason);
            return Ok(Entered::Makes);
        }
    }
    enter(context)
}

/// Looks whether memory has the answer, else leads or follows.
///
/// # Errors
/// `IdempotencyMismatch`.
pub fn enter(context: &mut Context) -> Result<Entered, GatewayError> {
    let Some(wish) = context.wish.as_deref().cloned() else {
        return Ok(Entered::Makes);
    };
    let gateway = context.gateway().clone();
    let found = |context: &mut Context| match gateway.cache.get_memory(&wish.key) {
        Some(entry) if !wish.refreshes => hit(context, entry, HitKind::Memory, &wish),
        _ => Ok(false),
    };
    if found(context)? {
        return Ok(Entered::Hit);
    }
    context.caching = Caching::Miss;
    match gateway.flights.enter(wish.key, wish.fingerprint) {
        Part::Leads(lead) => {
            // Another one may have ended between the two looks.
            if found(context)? {
                return Ok(Entered::Hit);
            }
            context.recording = Some(Box::new(Recording::new(context, lead, &wish)));
            Ok(Entered::Makes)
        }
        Part::Follows(follower) if follower.fingerprint() != wish.fingerprint => {
            Err(GatewayError::IdempotencyMismatch)
        }
        Part::Follows(follower) if wish.is_marked || is_shared(context, &wish) => {
            Ok(Entered::Follows(follower))
        }
        Part::Follows(_) => Ok(Entered::Makes),
    }
}

fn is_shared(context: &Context, wish: &Wish) -> bool {
    context.snapshot.config.cache.coalesce && !wish.refreshes
}

/// Looks in Redis, where answers are kept there. Whether it has the answer.
///
/// # Errors
/// `IdempotencyMismatch`; `NotCached` where only the cache was to be asked.
pub async fn fetch(context: &mut Context) -> Result<bool, GatewayError> {
    let Some(wish) = context.wish.as_deref().cloned() else {
        return Ok(false);
    };
    let cache = context.gateway().cache;
    if !wish.refreshes
        && context.recording.is_some()
        && cache.has_redis()
        && let Some((entry, tier)) = cache.get(&wish.key).await
        && hit(context, entry.clone(), tier.into(), &wish)?
    {
        // Those who came meanwhile get it as well.
        if let Some(recording) = context.recording.take() {
            recording.share(&entry);
        }
        return Ok(true);
    }
    cache.metrics.misses.inc();
    match wish.only_cached {
        true => Err(GatewayError::NotCached),
        false => Ok(false),
    }
}

/// Takes an answer of the cache for this request; `false` where it cannot be given in the form that is wanted.
fn hit(
    context: &mut Context,
    entry: Arc<Entry>,
    kind: HitKind,
    wish: &Wish,
) -> Result<bool, GatewayError> {
    if entry.fingerprint != wish.fingerprint {
        return Err(GatewayError::IdempotencyMismatch);
    }
    let Some(fitting) = replay::fit(context, &entry) else {
        return Ok(false);
    };
    replay::count(context, &entry, kind);
    context.caching = Caching::Hit(fitting);
    context.wish = None;
    Ok(true)
}

/// The name of a route whose answers may be kept, which tells streams apart where one cannot be made of the
/// other.
fn route_of(context: &Context, endpoint: &Endpoint) -> Option<SmallVec<[u8; 48]>> {
    let mut route = SmallVec::new();
    let stream = context.request.stream;
    match endpoint.kind {
        Kind::Generate => {
            route.extend_from_slice(endpoint.path.trim_start_matches("/v1").as_bytes());
            let is_array = context.caller.name() == "gemini" && stream;
            let asks_events = || {
                context
                    .uri
                    .query()
                    .is_some_and(|query| query.contains("alt=sse"))
            };
            if is_array && !asks_events() {
                route.extend_from_slice(b" array");
            }
        }
        Kind::Provider(name @ ("completions" | "embeddings")) => {
            route.extend_from_slice(name.as_bytes());
            if stream {
                route.extend_from_slice(b" stream");
            }
        }
        _ => return None,
    }
    Some(route)
}

/// What the request wants of the cache, or why it wants nothing.
fn wish(
    head: &RequestHeader,
    context: &Context,
    route: &[u8],
) -> Result<Result<Wish, &'static str>, GatewayError> {
    let settings = &context.snapshot.config.cache;
    let route = std::str::from_utf8(route).unwrap_or_default();
    let partition = partition(context, settings.scope);
    let mark = match context.has_wishes {
        true => header_text(head, "idempotency-key"),
        false => None,
    };
    if let Some(mark) = mark {
        if mark.is_empty() || mark.len() > MAX_MARK_BYTES {
            let message =
                format!("The header `Idempotency-Key` must have 1 to {MAX_MARK_BYTES} bytes.");
            return Err(GatewayError::invalid(message, None));
        }
        // Whoever shares answers on purpose does not share marks: two keys may use the same.
        return Ok(Ok(Wish {
            key: shape::marked(self::partition(context, CacheScope::Key), &mark),
            fingerprint: shape::fingerprint(route, &context.body),
            ttl: settings.idempotency_ttl_seconds.duration(),
            refreshes: false,
            only_cached: false,
            is_marked: true,
        }));
    }
    let rules = Rules::of(settings, &context.identity.cache, &context.plan.cache);
    if !rules.is_on {
        return Ok(Err("disabled"));
    }
    let directives = match context.has_wishes {
        true => Directives::read(&head.headers)?,
        false => Directives::default(),
    };
    if directives.no_store {
        return Ok(Err("no_store"));
    }
    let headers: SmallVec<[&[u8]; 3]> = SHAPING_HEADERS
        .iter()
        .map(|name| {
            head.headers
                .get(*name)
                .map_or(&b""[..], |value| value.as_bytes())
        })
        .collect();
    let mut targets = Vec::with_capacity(128);
    context.plan.identify(&mut targets);
    let shape = Shape {
        partition,
        dialect: context.caller.name(),
        route,
        headers: &headers,
        targets: &targets,
        strategy: settings.hash_strategy,
    };
    let places = &context.request.places;
    let members = match places.members(&context.body) {
        Some(members) => Ok(members),
        None => scan(&context.body),
    };
    let Ok(members) = members else {
        return Ok(Err("unknown"));
    };
    let key = match shape.key(&members, context.request.temperature) {
        Ok(key) => key,
        Err(varies) => return Ok(Err(varies.name())),
    };
    Ok(Ok(Wish {
        key,
        fingerprint: [0; 32],
        ttl: directives.ttl.unwrap_or(rules.ttl),
        refreshes: directives.no_cache,
        only_cached: directives.only_if_cached,
        is_marked: false,
    }))
}

/// Who shares answers with the caller. Without keys there is one caller.
fn partition(context: &Context, scope: CacheScope) -> Partition<'_> {
    let identity = &context.identity;
    // Labels of keys may be given twice; accounts are not.
    let own = match identity.account() {
        Some(account) => Partition::Key(account),
        None => Partition::Everybody,
    };
    match (scope, &identity.team) {
        (CacheScope::Shared, _) => Partition::Everybody,
        (CacheScope::Team, Some(team)) => Partition::Team(team),
        _ => own,
    }
}

/// What `X-Gateway-Cache` and `X-Gateway-Cache-TTL` say.
#[derive(Debug, Default, PartialEq)]
struct Directives {
    no_cache: bool,
    no_store: bool,
    only_if_cached: bool,
    ttl: Option<Duration>,
}

impl Directives {
    fn read(headers: &HeaderMap) -> Result<Self, GatewayError> {
        let mut directives = Directives::default();
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        for word in text("x-gateway-cache").unwrap_or_default().split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "" => {}
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                _ => {
                    let message = "The header `X-Gateway-Cache` takes `no-cache`, `no-store` and `only-if-cached`.";
                    return Err(GatewayError::invalid(message, None));
                }
            }
        }
        if let Some(ttl) = text("x-gateway-cache-ttl") {
            let seconds = ttl.trim().trim_end_matches('s').parse::<u32>();
            let Ok(seconds) = seconds else {
                let message = "The header `X-Gateway-Cache-TTL` must be a number of seconds.";
                return Err(GatewayError::invalid(message, None));
            };
            directives.ttl = Some(Duration::from_secs(seconds.into()));
        }
        Ok(directives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Result<Directives, String> {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        Directives::read(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn directives_are_read_and_typing_errors_told() {
        let both = read("x-gateway-cache", "No-Cache, only-if-cached").unwrap();
        assert!(both.no_cache && both.only_if_cached && !both.no_store);
        assert!(
            read("x-gateway-cache", "nocache")
                .unwrap_err()
                .contains("no-store")
        );
        let ttl = read("x-gateway-cache-ttl", "60s").unwrap().ttl;
        assert_eq!(ttl, Some(Duration::from_secs(60)));
        assert!(read("x-gateway-cache-ttl", "soon").is_err());
    }
}
