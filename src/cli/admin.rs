//! Asking the gateway that runs, by its admin port.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;

use super::process::{Files, Target};
use crate::{
    config::{Config, Environment},
    upstream::client::{Call, CallError, Client},
};

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Asks, and reads the JSON of the answer.
///
/// # Errors
/// A sentence for whoever typed the command: no gateway runs, or it refuses.
pub(super) fn ask(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let environment = Environment::of_process();
    let config = target.config(&environment)?;
    let address = address(&config, &environment);
    let url: Uri = format!("http://{address}{path}")
        .parse()
        .map_err(|_| format!("{address}{path} is no address"))?;
    let call = Call {
        method,
        url: &url,
        headers: &headers(&config, body.is_some()),
        body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
        timeout: PATIENCE,
        max_bytes: MAX_ANSWER_BYTES,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = runtime.block_on(Client::default().call(call));
    let answer = answer.map_err(|error| match error {
        CallError::Connection(_) | CallError::Name(_) => format!(
            "no gateway runs at http://{address}; start it with `gateway start`, or say which one is meant with --config"
        ),
        error => format!("the gateway at http://{address}: {error}"),
    })?;
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match (answer.status, said) {
        (StatusCode::OK, Some(said)) => Ok(said),
        (status, said) => {
            let message = said.as_ref().and_then(|said| {
                let message = said.pointer("/error/message")?;
                message.as_str()
            });
            let message = message.unwrap_or("whoever answers there is no gateway");
            Err(format!("http://{address} answers {status}: {message}"))
        }
    }
}

/// Where the running gateway's admin port is: where it has written it down, else where the configuration
/// puts it.
fn address(config: &Config, environment: &Environment) -> SocketAddr {
    let files = Files::of(config, environment);
    let written = || fs::read_to_string(&files.admin).ok()?.trim().parse().ok();
    // What a process has left behind that is gone says nothing.
    let written: Option<SocketAddr> = files.running().and_then(|_| written());
    let listen = &config.listen;
    let mut address = written.unwrap_or_else(|| SocketAddr::new(listen.address, listen.admin_port));
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => [127, 0, 0, 1].into(),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        });
    }
    address
}

fn headers(config: &Config, has_body: bool) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    if let Some(master) = &config.auth.master_key
        && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", master.expose()))
    {
        value.set_sensitive(true);
        headers.push((header::AUTHORIZATION, value));
    }
    if has_body {
        let json = HeaderValue::from_static("application/json");
        headers.push((header::CONTENT_TYPE, json));
    }
    headers
}
