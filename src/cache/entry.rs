//! A stored answer, its key, and what it weighs.

use std::{
    fmt,
    mem::size_of,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::chat::usage::Usage;

/// What an answer is found by: a SHA-256 over everything that shapes it, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 32]);

/// Whose an answer is, and where it came from: what purges choose by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// The team of the key that asked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Arc<str>>,
    /// The name of that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// Its id, where the store has it: a label may be given to several keys and change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Arc<str>>,
    /// The model that was asked for.
    pub asked: Arc<str>,
    /// The provider that served.
    pub provider: Arc<str>,
    /// The model that served.
    pub model: Arc<str>,
}

/// A stored answer. Never changed, shared by `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub labels: Labels,
    /// SHA-256 of the request's body, for idempotency keys; zeroes elsewhere.
    pub fingerprint: [u8; 32],
    /// Whether it is a stream's text (SSE or lines) rather than one whole document.
    pub is_stream: bool,
    /// The head's fields that are worth repeating, `Content-Type` included; nothing about framing.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The bytes that the client was sent.
    pub body: Bytes,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// When it was complete.
    pub created: SystemTime,
    /// How long it is given again.
    pub ttl: Duration,
}

/// What the allocator and the tables of the memory tier need for an entry besides what is counted by name:
/// its place in the slab (twice over, for the slab doubles), in the map and in the list of ghosts, the head
/// of `Arc` and of each allocation.
const OVERHEAD: usize = 256;
/// What the allocator adds to each allocation.
const ALLOCATION: usize = 16;

impl Entry {
    /// Lets go of what it does not need: bytes that are part of a larger buffer are copied out of it. To be
    /// called before an answer is stored whose parts come from elsewhere; memory counts what it sees.
    #[must_use]
    pub fn compact(mut self) -> Self {
        self.body = Bytes::copy_from_slice(&self.body);
        for (_, value) in &mut self.headers {
            // What was a header's value is one.
            if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
                *value = copy;
            }
        }
        self.headers.shrink_to_fit();
        self
    }

    /// The memory that it takes up, everything counted.
    pub fn weight(&self) -> usize {
        let pair = size_of::<(HeaderName, HeaderValue)>();
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 2 * ALLOCATION)
            .sum();
        let labels = &self.labels;
        let texts = [&labels.asked, &labels.provider, &labels.model];
        let texts = texts.into_iter().chain(
            [&labels.team, &labels.key, &labels.account]
                .into_iter()
                .flatten(),
        );
        let labels: usize = texts.map(|text| text.len() + 2 * ALLOCATION).sum();
        OVERHEAD
            + size_of::<Entry>()
            + self.headers.capacity() * pair
            + headers
            + labels
            + self.body.len()
            + ALLOCATION
    }

    /// Until when it is given again.
    pub fn expires(&self) -> SystemTime {
        let far = Duration::from_secs(u64::from(u32::MAX));
        self.created
            .checked_add(self.ttl.min(far))
            .unwrap_or(self.created)
    }

    /// Whether it may be given again at `now`.
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        now < self.expires()
    }

    /// How old it is.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.created).unwrap_or_default()
    }

    /// How long it will be given again.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.expires().duration_since(now).unwrap_or_default()
    }
}

impl Key {
    /// As 64 characters.
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hex())
    }
}
