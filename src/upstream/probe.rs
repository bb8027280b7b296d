//! Asks a provider whether it is there, by a request that spends no tokens: for the list of its models.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::RequestHeader;

use super::{client::Client, head, provider::Provider};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OURSELVES: HeaderValue = HeaderValue::from_static("ai-gateway");

/// Asks. Any answer below 500 will do: whoever says that there is no such list, or that the key is
/// wrong, is there. A provider that is known to have no list is not asked.
///
/// # Errors
/// A word for what is wrong: that of an [`crate::error::Outcome`], or `http_503`.
pub async fn probe(client: &Client, provider: &Provider, timeout: Duration) -> Result<(), String> {
    // Always the first key, so that checks do not take requests' turns.
    match status(client, provider, timeout, 0).await? {
        Some(status) if status.is_server_error() => Err(format!("http_{}", status.as_u16())),
        _ => Ok(()),
    }
}

/// Asks with the key of that place, and answers the status; none where the provider has no list.
///
/// # Errors
/// A word for what is wrong: that of an [`crate::error::Outcome`].
pub async fn status(
    client: &Client,
    provider: &Provider,
    timeout: Duration,
    key: usize,
) -> Result<Option<StatusCode>, String> {
    let Some(path) = &provider.models_path else {
        return Ok(None);
    };
    let peer = provider.peer(false).ok_or("dns")?;
    let head = head(provider, path, key).ok_or("its path makes no sense")?;
    let status = client.status(&peer, head, timeout).await;
    status
        .map(Some)
        .map_err(|error| error.outcome().name().to_owned())
}

fn head(provider: &Provider, path: &str, key: usize) -> Option<RequestHeader> {
    let mut head = head::blank(Method::GET, path.to_owned())?;
    head.headers.insert(header::ACCEPT, JSON);
    head.headers.insert(header::USER_AGENT, OURSELVES);
    head::address(&mut head, provider);
    head::authenticate(&mut head, provider, &[], key);
    Some(head.into())
}
