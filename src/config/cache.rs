//! The `cache` section: answers that are kept, for how long, where, and for whom.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{ByteSize, Seconds};
use crate::{identity::CacheChoice, secret::Secret};

/// Answers that are kept and given again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Whether answers are kept, unless a route or a key says otherwise; `GATEWAY_CACHE_ENABLED`. Those to
    /// requests with an `Idempotency-Key` are kept either way.
    pub enabled: bool,
    /// Where they are kept; `GATEWAY_CACHE_BACKEND`.
    pub backend: CacheBackend,
    /// How long they are given again; `GATEWAY_CACHE_TTL`, `CACHE_TTL_SECONDS`. A client may ask for another
    /// time with `X-Gateway-Cache-TTL`.
    pub ttl_seconds: Seconds,
    /// Memory that they may take up, all that belongs to them counted.
    pub max_bytes: ByteSize,
    /// How many of them memory may hold; only `max_bytes` counts unless set.
    pub max_entries: Option<u32>,
    /// Short for one of the two, with the other at its default: a size with a unit (`512MB`) is `max_bytes`, a
    /// plain number is `max_entries`; `GATEWAY_CACHE_MAX_SIZE`.
    #[serde(skip_serializing)]
    pub max_size: Option<MaxSize>,
    /// `max_bytes` in megabytes.
    #[serde(skip_serializing)]
    pub max_cache_size_mb: Option<u32>,
    /// A longer answer is not kept, nor one that takes up more than a quarter of `max_bytes`.
    pub max_entry_bytes: ByteSize,
    /// The Redis server, for `redis` and `tiered`: `redis://`, `rediss://` (TLS), or `redis+cluster://` and
    /// `rediss+cluster://` with one or several members of a cluster, separated by commas; `GATEWAY_REDIS_URL`,
    /// `REDIS_URL`.
    pub redis_url: Option<Secret>,
    /// How the names of what is kept in Redis begin. Gateways that are not to see each other's answers and
    /// share a server need different ones.
    pub redis_prefix: String,
    /// How long a look-up in Redis may take, in milliseconds. Past it the provider is asked.
    pub lookup_timeout_ms: u32,
    /// What two requests must have in common to be given the same answer.
    pub hash_strategy: HashStrategy,
    /// Who shares answers.
    pub scope: CacheScope,
    /// Whether requests that are the same and under way at the same time are one call.
    pub coalesce: bool,
    /// How long the answer to a request with an `Idempotency-Key` is given again.
    pub idempotency_ttl_seconds: Seconds,
}

impl Default for Cache {
    fn default() -> Self {
        Cache {
            enabled: true,
            backend: CacheBackend::Memory,
            ttl_seconds: Seconds(3600.0),
            max_bytes: ByteSize(64 << 20),
            max_entries: None,
            max_size: None,
            max_cache_size_mb: None,
            max_entry_bytes: ByteSize(2 << 20),
            redis_url: None,
            redis_prefix: "gateway".to_owned(),
            lookup_timeout_ms: 20,
            hash_strategy: HashStrategy::FullRequest,
            scope: CacheScope::Team,
            coalesce: true,
            idempotency_ttl_seconds: Seconds(86_400.0),
        }
    }
}

impl Cache {
    /// Whether memory keeps answers.
    pub fn in_memory(&self) -> bool {
        matches!(self.backend, CacheBackend::Memory | CacheBackend::Tiered)
    }

    /// Whether Redis keeps answers.
    pub fn in_redis(&self) -> bool {
        matches!(self.backend, CacheBackend::Redis | CacheBackend::Tiered)
    }

    /// Puts the other ways to write the bounds in their place.
    pub(super) fn tidy(&mut self) {
        if let Some(megabytes) = self.max_cache_size_mb.take() {
            self.max_bytes = ByteSize((megabytes as usize).saturating_mul(1_000_000));
        }
        if let Some(size) = self.max_size.take() {
            self.bound(size);
        }
    }

    /// Sets one of the two bounds.
    pub(super) fn bound(&mut self, size: MaxSize) {
        match size {
            MaxSize::Entries(count) => self.max_entries = Some(count),
            MaxSize::Bytes(size) => self.max_bytes = size,
        }
    }
}

/// Where answers are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheBackend {
    /// In the process.
    #[default]
    Memory,
    /// In Redis, for all replicas.
    Redis,
    /// In Redis, with memory in front of it.
    Tiered,
    /// Nowhere.
    #[serde(alias = "none", alias = "off")]
    Disabled,
}

/// What two requests must have in common to be given the same answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HashStrategy {
    /// Everything that shapes an answer.
    #[default]
    #[serde(rename = "full_request")]
    FullRequest,
    /// What was said, and the model.
    #[serde(rename = "content+model")]
    ContentAndModel,
    /// What was said, whatever the model and its settings.
    #[serde(rename = "content")]
    Content,
}

/// Who shares answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// The keys of a team; a key without a team has its own.
    #[default]
    Team,
    /// Nobody: each key has its own.
    Key,
    /// Everyone. What one caller was told, another one may read.
    Shared,
}

/// What a route or a key has of its own; what it leaves out is as the `cache` section says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheOverride {
    /// Whether its answers are kept and given again.
    pub enabled: Option<bool>,
    /// How long.
    pub ttl_seconds: Option<Seconds>,
}

/// A bound on what memory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MaxSize {
    /// So many answers.
    Entries(u32),
    /// So many bytes.
    Bytes(ByteSize),
}

impl From<&CacheOverride> for CacheChoice {
    fn from(settings: &CacheOverride) -> Self {
        CacheChoice {
            enabled: settings.enabled,
            ttl: settings.ttl_seconds.map(Seconds::duration),
        }
    }
}

impl MaxSize {
    /// Reads what an operator typed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim().parse() {
            Ok(count) => Ok(MaxSize::Entries(count)),
            Err(_) => ByteSize::parse(text)
                .map(MaxSize::Bytes)
                .map_err(|_| format!("`{text}` is no size; write 512MB, or 10000 for a count")),
        }
    }
}

impl<'de> Deserialize<'de> for MaxSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MaxSize;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as 512MB, or a number of entries")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<MaxSize, E> {
                u32::try_from(count)
                    .map(MaxSize::Entries)
                    .map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MaxSize, E> {
                MaxSize::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for MaxSize {
    fn schema_name() -> Cow<'static, str> {
        "MaxSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "string"],
            "description": "A size with a unit (512MB), or a number of entries."})
    }
}
