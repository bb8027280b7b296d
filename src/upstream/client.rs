//! One buffered call: a request, its whole answer back. For what the gateway itself asks of others:
//! tokens and webhooks by URL, providers (checks, copies) by their peers. A client's requests go through
//! `proxy`. Made of Pingora's connector, so that TLS, trust and timeouts are those of all other traffic.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use pingora::{
    connectors::http::Connector,
    http::RequestHeader,
    protocols::http::client::HttpSession,
    upstreams::peer::{ALPN, HttpPeer},
};
use thiserror::Error;

use super::failure::classify;
use crate::error::Outcome;

/// What to ask.
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// `http` or `https`, with a host.
    pub url: &'a Uri,
    /// Headers to send. `Host`, `Content-Length` and `Connection` are written here.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// The body; empty for none.
    pub body: Bytes,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How large the answer's body may be.
    pub max_bytes: usize,
}

/// A request to a peer, complete but for what frames it on its connection.
pub struct Message {
    /// Its head; `Host` is in it.
    pub head: RequestHeader,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How large the answer's body may be.
    pub max_bytes: usize,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it was sent: nothing is decompressed.
    pub body: Bytes,
}

/// Why nothing came back. None of it repeats a header or a body.
#[derive(Debug, Error)]
pub enum CallError {
    /// The URL cannot be called.
    #[error("the URL is not one of http:// or https:// with a host")]
    Url,
    /// Its name has no address.
    #[error("cannot resolve {0}")]
    Name(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(Box<pingora::Error>),
    /// The answer ended before it was complete.
    #[error("the answer broke off: {0}")]
    Truncated(Box<pingora::Error>),
    /// The time is up.
    #[error("no answer in {0:?}")]
    Timeout(Duration),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Makes calls, each on a connection of its own where it is HTTP/1.1. Reads the system's certificate authorities when
/// it is made, so make one.
pub struct Client {
    connector: Connector,
}

impl Default for Client {
    fn default() -> Self {
        Client {
            connector: Connector::new(None),
        }
    }
}

impl Client {
    /// Asks, and waits for the whole answer. Redirects are answers.
    ///
    /// # Errors
    /// Where there is no whole answer.
    pub async fn call(&self, call: Call<'_>) -> Result<Answer, CallError> {
        within(call.timeout, self.ask(call)).await
    }

    /// Asks a server over its own kind of connection: a provider, for one, with its own authorities and
    /// its own version of HTTP.
    ///
    /// # Errors
    /// Where there is no whole answer.
    pub async fn send(&self, peer: &HttpPeer, message: Message) -> Result<Answer, CallError> {
        let Message {
            head,
            body,
            timeout,
            max_bytes,
        } = message;
        let asked = async {
            let (mut session, _) = self.connector.get_http_session(peer).await?;
            write(&mut session, head, body).await?;
            let (status, headers) = read_head(&mut session).await?;
            let body = read_body(&mut session, max_bytes).await?;
            self.release(session, peer).await;
            Ok(Answer {
                status,
                headers,
                body,
            })
        };
        within(timeout, asked).await
    }

    /// The status with which a server answers; what else it says is not waited for.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn status(
        &self,
        peer: &HttpPeer,
        head: RequestHeader,
        timeout: Duration,
    ) -> Result<StatusCode, CallError> {
        let asked = async {
            let (mut session, _) = self.connector.get_http_session(peer).await?;
            write(&mut session, head, Bytes::new()).await?;
            let (status, _) = read_head(&mut session).await?;
            self.release(session, peer).await;
            Ok(status)
        };
        within(timeout, asked).await
    }

    async fn ask(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let is_tls = match call.url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(CallError::Url),
        };
        let host = call.url.host().ok_or(CallError::Url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = call.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let mut session = self.connect(host, port, is_tls).await?;
        let head = head(&call)?;
        write(&mut session, head, call.body).await?;
        let (status, headers) = read_head(&mut session).await?;
        let body = read_body(&mut session, call.max_bytes).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// A session with the first of the name's addresses that takes a connection.
    async fn connect(&self, host: &str, port: u16, is_tls: bool) -> Result<HttpSession, CallError> {
        let unresolved = || CallError::Name(host.to_owned());
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| unresolved())?
            .collect();
        let mut last = unresolved();
        for address in addresses {
            let mut peer = HttpPeer::new(address, is_tls, host.to_owned());
            peer.options.alpn = ALPN::H1;
            // So that one silent address does not use up the time for all.
            peer.options.connection_timeout = Some(Duration::from_secs(5));
            match self.connector.get_http_session(&peer).await {
                Ok((session, _)) => return Ok(session),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// A connection of HTTP/2 is kept for the next call; one of HTTP/1.1 was for this one only.
    async fn release(&self, session: HttpSession, peer: &HttpPeer) {
        if let HttpSession::H2(_) = session {
            let idle = peer.options.idle_timeout;
            self.connector
                .release_http_session(session, peer, idle)
                .await;
        }
    }
}

async fn within<T>(
    timeout: Duration,
    asked: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(timeout, asked)
        .await
        .unwrap_or(Err(CallError::Timeout(timeout)))
}

fn head(call: &Call<'_>) -> Result<RequestHeader, CallError> {
    let path = call.url.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    let authority = call.url.authority().ok_or(CallError::Url)?.as_str();
    // What stands before the host is a user's name and password, not part of it.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let mut head = RequestHeader::build(call.method.clone(), path.as_bytes(), None)?;
    for (name, value) in call.headers {
        head.append_header(name, value)?;
    }
    head.insert_header(header::HOST, host)?;
    Ok(head)
}

async fn write(
    session: &mut HttpSession,
    mut head: RequestHeader,
    body: Bytes,
) -> Result<(), CallError> {
    if let HttpSession::H1(_) = session {
        head.insert_header(header::CONNECTION, "close")?;
    }
    if !body.is_empty() || head.method == Method::POST {
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    session.write_request_header(Box::new(head)).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    Ok(())
}

async fn read_head(session: &mut HttpSession) -> Result<(StatusCode, HeaderMap), CallError> {
    loop {
        session.read_response_header().await?;
        let Some(head) = session.response_header() else {
            continue;
        };
        // HTTP/2's has one head only, as Pingora has it.
        if !head.status.is_informational() || matches!(session, HttpSession::H2(_)) {
            return Ok((head.status, head.headers.clone()));
        }
    }
}

async fn read_body(session: &mut HttpSession, max_bytes: usize) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(piece) = session
        .read_response_body()
        .await
        .map_err(CallError::Truncated)?
    {
        if body.len() + piece.len() > max_bytes {
            return Err(CallError::TooLarge(max_bytes));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

impl CallError {
    /// The word for it.
    pub fn outcome(&self) -> Outcome {
        match self {
            CallError::Url | CallError::Name(_) => Outcome::Dns,
            CallError::Connection(error) => classify(error, false),
            CallError::Truncated(error) => classify(error, true),
            CallError::Timeout(_) => Outcome::Timeout,
            CallError::TooLarge(_) => Outcome::Garbage,
        }
    }
}

impl From<Box<pingora::Error>> for CallError {
    fn from(error: Box<pingora::Error>) -> Self {
        CallError::Connection(error)
    }
}

#[cfg(test)]
mod tests;
