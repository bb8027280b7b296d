//! What a provider's configuration says about every request's head: its host, its headers, and whose
//! request it is.

use http::header;
use pingora::{Result, http::RequestHeader};
use smallvec::SmallVec;

use super::provider::Provider;
use crate::providers::auth::sigv4::Signable;

/// Writes the provider's host and headers over those of `head`.
///
/// # Errors
/// None that a configuration which has been checked could cause.
pub fn address(head: &mut RequestHeader, provider: &Provider) -> Result<()> {
    head.insert_header(header::HOST, provider.host_header.clone())?;
    for (name, value) in &provider.usual_headers {
        if !head.headers.contains_key(name) {
            head.insert_header(name.clone(), value.clone())?;
        }
    }
    for (name, value) in &provider.headers {
        head.insert_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Adds what says whose request it is, with the key of that place; last, for a signature covers the rest.
///
/// # Errors
/// As [`address`].
pub fn authenticate(
    head: &mut RequestHeader,
    provider: &Provider,
    body: &[u8],
    key: usize,
) -> Result<()> {
    let host = head.headers.get(header::HOST).cloned();
    let signed: SmallVec<[_; 1]> = host.iter().map(|host| (&header::HOST, host)).collect();
    let request = Signable {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &signed,
        body,
    };
    for (name, value) in provider.credential.headers(&request, key) {
        head.insert_header(name, value)?;
    }
    Ok(())
}
