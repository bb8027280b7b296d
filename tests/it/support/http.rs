//! Requests and answers as both clients and the upstream see them.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

/// Header lines in the order in which they came, names in lower case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of `name`.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_ascii_lowercase();
        let matches = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(&name);
        self.0
            .iter()
            .filter(matches)
            .map(|(_, value)| value.as_str())
    }

    /// From the `http` crate's form, as HTTP/2 gives it.
    pub fn from_map(map: &http::HeaderMap) -> Self {
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        };
        Headers(map.iter().map(line).collect())
    }
}

/// How a request body is framed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Framing {
    /// With `content-length`, over both HTTP versions.
    Sized,
    /// In pieces of this many bytes: chunked over HTTP/1.1, without `content-length` over HTTP/2.
    Chunked(usize),
}

/// A request for either client.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Bytes,
    pub framing: Framing,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Request {
            method: method.into(),
            target: target.into(),
            headers: Headers::default(),
            body: Bytes::new(),
            framing: Framing::Sized,
        }
    }

    pub fn get(target: &str) -> Self {
        Request::new("GET", target)
    }

    /// A POST of JSON.
    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        let mut request = Request::new("POST", target).header("content-type", "application/json");
        request.body = body.into();
        request
    }

    /// A chat completion with the key that `config` gives its gateways.
    pub fn chat(body: impl Into<Bytes>) -> Self {
        Request::post("/v1/chat/completions", body).bearer("test-key")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.0.push((name.into(), value.into()));
        self
    }

    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    pub fn chunked(self, piece: usize) -> Self {
        self.framed(Framing::Chunked(piece))
    }

    fn sends_a_body(&self) -> bool {
        !self.body.is_empty() || self.method != "GET"
    }

    /// The head as HTTP/1.1 sends it.
    pub fn http1_head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if self.headers.get("host").is_none() {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in &self.headers.0 {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Sized if self.sends_a_body() => {
                head.push_str(&format!("content-length: {}\r\n", self.body.len()));
            }
            Framing::Sized => {}
            Framing::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Head and body as HTTP/1.1 sends them.
    pub fn http1_bytes(&self) -> Bytes {
        let mut wire = BytesMut::with_capacity(self.body.len() + self.body.len() / 64 + 1024);
        wire.put_slice(&self.http1_head());
        match self.framing {
            Framing::Sized => wire.put_slice(&self.body),
            Framing::Chunked(piece) => {
                for part in self.body.chunks(piece) {
                    wire.put_slice(&chunk(part));
                }
                wire.put_slice(b"0\r\n\r\n");
            }
        }
        wire.freeze()
    }

    /// The head as HTTP/2 sends it.
    pub fn http2_head(&self) -> http::Request<()> {
        let mut builder = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("http://gateway.test{}", self.target));
        for (name, value) in &self.headers.0 {
            builder = builder.header(name, value);
        }
        if self.framing == Framing::Sized && self.sends_a_body() {
            builder = builder.header("content-length", self.body.len());
        }
        builder.body(()).expect("a valid request")
    }
}

/// One chunk of a chunked body.
pub fn chunk(part: &[u8]) -> Vec<u8> {
    let mut wire = format!("{:x}\r\n", part.len()).into_bytes();
    wire.extend_from_slice(part);
    wire.extend_from_slice(b"\r\n");
    wire
}

/// An answer, as far as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
    /// Whether the body came to its proper end; otherwise the connection was cut.
    pub whole: bool,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {self:?}"),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The `error` object of an OpenAI-shaped answer, checked for that shape.
    #[track_caller]
    pub fn openai_error(&self) -> Value {
        let error = self.json()["error"].clone();
        assert!(error["message"].is_string(), "no message: {self:?}");
        assert!(error["type"].is_string(), "no type: {self:?}");
        assert!(error.get("param").is_some(), "no param: {self:?}");
        assert!(error.get("code").is_some(), "no code: {self:?}");
        assert!(error["source"].is_string(), "no source: {self:?}");
        error
    }

    /// Everything that a client can see, for a search.
    pub fn everything(&self) -> String {
        format!("{} {:?} {}", self.status, self.headers, self.text())
    }
}

/// Splits a head (without its empty line) into the first line and the headers.
pub fn parse_head(head: &[u8]) -> Option<(String, Headers)> {
    let text = String::from_utf8_lossy(head).into_owned();
    let mut lines = text.split("\r\n");
    let first = lines.next()?.to_owned();
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((first, Headers(headers)))
}
