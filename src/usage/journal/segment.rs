//! The end of a journal, where rows are added. A row goes to the kernel in one write: from then on it
//! outlives the process, however that ends.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{folder::Folder, frame};

/// How long none is begun after one could not be.
const AGAIN: Duration = Duration::from_millis(100);

/// The segment that rows are added to, and the number of the next one.
#[derive(Debug, Default)]
pub(super) struct End {
    open: Option<Segment>,
    next: u64,
    is_over: bool,
    /// When a segment may be begun, where that has just failed.
    again_at: Option<Instant>,
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

    /// Begins a segment. The one before is whole now; its file is given back. Where that fails nothing has
    /// changed: the one before is still the last, and may take shorter rows.
    pub(super) fn begin(&mut self, folder: &Folder, name: &str) -> io::Result<Option<Arc<File>>> {
        let now = Instant::now();
        if self.is_over || self.again_at.is_some_and(|at| now < at) {
            return Err(io::Error::other("no segment of the journal can be begun"));
        }
        let path = folder.segment(name, self.next);
        let begun = self.begin_with(&path, |mut file| file.write_all(&frame::HEAD));
        self.again_at = begun.is_err().then(|| now + AGAIN);
        begun
    }

    fn begin_with(
        &mut self,
        path: &Path,
        write_head: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<Option<Arc<File>>> {
        // It may be what is left of a try that failed: nobody else has this name.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if let Err(error) = file.set_len(0).and_then(|()| write_head(&file)) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        self.next += 1;
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

    /// Takes no more rows.
    pub(super) fn end(&mut self) {
        self.open = None;
        self.is_over = true;
    }

    /// Gives the open segment up: the next row begins another one.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_cannot_be_begun_leaves_no_file_and_the_one_before_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(folder.path()).unwrap();
        let mut end = End::default();
        end.begin(&folder, "journal-1-0").unwrap();
        let path = folder.segment("journal-1-0", end.next());
        for _ in 0..3 {
            let failed = end.begin_with(&path, |_| Err(io::ErrorKind::StorageFull.into()));
            assert!(failed.is_err() && !path.exists());
        }
        end.add(b"short").unwrap();
        let segments = folder.segments("journal-1-0").unwrap();
        // What is read as the one that grows is the one that rows are added to.
        assert_eq!(segments, [(end.next() - 1, end.length().unwrap())]);
        end.begin(&folder, "journal-1-0").unwrap();
        assert_eq!((end.next(), end.length()), (2, Some(8)));
    }
}
