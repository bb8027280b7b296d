//! An answer as bytes, for Redis, and back. Whoever reads trusts nothing: a record that is damaged, of another
//! version, another answer's or too long is no record.
//!
//! ```text
//! version 1 | checksum 4 (of all that follows) | key 32 | labels' length 2 | labels | facts' length 4 | facts | body
//! ```
//!
//! Labels and facts are JSON. The labels stand at a known place, so that a purge reads no more than them. The body is
//! compressed (zstd, level 1) where that saves a tenth of it.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{Entry, Key, Labels};
use crate::chat::usage::Usage;

const VERSION: u8 = 1;
/// Version and checksum.
const SEAL: usize = 5;
/// Where the labels' length stands.
const LABELS: usize = SEAL + 32;
/// So much of a record's beginning usually has all of its labels.
pub(super) const LABELS_END: usize = LABELS + 2 + 400;
/// Shorter bodies are not worth compressing.
const COMPRESSED_FROM: usize = 1024;
const LEVEL: i32 = 1;

/// Everything about an answer but its labels and its body.
#[derive(Serialize, Deserialize)]
struct Facts<'a> {
    /// When it was complete, in milliseconds since 1970.
    #[serde(rename = "c")]
    created: u64,
    /// How long it is given again, in milliseconds.
    #[serde(rename = "t")]
    ttl: u64,
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    is_stream: bool,
    #[serde(rename = "h", borrow)]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// In base64.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// How long the body is, where it is compressed.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    plain_length: Option<usize>,
}

/// The record of an answer; `None` for one whose labels are too long to be written down.
pub(super) fn encode(key: &Key, entry: &Entry) -> Option<Vec<u8>> {
    let compressed = compressed(&entry.body);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let has_fingerprint = entry.fingerprint != [0; 32];
    let facts = Facts {
        created: millis(entry.created.duration_since(UNIX_EPOCH).ok()?),
        ttl: millis(entry.ttl),
        is_stream: entry.is_stream,
        headers: entry
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.into())))
            .collect(),
        usage: entry.usage,
        fingerprint: has_fingerprint.then(|| STANDARD.encode(entry.fingerprint)),
        plain_length: compressed.as_ref().map(|_| entry.body.len()),
    };
    let labels = serde_json::to_vec(&entry.labels).ok()?;
    let facts = serde_json::to_vec(&facts).ok()?;
    let body = compressed.as_deref().unwrap_or(&entry.body);
    let mut record = Vec::with_capacity(LABELS + 6 + labels.len() + facts.len() + body.len());
    record.extend([VERSION, 0, 0, 0, 0]);
    record.extend(key.0);
    record.extend(u16::try_from(labels.len()).ok()?.to_le_bytes());
    record.extend(labels);
    record.extend(u32::try_from(facts.len()).ok()?.to_le_bytes());
    record.extend(facts);
    record.extend_from_slice(body);
    let checksum = crc32fast::hash(record.get(SEAL..)?);
    record
        .get_mut(1..SEAL)?
        .copy_from_slice(&checksum.to_le_bytes());
    Some(record)
}

/// The answer under `key` that a record holds, if it does. No body is longer than `most`.
pub(super) fn decode(key: &Key, record: &[u8], most: usize) -> Option<Entry> {
    let (seal, sealed) = record.split_at_checked(SEAL)?;
    let (version, checksum) = seal.split_first()?;
    if *version != VERSION || *checksum != crc32fast::hash(sealed).to_le_bytes() {
        return None;
    }
    let rest = sealed.strip_prefix(&key.0)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (labels, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (facts, body) = rest.split_at_checked(length)?;
    let facts: Facts<'_> = serde_json::from_slice(facts).ok()?;
    let body = match facts.plain_length {
        // No more than was promised is ever unpacked.
        Some(length) if length <= most => {
            let plain = zstd::bulk::decompress(body, length).ok()?;
            (plain.len() == length).then(|| Bytes::from(plain.into_boxed_slice()))?
        }
        None if body.len() <= most => Bytes::copy_from_slice(body),
        _ => return None,
    };
    let header = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
        let name = HeaderName::try_from(name.as_ref()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    };
    let fingerprint = match facts.fingerprint {
        Some(text) => STANDARD.decode(text).ok()?.try_into().ok()?,
        None => [0; 32],
    };
    Some(Entry {
        labels: serde_json::from_slice(labels).ok()?,
        fingerprint,
        is_stream: facts.is_stream,
        headers: facts.headers.iter().map(header).collect::<Option<_>>()?,
        body,
        usage: facts.usage,
        created: time(facts.created)?,
        ttl: Duration::from_millis(facts.ttl),
    })
}

/// The labels at a record's beginning. `Err` says how much of the record has to be there for that.
pub(super) fn labels(beginning: &[u8]) -> Result<Option<Labels>, usize> {
    if beginning.first() != Some(&VERSION) {
        return Ok(None);
    }
    let Some((length, rest)) = beginning.get(LABELS..).and_then(<[u8]>::split_first_chunk) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_le_bytes(*length));
    match rest.get(..length) {
        Some(labels) => Ok(serde_json::from_slice(labels).ok()),
        None => Err(LABELS + 2 + length),
    }
}

fn time(millis: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

fn compressed(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < COMPRESSED_FROM {
        return None;
    }
    let compressed = zstd::bulk::compress(body, LEVEL).ok()?;
    (compressed.len() <= body.len() - body.len() / 10).then_some(compressed)
}

#[cfg(test)]
mod tests;
