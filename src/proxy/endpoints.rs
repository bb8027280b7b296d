//! The routes of the client port, and which dialect a caller of an unknown one speaks.

use http::{HeaderMap, Method};

use crate::dialects::{Dialect, anthropic, gemini, ollama, openai_chat, openai_responses};

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
    /// A model's answer, in the caller's dialect whoever the provider is.
    Generate,
    /// The number of a prompt's tokens.
    CountTokens,
    /// A provider, passed through under its base URL and OpenAI's path of this name; the body names
    /// the model.
    Provider(&'static str),
    /// A provider's WebSocket; the query names the model.
    WebSocket(&'static str),
    /// `GET /v1/models`.
    Models,
    /// The same, for Ollama's clients.
    Tags,
    /// Ollama's `GET /api/version`, by which its clients see that it is there.
    Version,
    /// The same, for Gemini's clients.
    GeminiModels,
    /// `GET /v1/models/{id}`.
    Model,
    /// `GET /health`.
    Health,
    /// The process is alive, in LiteLLM's words.
    Alive,
    /// Able to take requests: not draining.
    Ready,
    /// One of LiteLLM's management routes, which the admin interface answers.
    Management,
}

const fn endpoint(method: Method, path: &'static str, kind: Kind) -> Endpoint {
    Endpoint { method, path, kind }
}

const COMPLETIONS: Kind = Kind::Provider("completions");
const EMBEDDINGS: Kind = Kind::Provider("embeddings");

/// All routes. Paths without `/v1` are for clients whose base URL lacks it.
pub static ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::POST, "/v1/chat/completions", Kind::Generate),
    endpoint(Method::POST, "/v1/responses", Kind::Generate),
    endpoint(Method::POST, "/v1/messages", Kind::Generate),
    endpoint(Method::POST, "/v1/messages/count_tokens", Kind::CountTokens),
    endpoint(Method::POST, "/api/chat", Kind::Generate),
    endpoint(Method::POST, "/api/generate", Kind::Generate),
    endpoint(Method::GET, "/api/tags", Kind::Tags),
    endpoint(Method::GET, "/api/version", Kind::Version),
    endpoint(Method::GET, "/v1beta/models", Kind::GeminiModels),
    endpoint(Method::POST, "/chat", Kind::Generate),
    endpoint(Method::POST, "/v1/completions", COMPLETIONS),
    endpoint(Method::POST, "/v1/embeddings", EMBEDDINGS),
    endpoint(Method::POST, "/chat/completions", Kind::Generate),
    endpoint(Method::POST, "/responses", Kind::Generate),
    endpoint(Method::POST, "/messages", Kind::Generate),
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

/// Gemini's methods, whose paths hold the model: `/v1beta/models/NAME:METHOD`, and under `/v1`.
static GEMINI_GENERATE: Endpoint = endpoint(
    Method::POST,
    "/v1beta/models/{model}:generateContent",
    Kind::Generate,
);
static GEMINI_COUNT: Endpoint = endpoint(
    Method::POST,
    "/v1beta/models/{model}:countTokens",
    Kind::CountTokens,
);
static MODEL: Endpoint = endpoint(Method::GET, "/v1/models/{id}", Kind::Model);

/// LiteLLM's management routes, where `listen.management_routes` is set.
pub static MANAGEMENT: Endpoint = endpoint(Method::GET, "/{management}", Kind::Management);

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
    let method_of_gemini = match gemini::method(path) {
        Some((_, "generateContent" | "streamGenerateContent")) => Some(&GEMINI_GENERATE),
        Some((_, "countTokens")) => Some(&GEMINI_COUNT),
        _ => None,
    };
    for endpoint in ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path == path)
        .chain(method_of_gemini)
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
    let tail = path.strip_prefix("/v1").unwrap_or(path);
    if tail == "/chat/completions" {
        &openai_chat::OpenAiChat
    } else if tail.starts_with("/messages") {
        &anthropic::Anthropic
    } else if path.starts_with("/v1beta/") || gemini::method(path).is_some() {
        &gemini::Gemini
    } else if tail.starts_with("/responses") {
        &openai_responses::OpenAiResponses
    } else if path.starts_with("/api/") {
        &ollama::Ollama
    } else if tail.ends_with("/completions") || tail.starts_with("/embeddings") || tail == "/chat" {
        &openai_chat::OpenAiChat
    } else if headers.contains_key("anthropic-version") {
        &anthropic::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
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
        assert_eq!(
            kind(Method::POST, "/v1/chat/completions"),
            Some(Kind::Generate)
        );
        assert_eq!(
            kind(
                Method::POST,
                "/v1/models/gemini-2.5-pro:streamGenerateContent"
            ),
            Some(Kind::Generate)
        );
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
