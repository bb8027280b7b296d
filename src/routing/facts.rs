//! What routing may ask of a request. What has to be looked for in the body is looked for once, and only
//! where a route or strategy wants to know.

use std::{iter, sync::OnceLock};

use http::HeaderMap;

use super::prompt::Prompt;

/// A request as routing sees it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The name of the gateway key.
    pub key: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// The tags of all requests of its key.
    pub own_tags: &'a [String],
    /// Its headers.
    pub headers: Option<&'a HeaderMap>,
    /// Whether some of them may be meant for the gateway.
    pub has_wishes: bool,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Its body.
    pub body: &'a [u8],
    /// What has been found in the body.
    pub prompt: &'a OnceLock<Prompt>,
}

impl<'a> Facts<'a> {
    /// What the body says.
    pub fn prompt(&self) -> &'a Prompt {
        self.prompt.get_or_init(|| Prompt::read(self.body))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers?.get(name)?.to_str().ok()
    }

    /// Its tags: of its key and whom that belongs to, of the header `X-Gateway-Tags` (or LiteLLM's name for it) and of `metadata.tags`.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let facts = *self;
        let header = self
            .header("x-gateway-tags")
            .or_else(|| self.header("x-litellm-tags"));
        let of_header = header.unwrap_or_default().split(',').map(str::trim);
        // The body is looked into only where the header does not say enough.
        let of_body = iter::once_with(move || &facts.prompt().tags).flatten();
        let own = facts.own_tags.iter().map(String::as_str);
        own.chain(of_header)
            .chain(of_body.map(String::as_str))
            .filter(|tag| !tag.is_empty())
    }

    /// What a caller is told apart by, for experiments: a user that the request names, else its key.
    pub fn caller(&self) -> &'a str {
        self.header("x-gateway-sticky")
            .or(self.prompt().user.as_deref())
            .or(self.key)
            .unwrap_or_default()
    }
}
