//! The journal of usage: every finished request's row, on disk before its client has the end of the answer.
//!
//! A row is appended with one `write` of a few hundred bytes, from the thread that serves the request: the
//! kernel has it then, so that the end of the process, however it comes, cannot lose it. The disk has it
//! some seconds later, or at once with `usage.fsync`. `tasks::usage` reads the journal back ([`Reader`]),
//! settles it in the store in batches, and frees the segments that are settled. Rows that were settled and
//! whose segment was not yet freed are offered again by the next process; the store knows their ids.

mod append;
mod folder;
mod frame;
mod late;
mod reader;
mod refused;
mod segment;
mod sync;
mod tape;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use thiserror::Error;

use crate::telemetry::metrics::usage::UsageMetrics;
use folder::{Claim, Folder};
use late::Late;
pub use reader::{Batch, Reader};
use segment::End;
use sync::Synced;
use tape::Extent;

/// Segments of one journal where it is full, about: freed one by one as they are settled.
const SEGMENTS: u64 = 32;
/// Segments are no larger, so that what is settled does not lie around.
const MAX_SEGMENT_BYTES: u64 = 8 << 20;
/// And no smaller, so that a small bound does not make a file of every row.
const MIN_SEGMENT_BYTES: u64 = 16 << 10;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder; journals of earlier processes are found there.
    pub folder: PathBuf,
    /// Bytes that all of them may take. What comes when they do is dropped.
    pub max_bytes: u64,
    /// Whether an answer waits until its row is on the disk.
    pub fsync: bool,
}

/// The journal cannot be begun.
#[derive(Debug, Error)]
#[error(
    "cannot keep a journal of usage in {}: {error}. Set GATEWAY_DATA_DIR to a folder that this process can write, or switch the record of requests off with `usage.enabled: false`",
    .folder.display()
)]
pub struct OpenError {
    folder: PathBuf,
    error: io::Error,
}

/// The journal of this process.
#[derive(Debug)]
pub struct Journal {
    folder: Folder,
    claim: Claim,
    end: Mutex<End>,
    /// Bytes that were ever added.
    added: AtomicU64,
    /// Bytes on disk that are not freed, of journals that were taken over as well.
    used: AtomicU64,
    max_bytes: u64,
    segment_bytes: u64,
    fsync: bool,
    synced: Synced,
    late: Late,
    is_dropping: AtomicBool,
    /// Whether the disk has failed rows of which somebody was to be sure.
    is_unsure: AtomicBool,
    metrics: UsageMetrics,
}

impl Journal {
    /// Begins a journal for this process. Nothing but a lock is written until there is a row.
    ///
    /// # Errors
    /// Where its folder cannot be written.
    pub fn open(options: &Options, metrics: UsageMetrics) -> Result<Self, OpenError> {
        let begin = |path: &Path| {
            let folder = Folder::open(path)?;
            let claim = folder.claim_new()?;
            Ok((folder, claim))
        };
        let (folder, claim) = begin(&options.folder).map_err(|error| OpenError {
            folder: options.folder.clone(),
            error,
        })?;
        let usual = options.max_bytes / SEGMENTS;
        Ok(Journal {
            folder,
            claim,
            end: Mutex::default(),
            added: AtomicU64::new(0),
            used: AtomicU64::new(0),
            max_bytes: options.max_bytes,
            segment_bytes: usual.clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES),
            fsync: options.fsync,
            synced: Synced::default(),
            late: Late::default(),
            is_dropping: AtomicBool::new(false),
            is_unsure: AtomicBool::new(false),
            metrics,
        })
    }

    /// Whether there is so much that it will not be full again at once.
    fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) <= self.max_bytes - self.max_bytes / 8
    }

    /// What there is to be read.
    fn extent(&self) -> Extent {
        let end = self.end.lock();
        Extent {
            next: end.next(),
            growing: end.length(),
        }
    }

    fn grow(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.metrics
            .journal_bytes
            .set(i64::try_from(used).unwrap_or(i64::MAX));
    }

    fn shrink(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let used = self.used.load(Ordering::Relaxed);
        self.metrics
            .journal_bytes
            .set(i64::try_from(used).unwrap_or(i64::MAX));
    }
}
