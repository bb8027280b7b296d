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
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with these bytes; gives back what it was asked.
    async fn serve(answer: &'static str) -> (Uri, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a?b=c", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let mut length = 0;
            loop {
                length += stream.read(&mut asked[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&asked[..length]).into_owned();
                if text.ends_with("\r\n\r\n") || text.ends_with("body") {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    return text;
                }
            }
        });
        (url.parse().unwrap(), served)
    }

    fn call(url: &Uri) -> Call<'_> {
        Call {
            method: Method::GET,
            url,
            headers: &[],
            body: Bytes::new(),
            timeout: Duration::from_secs(5),
            max_bytes: 100,
        }
    }

    #[tokio::test]
    async fn a_call_is_sent_whole_and_its_answer_read_whole() {
        let (url, served) = serve(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 418 No\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        )
        .await;
        let headers = [(header::ACCEPT, HeaderValue::from_static("x/y"))];
        let answer = Client::default()
            .call(Call {
                method: Method::POST,
                headers: &headers,
                body: Bytes::from_static(b"a body"),
                ..call(&url)
            })
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
        assert_eq!(answer.headers["x-a"], "b");
        assert_eq!(answer.body, "hello");
        let asked = served.await.unwrap().to_lowercase();
        assert!(asked.starts_with("post /a?b=c http/1.1\r\n"), "{asked}");
        for line in ["accept: x/y", "content-length: 6", "connection: close"] {
            assert!(asked.contains(line), "{asked}");
        }
        let host = format!("host: {}\r\n", url.authority().unwrap());
        assert!(asked.contains(&host), "{asked}");
        assert!(asked.ends_with("\r\n\r\na body"), "{asked}");
    }

    #[tokio::test]
    async fn a_peer_is_sent_the_head_as_it_was_written() {
        let (url, served) = serve("HTTP/1.1 204 None\r\n\r\n").await;
        let address = url.authority().unwrap().as_str();
        let peer = HttpPeer::new(address, false, String::new());
        let head = || {
            let mut head = RequestHeader::build("POST", b"/v1/x?y=z", None).unwrap();
            head.insert_header("host", "elsewhere.example").unwrap();
            head
        };
        let message = Message {
            head: head(),
            body: Bytes::from_static(b"a body"),
            timeout: Duration::from_secs(5),
            max_bytes: 0,
        };
        let answer = Client::default().send(&peer, message).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        let asked = served.await.unwrap().to_lowercase();
        assert!(asked.starts_with("post /v1/x?y=z http/1.1\r\n"), "{asked}");
        for line in [
            "host: elsewhere.example",
            "content-length: 6",
            "connection: close",
        ] {
            assert!(asked.contains(line), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_status_is_known_before_the_answer_has_ended() {
        let endless = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\n";
        let (url, _served) = serve(endless).await;
        let peer = HttpPeer::new(url.authority().unwrap().as_str(), false, String::new());
        let head = RequestHeader::build("GET", b"/", None).unwrap();
        let timeout = Duration::from_secs(5);
        let status = Client::default().status(&peer, head, timeout).await;
        assert_eq!(status.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_length_or_its_connection() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\n\r\nok",
        ] {
            let (url, _served) = serve(answer).await;
            let answer = Client::default().call(call(&url)).await.unwrap();
            assert_eq!(answer.body, "ok");
        }
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_hears_nothing() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(
            rustls::crypto::ring::default_provider().into(),
        )
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config))
                .accept(stream)
                .await
                .is_ok()
        });
        let url = format!("https://localhost:{port}/").parse().unwrap();
        let error = Client::default().call(call(&url)).await.unwrap_err();
        assert!(matches!(error, CallError::Connection(_)), "{error}");
        assert!(!served.await.unwrap());
    }

    #[tokio::test]
    async fn what_is_too_large_too_late_or_nowhere_is_an_error() {
        let client = Client::default();
        let (url, _served) = serve("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        let few = Call {
            max_bytes: 4,
            ..call(&url)
        };
        let error = client.call(few).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge(4)), "{error}");

        let (url, _served) = serve("").await;
        let short = Call {
            timeout: Duration::from_millis(50),
            ..call(&url)
        };
        let error = client.call(short).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)), "{error}");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let error = client.call(call(&url.parse().unwrap())).await.unwrap_err();
        assert!(matches!(error, CallError::Connection(_)), "{error}");

        for url in ["/path", "ftp://host/", "host:80"] {
            let url = url.parse().unwrap();
            let error = client.call(call(&url)).await.unwrap_err();
            assert!(matches!(error, CallError::Url), "{error}");
        }
    }
}
