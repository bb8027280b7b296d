//! The routes of the client port, and which dialect a caller of an unknown one speaks.

use http::{HeaderMap, Method};

use crate::dialects::{Dialect, anthropic, gemini, openai_chat};

/// A route.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The method that it takes.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// What answers it.
    pub kind: Kind,
}

/// What answers a route.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Kind {
    /// A provider, under its base URL and this path; the body names the model.
    Provider(&'static str),
    /// A provider's WebSocket; the query names the model.
    WebSocket(&'static str),
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model,
    /// `GET /health`.
    Health,
    /// The process is alive, in LiteLLM's words.
    Alive,
    /// Able to take requests: not draining.
    Ready,
}

const fn endpoint(method: Method, path: &'static str, kind: Kind) -> Endpoint {
    Endpoint { method, path, kind }
}

const CHAT: Kind = Kind::Provider("/chat/completions");
const COMPLETIONS: Kind = Kind::Provider("/completions");
const EMBEDDINGS: Kind = Kind::Provider("/embeddings");

/// All routes. Paths without `/v1` are for clients whose base URL lacks it.
pub static ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::POST, "/v1/chat/completions", CHAT),
    endpoint(Method::POST, "/v1/completions", COMPLETIONS),
    endpoint(Method::POST, "/v1/embeddings", EMBEDDINGS),
    endpoint(Method::POST, "/chat/completions", CHAT),
    endpoint(Method::POST, "/completions", COMPLETIONS),
    endpoint(Method::POST, "/embeddings", EMBEDDINGS),
    endpoint(Method::GET, "/v1/realtime", Kind::WebSocket("/realtime")),
    endpoint(Method::GET, "/v1/models", Kind::Models),
    endpoint(Method::GET, "/models", Kind::Models),
    endpoint(Method::GET, "/health", Kind::Health),
    endpoint(Method::GET, "/live", Kind::Health),
    endpoint(Method::GET, "/ready", Kind::Ready),
    endpoint(Method::GET, "/health/liveliness", Kind::Alive),
    endpoint(Method::GET, "/health/liveness", Kind::Alive),
    endpoint(Method::GET, "/health/readiness", Kind::Ready),
];

static MODEL: Endpoint = endpoint(Method::GET, "/v1/models/{id}", Kind::Model);

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A route.
    Endpoint(&'static Endpoint),
    /// A route, but under this method.
    WrongMethod(&'static str),
    /// Nothing.
    Unknown,
}

/// Looks a route up. HEAD is taken where GET is.
pub fn find(method: &Method, path: &str) -> Found {
    let mut allowed = None;
    let single = model_id(path).map(|_| &MODEL);
    for endpoint in ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path == path)
        .chain(single)
    {
        if endpoint.method == *method || (*method == Method::HEAD && endpoint.method == Method::GET)
        {
            return Found::Endpoint(endpoint);
        }
        allowed = Some(if endpoint.method == Method::GET {
            "GET, HEAD"
        } else {
            "POST"
        });
    }
    allowed.map_or(Found::Unknown, Found::WrongMethod)
}

/// The model in `/v1/models/{id}`; it may hold slashes (`openai/gpt-4o`).
pub fn model_id(path: &str) -> Option<&str> {
    path.strip_prefix("/v1/models/").filter(|id| !id.is_empty())
}

/// The dialect whose clients call this path with these headers, for the shape of errors.
pub fn caller_dialect(path: &str, headers: &HeaderMap) -> &'static dyn Dialect {
    if path.starts_with("/v1/messages") || headers.contains_key("anthropic-version") {
        &anthropic::Anthropic
    } else if path.starts_with("/v1beta/") || headers.contains_key("x-goog-api-key") {
        &gemini::Gemini
    } else {
        &openai_chat::OpenAiChat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_by_method_and_path() {
        let kind = |method, path| match find(&method, path) {
            Found::Endpoint(endpoint) => Some(endpoint.kind),
            _ => None,
        };
        assert_eq!(kind(Method::POST, "/v1/chat/completions"), Some(CHAT));
        assert_eq!(kind(Method::HEAD, "/health"), Some(Kind::Health));
        assert_eq!(
            kind(Method::GET, "/v1/models/openai/gpt-4o"),
            Some(Kind::Model)
        );
        assert_eq!(
            find(&Method::GET, "/v1/embeddings"),
            Found::WrongMethod("POST")
        );
        assert_eq!(
            find(&Method::POST, "/v1/models"),
            Found::WrongMethod("GET, HEAD")
        );
        assert_eq!(find(&Method::GET, "/v1/models/"), Found::Unknown);
        assert_eq!(find(&Method::GET, "/v1/chat/completionsx"), Found::Unknown);
    }
}
