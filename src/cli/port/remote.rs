//! A gateway that runs, by its admin port.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;

use crate::{
    cli::failure::{Failure, Kind},
    secret::Secret,
    upstream::client::{Call, CallError, Client},
};

/// How long a look may take,
const LOOK: Duration = Duration::from_secs(60);
/// and a change: of a team with a million keys, for one.
const CHANGE: Duration = Duration::from_secs(1800);
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// The admin port of a gateway.
pub(super) struct Remote {
    url: String,
    key: Option<Secret>,
    client: Box<Client>,
}

impl Remote {
    /// The one at that address. No key is sent before [`Remote::with_key`].
    pub(super) fn new(url: String) -> Self {
        Remote {
            url,
            key: None,
            client: Box::default(),
        }
    }

    /// It has shown who it is, or was named: it gets the key.
    pub(super) fn with_key(self, key: Option<Secret>) -> Self {
        Remote { key, ..self }
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks.
    ///
    /// # Errors
    /// `Unreachable` where there is no answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let patience = match method {
            Method::GET => LOOK,
            _ => CHANGE,
        };
        self.ask_within(patience, method, path, body).await
    }

    /// The same, in that time.
    ///
    /// # Errors
    /// `Unreachable` where there is no answer.
    pub(super) async fn ask_within(
        &self,
        timeout: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let at = &self.url;
        let url: Uri = format!("{at}{path}").parse().map_err(|_| {
            Failure::usage(format!(
                "{at} is no address of an admin port; write one such as http://127.0.0.1:4081"
            ))
        })?;
        let call = Call {
            method,
            url: &url,
            headers: &self.headers(body.is_some()),
            body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
            timeout,
            max_bytes: MAX_ANSWER_BYTES,
        };
        match self.client.call(call).await {
            Ok(answer) => Ok((answer.status, answer.body)),
            Err(error) => Err(unreachable(at, &error)),
        }
    }

    fn headers(&self, has_body: bool) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        if let Some(key) = &self.key
            && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", key.expose()))
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
}

fn unreachable(url: &str, error: &CallError) -> Failure {
    let why = match error {
        CallError::Connection(_) => "nobody answers there".to_owned(),
        error => error.to_string(),
    };
    let message = format!(
        "the gateway at {url} cannot be asked: {why}; see that it runs, and that this is its admin port"
    );
    Failure::new(Kind::Unreachable, message)
}
