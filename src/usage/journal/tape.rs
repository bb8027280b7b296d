//! One journal as it is read back: where reading stands, and which segments can go.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use super::{
    folder::{Folder, Position},
    frame::{self, Version},
};

/// How long a segment is left alone that cannot be read.
const ASIDE: Duration = Duration::from_secs(60);
/// And where another version wrote it.
const FOREIGN_ASIDE: Duration = Duration::from_secs(3600);
/// Bytes that are read at once.
const READ_BYTES: u64 = 256 << 10;

/// A journal that is being read.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) name: String,
    /// Behind the last row that was settled.
    pub(super) position: Position,
    file: Option<(u64, File, Version)>,
    /// Segments that could not be read, and until when they are left alone.
    aside: BTreeMap<u64, Instant>,
}

/// How much of a journal is there to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Segments below this number.
    pub(super) next: u64,
    /// How long the last of them is, where it still grows; the others are as long as their files.
    pub(super) growing: Option<u64>,
}

impl Extent {
    /// All of a journal that nobody writes any more.
    pub(super) const ALL: Extent = Extent {
        next: u64::MAX,
        growing: None,
    };

    fn growing(self, sequence: u64) -> Option<u64> {
        self.growing
            .filter(|_| sequence.checked_add(1) == Some(self.next))
    }
}

/// Some rows, in the bytes that hold them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) version: Version,
    pub(super) rows: Vec<Range<usize>>,
    /// Behind them.
    pub(super) end: Position,
    /// Whether there is more behind that already.
    pub(super) has_more: bool,
}

impl Tape {
    pub(super) fn new(name: &str, position: Position) -> Self {
        Tape {
            name: name.to_owned(),
            position,
            file: None,
            aside: BTreeMap::new(),
        }
    }

    /// Whether some of it was left out, to be tried again later. Then the position says nothing of what was
    /// settled before it.
    pub(super) fn has_gaps(&self) -> bool {
        !self.aside.is_empty()
    }

    /// The next rows, `max_rows` at most. Segments that are settled and do not grow are removed on the way;
    /// `freed` gets their bytes. One that cannot be read is left out for a while and holds up no other.
    pub(super) fn next(
        &mut self,
        folder: &Folder,
        extent: Extent,
        max_rows: usize,
        freed: &mut u64,
    ) -> io::Result<Option<Piece>> {
        let now = Instant::now();
        for (sequence, length) in folder.segments(&self.name)? {
            if sequence >= extent.next {
                break;
            }
            match self.aside.get(&sequence) {
                Some(until) if *until > now => continue,
                Some(_) => {
                    self.aside.remove(&sequence);
                    let offset = 0;
                    self.position = Position { sequence, offset };
                }
                None => {}
            }
            if sequence > self.position.sequence {
                let offset = 0;
                self.position = Position { sequence, offset };
            }
            let growing = extent.growing(sequence);
            match self.pass(folder, (sequence, length), growing, max_rows) {
                Ok(None) if growing.is_none() => *freed += length,
                Ok(piece) => return Ok(piece),
                Err(error) => self.set_aside(folder, sequence, &error),
            }
        }
        Ok(None)
    }

    /// The next rows of a segment, which is removed where there are none and it does not grow.
    fn pass(
        &mut self,
        folder: &Folder,
        (sequence, length): (u64, u64),
        growing: Option<u64>,
        max_rows: usize,
    ) -> io::Result<Option<Piece>> {
        if sequence == self.position.sequence {
            let piece = self.read(folder, growing.unwrap_or(length), max_rows)?;
            if let Some(mut piece) = piece {
                piece.has_more |= growing.is_none();
                return Ok(Some(piece));
            }
        }
        if growing.is_none() {
            self.file = None;
            fs::remove_file(folder.segment(&self.name, sequence))?;
        }
        Ok(None)
    }

    fn set_aside(&mut self, folder: &Folder, sequence: u64, error: &io::Error) {
        self.file = None;
        let path = folder.segment(&self.name, sequence);
        let (why, pause) = match error.kind() {
            io::ErrorKind::InvalidData => ("another version wrote it".to_owned(), FOREIGN_ASIDE),
            _ => (error.to_string(), ASIDE),
        };
        log::error!("{} is left alone for now: {why}", path.display());
        self.aside.insert(sequence, Instant::now() + pause);
    }

    /// The rows behind the position in its own segment, which is `length` long; `None` where there are no
    /// more.
    fn read(&mut self, folder: &Folder, length: u64, max_rows: usize) -> io::Result<Option<Piece>> {
        let Position { sequence, offset } = self.position;
        let path = folder.segment(&self.name, sequence);
        let head = frame::HEAD.len() as u64;
        let (file, version) = match self.file.take() {
            Some((of, file, version)) if of == sequence => (file, version),
            // Nothing but a part of its head was written before the process ended.
            _ if length < head => return Ok(None),
            _ => {
                let file = File::open(&path)?;
                let mut found = [0; frame::HEAD.len()];
                file.read_exact_at(&mut found, 0)?;
                let version = Version::of(found).ok_or(io::ErrorKind::InvalidData)?;
                (file, version)
            }
        };
        let at = offset.max(head);
        for room in [READ_BYTES, frame::MAX_BYTES] {
            let size = room.min(length.saturating_sub(at));
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact_at(&mut bytes, at)?;
            let (rows, used) = split(&bytes, max_rows);
            if !rows.is_empty() {
                let offset = at + used;
                self.file = Some((sequence, file, version));
                return Ok(Some(Piece {
                    bytes,
                    version,
                    rows,
                    end: Position { sequence, offset },
                    has_more: offset < length,
                }));
            }
            if at + size >= length {
                break;
            }
        }
        if at < length {
            let left = length - at;
            log::warn!("{}: dropped a torn end of {left} bytes", path.display());
        }
        self.file = Some((sequence, file, version));
        Ok(None)
    }
}

/// Where the rows are in `bytes`, and where the last whole frame ends.
fn split(bytes: &[u8], max_rows: usize) -> (Vec<Range<usize>>, u64) {
    let mut rows = Vec::new();
    let mut at = 0;
    while rows.len() < max_rows
        && let Some(row) = bytes.get(at..).and_then(frame::first)
    {
        rows.push(at + row.start..at + row.end);
        at += row.end;
    }
    (rows, at as u64)
}
