//! The journal of usage: every finished request's row, on disk before its client has the end of the answer.
//!
//! A row is appended with one `write` of a few hundred bytes, from the thread that serves the request: the
//! kernel has it then, so that the end of the process, however it comes, cannot lose it. The disk has it
//! some seconds later, or at once with `usage.fsync`. `tasks::usage` reads the journal back ([`Reader`]),
//! settles it in the store in batches, and frees the segments that are settled. Rows that were settled and
//! whose segment was not yet freed are offered again by the next process; the store knows their ids.

mod folder;
mod frame;
mod reader;
mod segment;
pub(crate) mod sync;
mod tape;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use thiserror::Error;

use crate::{row::Row, telemetry::metrics::usage::UsageMetrics};
use folder::{Claim, Folder};
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

/// Most rows are shorter.
const USUAL_FRAME_BYTES: usize = 384;

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
    is_dropping: AtomicBool,
    metrics: UsageMetrics,
}

thread_local! {
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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
            is_dropping: AtomicBool::new(false),
            metrics,
        })
    }

    /// Adds a row. When this returns the end of the process cannot lose it any more. Where the journal is
    /// full or cannot be written the row is dropped and counted, and the request goes on.
    pub fn append(&self, row: &Row<'_>) {
        FRAME.with_borrow_mut(|buffer| {
            buffer.clear();
            if frame::write(buffer, row) {
                self.append_frame(buffer);
            } else {
                self.metrics.dropped.inc();
            }
        });
    }

    /// The row as [`Journal::append_frame`] takes it, for later; `None` where it is far too long.
    pub fn frame(&self, row: &Row<'_>) -> Option<Vec<u8>> {
        let mut buffer = Vec::with_capacity(USUAL_FRAME_BYTES);
        let is_written = frame::write(&mut buffer, row);
        if !is_written {
            self.metrics.dropped.inc();
        }
        is_written.then_some(buffer)
    }

    /// Adds a row that [`Journal::frame`] has made, as [`Journal::append`] does.
    pub fn append_frame(&self, frame: &[u8]) {
        match self.write(frame) {
            Ok(()) => {
                self.metrics.written.inc();
                if self.is_dropping.load(Ordering::Relaxed) && self.has_room() {
                    self.is_dropping.store(false, Ordering::Relaxed);
                    log::info!("the journal of usage takes rows again");
                }
            }
            Err(error) => {
                self.metrics.dropped.inc();
                if !self.is_dropping.swap(true, Ordering::Relaxed) {
                    log::error!(
                        "rows of usage are dropped until further notice, and requests go on: {error}"
                    );
                }
            }
        }
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        let length = frame.len() as u64;
        let mut end = self.end.lock();
        if self.used.load(Ordering::Relaxed).saturating_add(length) > self.max_bytes {
            return Err(io::Error::other(
                "the journal is full (`usage.journal_max_bytes`): the store has not taken rows for a while",
            ));
        }
        if end.is_full(length, self.segment_bytes) {
            let before = end.begin(&self.folder, &self.claim.name)?;
            self.grow(frame::HEAD.len() as u64);
            if self.fsync {
                sync::blocking(|| {
                    before.map_or(Ok(()), |file| file.sync_data())?;
                    self.folder.sync()
                })?;
            }
        }
        end.add(frame)?;
        self.grow(length);
        let bytes = self.added.fetch_add(length, Ordering::Relaxed) + length;
        drop(end);
        match self.fsync {
            true => sync::blocking(|| self.sync(bytes)),
            false => Ok(()),
        }
    }

    /// Waits until the first `bytes` are on the disk.
    fn sync(&self, bytes: u64) -> io::Result<()> {
        self.synced.wait(bytes, || {
            let end = self.end.lock();
            Some((end.file()?, self.added.load(Ordering::Relaxed)))
        })
    }

    /// Whether there is so much that it will not be full again at once.
    fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) <= self.max_bytes - self.max_bytes / 8
    }

    /// Ends the segment that rows are added to, so that the reader can free it.
    ///
    /// # Errors
    /// Where it cannot be written to the disk (`usage.fsync`).
    pub fn close(&self) -> io::Result<()> {
        let mut end = self.end.lock();
        let file = end.file().filter(|_| self.fsync);
        end.close();
        file.map_or(Ok(()), |file| file.sync_data())
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
