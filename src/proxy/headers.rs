//! Heads: what a provider sees of a client's request, and a client of a provider's answer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pingora::{
    Error, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
};

use smallvec::SmallVec;

use super::{context::Context, endpoints::Kind, refused, written::UpstreamCall};
use crate::{
    auth::WEBSOCKET_KEY_PROTOCOL,
    limits::{self, Now, Standing},
    price::Usd,
    routing::Plan,
    upstream::{
        head,
        provider::{Provider, header_value},
    },
};

const GATEWAY: HeaderValue = HeaderValue::from_static("ai-gateway");
pub const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
const X_ROUTE: HeaderName = HeaderName::from_static("x-gateway-route");
const X_POOL: HeaderName = HeaderName::from_static("x-gateway-pool");
const X_STRATEGY: HeaderName = HeaderName::from_static("x-gateway-strategy");
const X_VARIANT: HeaderName = HeaderName::from_static("x-gateway-variant");
const X_DROPPED: HeaderName = HeaderName::from_static("x-gateway-dropped");
/// Headers of our own in an answer, at most.
const OWN_HEADERS: usize = 12;
/// And in a request: its address, its length, the key.
const REQUEST_HEADERS: usize = 6;
const X_GATEWAY: HeaderName = HeaderName::from_static("x-gateway");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_PROVIDER_REQUEST_ID: HeaderName = HeaderName::from_static("x-provider-request-id");
const X_PROVIDER: HeaderName = HeaderName::from_static("x-provider");
const X_MODEL: HeaderName = HeaderName::from_static("x-model");
const X_MODEL_SOURCE: HeaderName = HeaderName::from_static("x-model-source");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
const X_OVERHEAD: HeaderName = HeaderName::from_static("x-gateway-overhead-ms");
const X_COST: HeaderName = HeaderName::from_static("x-gateway-cost");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a query parameter must escape: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether a client's header stays with the gateway: credentials, what proxies in between said
/// about the client, what is the gateway's own, and what framed the body as it came.
/// `accept-encoding` goes because the gateway reads answers for their usage and errors.
fn stays_here(name: &str) -> bool {
    name.starts_with("x-gateway-")
        || name.starts_with("x-forwarded-")
        || name.starts_with("cf-")
        || name.starts_with("x-litellm-")
        || matches!(
            name,
            "authorization"
                | "proxy-authorization"
                | "x-api-key"
                | "api-key"
                | "x-goog-api-key"
                | "cookie"
                | "forwarded"
                | "via"
                | "x-real-ip"
                | "true-client-ip"
                | "idempotency-key"
                | "accept-encoding"
                | "content-length"
                | "transfer-encoding"
                | "expect"
                | "x-request-id"
        )
}

/// Whether a client's header goes to a provider of another dialect: what it says about its own API's
/// versions, betas and SDK means nothing there.
fn travels(name: &str) -> bool {
    matches!(
        name,
        "host" | "user-agent" | "content-type" | "traceparent" | "tracestate" | "baggage"
    )
}

/// Whether a provider's header goes no further: its cookies, its own front end's affairs, and what
/// concerns one connection only (RFC 9110, section 7.6.1).
fn stays_there(name: &str) -> bool {
    name.starts_with("cf-")
        || matches!(
            name,
            "set-cookie"
                | "server"
                | "via"
                | "alt-svc"
                | "strict-transport-security"
                | "nel"
                | "report-to"
                | "x-powered-by"
                | "server-timing"
                | "x-request-id"
                | "x-provider"
                | "x-gateway-route"
                | "x-gateway-pool"
                | "x-gateway-strategy"
                | "x-gateway-variant"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-connection"
        )
}

/// Writes the head for the provider of the current attempt over the client's.
pub fn write_request(head: &mut RequestHeader, context: &Context) -> Result<()> {
    let (Some(candidate), Some(endpoint)) = (context.plan.current(), context.endpoint) else {
        return Ok(());
    };
    let provider = &candidate.provider;
    let attempt = context.attempt.as_ref();
    let path = match (endpoint.kind, attempt) {
        (Kind::WebSocket(suffix), _) => path(
            format!("{}{suffix}", provider.path_prefix),
            head.uri.query(),
            Some(&candidate.model),
        ),
        (_, Some(attempt)) => path_of(&attempt.call, head.uri.query()),
        _ => return Ok(()),
    };
    let call = attempt.map(|attempt| &attempt.call);
    let sent = Sent {
        provider,
        path,
        body: call
            .map(|call| &*call.body)
            .filter(|_| !context.is_websocket()),
        is_translated: call.is_some_and(|call| call.emulation.is_some()),
        key: attempt.map_or(0, |attempt| attempt.key),
    };
    let version = head.version;
    *head = head_for(head.method.clone(), &head.headers, sent)?;
    head.set_version(version);
    Ok(())
}

/// The head of a copy of a request: what the provider would see of these headers of its client.
pub fn copy_request(
    client: &HeaderMap,
    query: Option<&str>,
    call: &UpstreamCall,
    provider: &Provider,
    key: usize,
) -> Result<RequestHeader> {
    let sent = Sent {
        provider,
        path: path_of(call, query),
        body: Some(&call.body),
        is_translated: call.emulation.is_some(),
        key,
    };
    let mut head = head_for(Method::POST, client, sent)?;
    for name in OF_CONNECTION {
        head.remove_header(*name);
    }
    Ok(head)
}

/// Headers that concern the client's connection only (RFC 9110, section 7.6.1).
const OF_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// What a provider is sent besides what the client said itself.
struct Sent<'a> {
    provider: &'a Provider,
    path: String,
    /// None for a WebSocket.
    body: Option<&'a [u8]>,
    is_translated: bool,
    key: usize,
}

/// A new head, put together as `http` has it: Pingora's own setters keep each name twice and parse it anew.
fn head_for(method: Method, client: &HeaderMap, sent: Sent<'_>) -> Result<RequestHeader> {
    let Some(mut head) = head::blank(method, sent.path) else {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "no path to send");
    };
    head.headers = HeaderMap::with_capacity(client.len() + REQUEST_HEADERS);
    for (name, value) in client {
        let text = name.as_str();
        if !stays_here(text) && (!sent.is_translated || travels(text)) {
            head.headers.append(name.clone(), value.clone());
        }
    }
    strip_protocol_key(&mut head.headers);
    head::address(&mut head, sent.provider);
    if let Some(body) = sent.body {
        let length = HeaderValue::from(body.len());
        head.headers.insert(header::CONTENT_LENGTH, length);
        // What a client calls its own body says nothing about one that was written for it.
        if sent.is_translated || !head.headers.contains_key(header::CONTENT_TYPE) {
            let json = HeaderValue::from_static("application/json");
            head.headers.insert(header::CONTENT_TYPE, json);
        }
    }
    let body = sent.body.unwrap_or_default();
    head::authenticate(&mut head, sent.provider, body, sent.key);
    Ok(head.into())
}

/// The path at the provider; where nothing is translated with the client's query.
fn path_of(call: &UpstreamCall, query: Option<&str>) -> String {
    match call.emulation {
        Some(_) => call.path.clone(),
        None => path(call.path.clone(), query, None),
    }
}

/// The path at the provider: `path`, and the client's query without its key and with the provider's
/// name of the model. What `path` says already the client does not say again.
fn path(mut path: String, query: Option<&str>, model: Option<&str>) -> String {
    let own = path.split_once('?').map_or("", |(_, own)| own).to_owned();
    let has = |name: &str| {
        own.split('&')
            .any(|pair| pair.split_once('=').map_or(pair, |(own, _)| own) == name)
    };
    let mut separator = if own.is_empty() { '?' } else { '&' };
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if name == "key" || (name == "model" && model.is_some()) || has(name) {
            continue;
        }
        path.push(separator);
        path.push_str(pair);
        separator = '&';
    }
    if let Some(model) = model {
        path.push(separator);
        path.push_str("model=");
        path.extend(utf8_percent_encode(model, ESCAPED));
    }
    path
}

/// Takes the client's key out of the subprotocols of a WebSocket.
fn strip_protocol_key(headers: &mut HeaderMap) {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered: Vec<String> = lines
        .iter()
        .filter_map(|line| line.to_str().ok().map(str::to_owned))
        .collect();
    let kept: Vec<&str> = offered
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.starts_with(WEBSOCKET_KEY_PROTOCOL))
        .collect();
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if !kept.is_empty() {
        let kept = header_value(&kept.join(", "));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

/// Turns a provider's head into the gateway's. A new head, and put together as `http` has it:
/// Pingora's own setters keep each name twice and parse it anew.
pub fn write_response(head: &mut ResponseHeader, context: &Context) {
    let mut new = HeaderMap::with_capacity(head.headers.len() + OWN_HEADERS);
    let has_limits = standing(context).is_some();
    for (name, value) in &head.headers {
        if has_limits && tells_limits(name.as_str()) {
            // Ours are the ones that hold here.
            continue;
        }
        if *name == X_REQUEST_ID {
            new.append(X_PROVIDER_REQUEST_ID, value.clone());
        } else if !stays_there(name.as_str()) {
            new.append(name.clone(), value.clone());
        }
    }
    let (status, version) = (head.status, head.version);
    write_own(&mut new, context);
    if let Some(kind) = context.answer.stream_type() {
        new.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        new.remove(header::CONTENT_LENGTH);
        new.insert(header::TRANSFER_ENCODING, CHUNKED);
    }
    *head = response(status, new);
    head.set_version(version);
    if context.hides_usage {
        without_length(head);
    }
}

/// Takes the length off the head of a stream that leaves with an event less than its provider announced.
pub fn without_length(head: &mut ResponseHeader) {
    if is_event_stream(&head.headers) && head.remove_header(&header::CONTENT_LENGTH).is_some() {
        let _ = head.insert_header(header::TRANSFER_ENCODING, CHUNKED);
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The length that an answer's head announces.
pub fn length(head: &ResponseHeader) -> Option<usize> {
    let length = head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

/// Sets what an answer's head says about its body.
pub fn set_framing(head: &mut ResponseHeader, kind: HeaderValue, length: Option<usize>) {
    let mut headers = head.headers.clone();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.remove(header::TRANSFER_ENCODING);
    match length {
        Some(length) => headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.insert(header::TRANSFER_ENCODING, CHUNKED),
    };
    *head = response(head.status, headers);
}

/// A head of these headers.
pub fn response(status: StatusCode, headers: HeaderMap) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers = headers;
    ResponseHeader::from(parts)
}

/// Adds the gateway's own headers.
pub fn write_own(headers: &mut HeaderMap, context: &Context) {
    headers.insert(X_REQUEST_ID, header_value(context.id.as_str()));
    headers.insert(X_GATEWAY, GATEWAY);
    write_reason(headers, &context.plan);
    write_limits(headers, context);
    let attempts = context.attempts.len() + usize::from(context.attempt.is_some());
    match (
        &context.attempt,
        context.plan.current(),
        context.attempts.last(),
    ) {
        (Some(_), Some(candidate), _) => {
            headers.insert(X_PROVIDER, candidate.provider.name_header.clone());
            headers.insert(X_MODEL, header_value(&candidate.model));
        }
        (_, _, Some(last)) => {
            headers.insert(X_PROVIDER, header_value(&last.provider));
            headers.insert(X_MODEL, header_value(&last.model));
        }
        _ => return,
    }
    headers.insert(
        X_MODEL_SOURCE,
        HeaderValue::from_static(context.plan.model_source()),
    );
    headers.insert(X_CACHE, HeaderValue::from_static(context.caching.header()));
    headers.insert(
        X_ATTEMPTS,
        match attempts {
            1 => HeaderValue::from_static("1"),
            more => HeaderValue::from(more),
        },
    );
    let dropped = context
        .attempt
        .as_ref()
        .map(|attempt| &attempt.call.dropped);
    if let Some(dropped) = dropped.filter(|dropped| !dropped.is_empty()) {
        headers.insert(X_DROPPED, header_value(&dropped.names().join(",")));
    }
    write_timing(headers, context);
}

/// Adds the gateway's own headers to an answer that was made for another request.
pub fn write_repeated(headers: &mut HeaderMap, context: &Context) {
    headers.insert(X_REQUEST_ID, header_value(context.id.as_str()));
    headers.insert(X_GATEWAY, GATEWAY);
    write_reason(headers, &context.plan);
    write_limits(headers, context);
    write_cost(headers, Usd::ZERO);
    headers.insert(
        X_MODEL_SOURCE,
        HeaderValue::from_static(context.plan.model_source()),
    );
    headers.insert(X_CACHE, HeaderValue::from_static(context.caching.header()));
    headers.insert(X_ATTEMPTS, HeaderValue::from_static("0"));
    write_timing(headers, context);
}

/// Whether a provider's header says how the account stands by which it is asked.
fn tells_limits(name: &str) -> bool {
    name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
}

/// How the request's limits stand; `None` where it has none that are told.
fn standing(context: &Context) -> Option<&Standing> {
    let standing = &context.ticket.as_ref()?.standing;
    let is_told = standing.requests.is_some() || standing.tokens.is_some();
    is_told.then_some(standing)
}

/// Adds how its limits stand.
fn write_limits(headers: &mut HeaderMap, context: &Context) {
    if let Some(standing) = standing(context) {
        let form = refused::form(context);
        limits::headers::tell_standing(headers, standing, form, || Now::read().wall);
    }
}

/// Adds what the answer has cost, in dollars.
pub fn write_cost(headers: &mut HeaderMap, cost: Usd) {
    let text = Bytes::from(cost.to_string());
    let value = HeaderValue::from_maybe_shared(text).unwrap_or(GATEWAY);
    headers.insert(X_COST, value);
}

fn write_timing(headers: &mut HeaderMap, context: &Context) {
    const NAME: &str = "gateway;dur=";
    let overhead = context.overhead();
    context
        .gateway()
        .metrics
        .overhead
        .observe(overhead.as_secs_f64());
    let micros = u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX);
    let timing = Bytes::from([NAME.as_bytes(), &milliseconds(micros)].concat());
    let value = |text| HeaderValue::from_maybe_shared(text).unwrap_or(GATEWAY);
    headers.insert(X_OVERHEAD, value(timing.slice(NAME.len()..)));
    headers.insert(SERVER_TIMING, value(timing));
}

/// `1234` microseconds are `1.234`: written by hand, for every answer has it.
fn milliseconds(micros: u64) -> SmallVec<[u8; 24]> {
    let mut text: SmallVec<[u8; 24]> = SmallVec::new();
    let mut rest = micros;
    while rest > 0 || text.len() < 5 {
        if text.len() == 3 {
            text.push(b'.');
        }
        // One digit.
        text.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
    }
    text.reverse();
    text
}

/// Adds why the answer comes from where it comes: the route that was taken, the arm of its experiment, and
/// the pool of whoever was asked last, which a fallback may have left.
fn write_reason(headers: &mut HeaderMap, plan: &Plan) {
    let reason = &plan.reason;
    for (name, label) in [(X_ROUTE, &reason.route), (X_VARIANT, &reason.variant)] {
        if let Some(label) = label {
            headers.insert(name, label.header().clone());
        }
    }
    if let Some(pool) = plan.pool() {
        headers.insert(X_POOL, pool.name.header().clone());
        headers.insert(X_STRATEGY, HeaderValue::from_static(pool.strategy.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_written_as_milliseconds() {
        for micros in [0, 1, 999, 1000, 12_345, 9_999_999, u64::MAX] {
            let text = milliseconds(micros).to_vec();
            let wanted = format!("{}.{:03}", micros / 1000, micros % 1000);
            assert_eq!(String::from_utf8(text).unwrap(), wanted);
        }
    }

    #[test]
    fn the_clients_key_does_not_travel_in_the_query() {
        let joined = |own: &str, query, model| path(own.to_owned(), query, model);
        assert_eq!(joined("/v1/embeddings", None, None), "/v1/embeddings");
        assert_eq!(joined("/x", Some("key=secret&a=b&&c"), None), "/x?a=b&c");
        assert_eq!(joined("/x?a=1", Some("a=2&b=3"), None), "/x?a=1&b=3");
        assert_eq!(
            joined("/v1/realtime", Some("model=x&a=b"), Some("y")),
            "/v1/realtime?a=b&model=y"
        );
    }

    #[test]
    fn the_clients_key_does_not_travel_in_a_subprotocol() {
        let offered = "realtime, openai-insecure-api-key.secret, openai-beta.realtime-v1";
        let offered = HeaderValue::from_static(offered);
        let mut headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, offered)]);
        strip_protocol_key(&mut headers);
        assert_eq!(
            headers["sec-websocket-protocol"],
            "realtime, openai-beta.realtime-v1"
        );
    }
}
