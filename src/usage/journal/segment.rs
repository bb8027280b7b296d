//! The end of a journal, where rows are added. A row goes to the kernel in one write: from then on it
//! outlives the process, however that ends.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    sync::Arc,
};

use super::{folder::Folder, frame};

/// The segment that rows are added to, and the number of the next one.
#[derive(Debug, Default)]
pub(super) struct End {
    open: Option<Segment>,
    next: u64,
}

/// A segment that can grow.
#[derive(Debug)]
struct Segment {
    file: Arc<File>,
    length: u64,
}

impl End {
    /// How long the open segment is, the last one that was begun.
    pub(super) fn length(&self) -> Option<u64> {
        self.open.as_ref().map(|segment| segment.length)
    }

    /// The file of the open segment.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.open.as_ref().map(|segment| segment.file.clone())
    }

    /// The number of the segment that comes next; those below it are there or have been freed.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether another frame of this length begins a segment.
    pub(super) fn is_full(&self, length: u64, segment_bytes: u64) -> bool {
        self.open
            .as_ref()
            .is_none_or(|segment| segment.length.saturating_add(length) > segment_bytes)
    }

    /// Begins a segment. The one before is whole now; its file is given back.
    pub(super) fn begin(&mut self, folder: &Folder, name: &str) -> io::Result<Option<Arc<File>>> {
        let sequence = self.next;
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.segment(name, sequence))?;
        // A file that could not be begun is in the way of no other.
        self.next += 1;
        file.write_all(&frame::HEAD)?;
        let segment = Segment {
            file: Arc::new(file),
            length: frame::HEAD.len() as u64,
        };
        Ok(self.open.replace(segment).map(|before| before.file))
    }

    /// Adds a frame to the open segment. Where that fails nothing of it is left behind; where even that
    /// fails the segment is given up, for behind half a frame nothing would be found.
    pub(super) fn add(&mut self, frame: &[u8]) -> io::Result<()> {
        let Some(segment) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match (&*segment.file).write_all(frame) {
            Ok(()) => {
                segment.length += frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                if segment.file.set_len(segment.length).is_err() {
                    self.open = None;
                }
                Err(error)
            }
        }
    }

    /// Gives the open segment up: the next row begins another one.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}
