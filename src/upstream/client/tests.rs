//! Calls to servers that answer one request.

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
