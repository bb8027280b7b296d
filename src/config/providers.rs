//! The `providers` section: whom the gateway calls, and how patiently.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LimitSet, Seconds};
use crate::{
    providers::{Entry, catalog},
    secret::Secret,
};

/// One provider account. Everything that is not set comes from the catalog's entry of that name
/// (`gateway config catalog` prints them).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// The catalog entry to start from, where it is not the provider's own name: two OpenAI
    /// accounts are `openai` and `openai-eu` with `kind: openai`.
    pub kind: Option<String>,
    /// Where its API lives, up to and with `/v1`.
    pub base_url: Option<String>,
    /// Its key, at best as `${VARIABLE}`.
    pub api_key: Option<Secret>,
    /// Several keys, used in turn.
    pub api_keys: Vec<Secret>,
    /// Headers to send with every request, such as Cloudflare Access tokens.
    pub headers: IndexMap<String, Secret>,
    /// Values for the placeholders of its catalog entry: `region` of Bedrock, `api_version` of Azure,
    /// `project` and `location` of Vertex.
    pub settings: IndexMap<String, String>,
    /// The models that it serves, as names or globs. They are listed by `GET /v1/models` and
    /// decide where a model without a provider's name goes.
    pub models: Vec<String>,
    /// The only models that it may be asked for, as globs. Empty means all.
    pub allowed_models: Vec<String>,
    /// The model of a request that names this provider and no model.
    pub default_model: Option<String>,
    /// Which provider is asked first when several list the same model: the smallest number.
    pub priority: i32,
    /// HTTP version to speak. `auto` lets TLS decide and speaks HTTP/1.1 without TLS.
    pub http_version: HttpVersion,
    /// Trust in its certificate.
    pub tls: ProviderTls,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// Short for `timeouts.total_seconds`.
    pub timeout_seconds: Option<Seconds>,
    /// Whether the environment alone brought it in, perhaps by a variable that is there for another
    /// program: it is left out then where it cannot be used.
    #[serde(skip)]
    pub is_found: bool,
    /// How much it may be asked for, by everyone together.
    pub limits: LimitSet,
    /// Whether it serves one deployment of the store, and nothing else leads to it.
    #[serde(skip)]
    pub is_deployment: bool,
    /// What requests of single projects use instead; the store knows.
    #[serde(skip)]
    pub projects: IndexMap<String, ProjectsOwn>,
    /// It as it was configured, where the store adds something to it.
    #[serde(skip)]
    pub configured: Option<Box<Provider>>,
}

/// What a project's requests use at a provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectsOwn {
    /// Its keys, in place of the provider's.
    pub api_keys: Vec<Secret>,
    /// Its headers, beside the provider's.
    pub headers: IndexMap<String, Secret>,
    /// Whether it has a key that cannot be used now. Its requests are not sent with another's then.
    pub is_closed: bool,
}

impl Provider {
    /// The catalog's entry that it starts from: that of its `kind`, else that of its `name`.
    pub fn entry(&self, name: &str) -> Option<&'static Entry> {
        catalog().get(self.kind.as_deref().unwrap_or(name))
    }

    /// Remembers how it was configured, before the store adds something to it.
    pub fn remember_configured(&mut self) {
        if self.configured.is_none() {
            self.configured = Some(Box::new(self.clone()));
        }
    }

    /// Whether a key was configured for it.
    pub fn has_key(&self) -> bool {
        self.api_key.is_some() || !self.api_keys.is_empty()
    }
}

/// HTTP version towards a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HttpVersion {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; without TLS by prior knowledge.
    Http2,
}

/// Trust in a provider's certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderTls {
    /// A PEM file of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate must carry, where it is not the base URL's host.
    pub server_name: Option<String>,
}

/// How long to wait for a provider. Past any of them the attempt has failed: before the answer's
/// first byte the next candidate is tried, after it the stream ends with an error event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect_seconds: Seconds,
    /// From the request's last byte to the answer's head. Reasoning models think long.
    pub first_byte_seconds: Seconds,
    /// Between two pieces of an answer.
    pub idle_seconds: Seconds,
    /// The whole request, all attempts at this provider counted from the first one's start.
    pub total_seconds: Seconds,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect_seconds: Seconds(5.0),
            first_byte_seconds: Seconds(300.0),
            idle_seconds: Seconds(120.0),
            total_seconds: Seconds(3600.0),
        }
    }
}
