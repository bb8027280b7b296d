//! The cache as Pingora's proxy sees it: [`Storage`]. Look-ups and hits come this way; whoever finishes an
//! answer may write it this way too, or by [`Cache::put`].

use std::{any::Any, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::{ErrorType, Result};
use pingora_cache::{
    CacheKey, CacheMeta, HitHandler, MissHandler, PurgeType, Storage,
    key::{CacheHashKey, HashBinary},
    storage::{HandleHit, HandleMiss, MissFinishType, PurgeOutcome, PurgeTarget},
    trace::SpanHandle,
};

use super::{Cache, Entry, Key, Labels};
use crate::chat::usage::Usage;

impl Key {
    /// The key that Pingora's cache passes back to [`Storage`]. Its short form is the beginning of this one,
    /// so that nothing is hashed again.
    pub fn to_pingora(self) -> CacheKey {
        let mut key = CacheKey::new(self.0, "");
        key.set_primary_bin_override(self.short());
        key
    }

    /// The key that was made by [`Key::to_pingora`].
    fn from_pingora(key: &CacheKey) -> Result<Key> {
        match key.primary_key().try_into() {
            Ok(bytes) => Ok(Key(bytes)),
            Err(_) => {
                pingora::Error::e_explain(ErrorType::InternalError, "not a key of this cache")
            }
        }
    }

    /// Its first half.
    pub(super) fn short(&self) -> HashBinary {
        let mut short = HashBinary::default();
        short
            .iter_mut()
            .zip(self.0)
            .for_each(|(to, from)| *to = from);
        short
    }
}

/// The key of an answer that has been found already: the look-up gives it back.
pub fn found(entry: &Arc<Entry>) -> CacheKey {
    let mut key = Key([0; 32]).to_pingora();
    key.extensions.insert(entry.clone());
    key
}

impl Entry {
    /// What Pingora keeps of an answer besides its body. The entry itself is among the extensions.
    pub fn to_meta(self: &Arc<Self>) -> Result<CacheMeta> {
        let mut head = ResponseHeader::build(StatusCode::OK, Some(self.headers.len() + 2))?;
        for (name, value) in &self.headers {
            head.append_header(name, value)?;
        }
        let mut meta = CacheMeta::new(self.expires(), self.created, 0, 0, head);
        meta.extensions_mut().insert(self.clone());
        Ok(meta)
    }

    /// The answer that `meta` describes. Its labels, its usage and its fingerprint are among the extensions
    /// where somebody has put them there.
    fn from_meta(meta: &CacheMeta, body: Bytes) -> Entry {
        let is_stream = meta
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let extensions = meta.extensions();
        let framing = [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ];
        Entry {
            labels: extensions.get::<Labels>().cloned().unwrap_or_default(),
            fingerprint: extensions.get().copied().unwrap_or_default(),
            is_stream,
            headers: meta
                .headers()
                .iter()
                .filter(|(name, _)| !framing.contains(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            body,
            usage: extensions.get::<Usage>().copied(),
            created: meta.created(),
            ttl: meta
                .fresh_until()
                .duration_since(meta.created())
                .unwrap_or_default(),
        }
    }
}

/// An answer that is being given again: its body in one piece.
pub struct Hit {
    /// The answer.
    pub entry: Arc<Entry>,
    range: Option<(usize, usize)>,
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        let range = self.range.take();
        let piece = range.and_then(|(start, end)| {
            let is_within = start < end && end <= self.entry.body.len();
            is_within.then(|| self.entry.body.slice(start..end))
        });
        Ok(piece)
    }

    async fn finish(
        self: Box<Self>,
        _: &'static (dyn Storage + Sync),
        _: &CacheKey,
        _: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let length = self.entry.body.len();
        if start >= length {
            return pingora::Error::e_explain(ErrorType::InternalError, "beyond the answer's end");
        }
        self.range = Some((start, end.map_or(length, |end| end.min(length))));
        Ok(())
    }

    fn get_eviction_weight(&self) -> usize {
        self.entry.weight()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// An answer that is being written. It is kept when it is finished; dropped before, it leaves nothing.
struct Miss {
    cache: &'static Cache,
    key: Key,
    /// What describes it; its body is empty so far.
    entry: Entry,
    /// `None` once it has become too long to be kept.
    body: Option<BytesMut>,
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, _: bool) -> Result<()> {
        let most = self.cache.settings().max_entry_bytes.0;
        let has_room = |body: &BytesMut| body.len().saturating_add(data.len()) <= most;
        self.body = self.body.take().filter(has_room).map(|mut body| {
            body.extend_from_slice(&data);
            body
        });
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let Some(body) = self.body else {
            return Ok(MissFinishType::Created(0));
        };
        let mut entry = self.entry;
        entry.body = body.freeze();
        let entry = Arc::new(entry.compact());
        let weight = entry.weight();
        self.cache.put(self.key, entry);
        Ok(MissFinishType::Created(weight))
    }
}

#[async_trait]
impl Storage for Cache {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        if let Some(found) = key.extensions.get::<Arc<Entry>>() {
            // Whoever found it writes the head.
            let mut head = ResponseHeader::build(StatusCode::OK, Some(2))?;
            head.insert_header(header::CONTENT_LENGTH, found.body.len())?;
            let meta = CacheMeta::new(found.expires(), found.created, 0, 0, head);
            let entry = found.clone();
            let range = Some((0, entry.body.len()));
            return Ok(Some((meta, Box::new(Hit { entry, range }))));
        }
        let Some((entry, _)) = self.get(&Key::from_pingora(key)?).await else {
            return Ok(None);
        };
        let meta = entry.to_meta()?;
        let range = Some((0, entry.body.len()));
        Ok(Some((meta, Box::new(Hit { entry, range }))))
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<MissHandler> {
        let status = meta.response_header().status;
        if status != StatusCode::OK {
            let message = format!("an answer with the status {status} is not kept");
            return pingora::Error::e_explain(ErrorType::InternalError, message);
        }
        Ok(Box::new(Miss {
            cache: self,
            key: Key::from_pingora(key)?,
            entry: Entry::from_meta(meta, Bytes::new()),
            body: Some(BytesMut::new()),
        }))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _: PurgeType,
        _: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let short = target.key().primary_bin();
        Ok(match self.forget(&short).await {
            true => PurgeOutcome::Purged(None),
            false => PurgeOutcome::NotFound,
        })
    }

    /// Nothing of an answer changes: one that is no longer fresh is gone.
    async fn update_meta(
        &'static self,
        _: &CacheKey,
        _: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<bool> {
        Ok(false)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}
