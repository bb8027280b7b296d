//! What a provider's configuration says about every request's head: its host, its headers, and whose
//! request it is.

use http::{Method, Uri, header, request::Parts};

use super::provider::Provider;
use crate::providers::auth::sigv4::Signable;

/// Writes the provider's host and headers over those of `head`.
pub fn address(head: &mut Parts, provider: &Provider) {
    head.headers
        .insert(header::HOST, provider.host_header.clone());
    for (name, value) in &provider.usual_headers {
        if !head.headers.contains_key(name) {
            head.headers.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in &provider.headers {
        head.headers.insert(name.clone(), value.clone());
    }
}

/// Adds what says whose request it is, with the key of that place; last, for a signature covers the rest.
pub fn authenticate(head: &mut Parts, provider: &Provider, body: &[u8], key: usize) {
    let request = Signable {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &[(&header::HOST, &provider.host_header)],
        body,
    };
    for (name, value) in provider.credential.headers(&request, key) {
        head.headers.insert(name, value);
    }
}

/// A head without headers. `None` where `path` cannot stand in one.
pub fn blank(method: Method, path: String) -> Option<Parts> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method;
    head.uri = Uri::try_from(path).ok()?;
    Some(head)
}
