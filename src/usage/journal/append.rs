//! Adding rows, from the threads that serve requests.

use std::{cell::RefCell, io, sync::atomic::Ordering, time::Duration};

use parking_lot::MutexGuard;

use super::{Journal, frame, segment::End};
use crate::{blocking::blocking, row::Row};

/// How long a row waits for those before it. A disk that takes longer has stopped for now: rows wait for it
/// in memory then, and requests go on.
const PATIENCE: Duration = Duration::from_millis(250);
/// Most rows are shorter.
const USUAL_FRAME_BYTES: usize = 384;

thread_local! {
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Journal {
    /// Adds a row. When this returns the end of the process cannot lose it any more, unless the disk has
    /// stopped and `usage.fsync` is off. Where the journal is full or cannot be written the row is dropped and counted, and the
    /// request goes on.
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

    /// The same for a row that costs nobody anything: dropped as soon as rows pile up, so that there is room
    /// for those that do.
    pub fn append_minor(&self, row: &Row<'_>) {
        if self.used.load(Ordering::Relaxed) > self.max_bytes / 4 {
            self.metrics.dropped_minor.inc();
        } else {
            self.append(row);
        }
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
        match self.wait() {
            Some(mut end) => {
                self.add_late(&mut end);
                let written = self.write(&mut end, frame);
                drop(end);
                self.note(written);
            }
            None if self.late.push(frame) => {}
            None => self.note_dropped(&io::Error::other("the disk has stopped")),
        }
        // Whoever has had the end may be done with it since, or another has pushed a row meanwhile.
        while self.late.has_any() {
            match self.end.try_lock() {
                Some(mut end) => self.add_late(&mut end),
                None => return,
            }
        }
    }

    /// The end of the journal; `None` where those before take too long, and nobody is to be sure of the disk.
    fn wait(&self) -> Option<MutexGuard<'_, End>> {
        if let Some(end) = self.end.try_lock() {
            return Some(end);
        }
        blocking(|| match (self.fsync, self.late.has_any()) {
            (true, _) => Some(self.end.lock()),
            (false, true) => None,
            (false, false) => self.end.try_lock_for(PATIENCE),
        })
    }

    /// Adds the rows that waited for the disk. This waits for it as well.
    pub fn write_late(&self) {
        if self.late.has_any() {
            blocking(|| self.add_late(&mut self.end.lock()));
        }
    }

    fn add_late(&self, end: &mut End) {
        if !self.late.has_any() {
            return;
        }
        let late = self.late.take();
        log::warn!(
            "the disk held {} rows of usage up; they are in the journal now",
            late.len()
        );
        for frame in late {
            match self.write(end, &frame) {
                Ok(_) => self.metrics.written.inc(),
                Err(error) => self.note_dropped(&error),
            }
        }
    }

    fn note(&self, written: io::Result<u64>) {
        match written {
            Ok(bytes) => {
                self.metrics.written.inc();
                if self.is_dropping.load(Ordering::Relaxed) && self.has_room() {
                    self.is_dropping.store(false, Ordering::Relaxed);
                    log::info!("the journal of usage takes rows again");
                }
                if self.fsync {
                    blocking(|| self.make_sure(bytes));
                }
            }
            Err(error) => self.note_dropped(&error),
        }
    }

    fn note_dropped(&self, error: &io::Error) {
        self.metrics.dropped.inc();
        if !self.is_dropping.swap(true, Ordering::Relaxed) {
            log::error!(
                "rows of usage are dropped until further notice, and requests go on: {error}"
            );
        }
    }

    /// Adds a frame at the end. Gives back how many bytes there are with it.
    fn write(&self, end: &mut End, frame: &[u8]) -> io::Result<u64> {
        let length = frame.len() as u64;
        if self.used.load(Ordering::Relaxed).saturating_add(length) > self.max_bytes {
            return Err(io::Error::other(
                "the journal is full (`usage.journal_max_bytes`): the store has not taken rows for a while",
            ));
        }
        if end.is_full(length, self.segment_bytes) {
            let before = end.begin(&self.folder, &self.claim.name)?;
            self.grow(frame::HEAD.len() as u64);
            if self.fsync {
                blocking(|| {
                    before.map_or(Ok(()), |file| file.sync_data())?;
                    self.folder.sync()
                })?;
            }
        }
        end.add(frame)?;
        self.grow(length);
        Ok(self.added.fetch_add(length, Ordering::Relaxed) + length)
    }

    /// Waits until the first `bytes` are on the disk. Where it fails them the row is in the journal all the
    /// same, and will be settled; what comes next goes to another file.
    fn make_sure(&self, bytes: u64) {
        let there = || self.added.load(Ordering::Relaxed);
        let end = || {
            let end = self.end.lock();
            Some((end.file()?, there()))
        };
        let close = || {
            let mut end = self.end.lock();
            end.close();
            there()
        };
        match self.synced.wait(bytes, end, close) {
            Ok(()) => self.is_unsure.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_unsure.swap(true, Ordering::Relaxed) {
                    log::error!("rows of usage may not survive a loss of power: {error}");
                }
            }
        }
    }

    /// Ends the segment that rows are added to, so that the reader can free it.
    ///
    /// # Errors
    /// Where it cannot be written to the disk (`usage.fsync`).
    pub fn close(&self) -> io::Result<()> {
        self.write_late();
        let mut end = self.end.lock();
        let file = end.file().filter(|_| self.fsync);
        end.close();
        file.map_or(Ok(()), |file| file.sync_data())
    }

    /// The end of the process: no row is taken from now on. Where all of them are settled nothing is left
    /// behind; where not, the next process finds them.
    pub fn end(&self) {
        self.write_late();
        let mut end = self.end.lock();
        end.end();
        let segments = self.folder.segments(&self.claim.name);
        if segments.is_ok_and(|segments| segments.is_empty()) {
            self.claim.remove();
        }
    }
}
