//! Where journals lie: for each process a lock that it holds while it lives, and its segments. The lock's
//! file also says how far the journal has been settled. Locks go with their process, however it ends: whoever
//! can take one has found the journal of a process that is gone.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// How often a name is tried that somebody else has taken.
const TRIES: u32 = 8;

/// The folder of a gateway's journals.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// A journal that nobody else reads or writes, as long as this lives.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    lock: File,
    path: PathBuf,
}

/// A place in a journal: a segment, and how far into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) offset: u64,
}

impl Folder {
    /// The folder at `path`, made where it is not there. It is for its owner only.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Folder(path.to_owned()))
    }

    /// A new journal of this process.
    pub(super) fn claim_new(&self) -> io::Result<Claim> {
        for attempt in 0..TRIES {
            let random = RandomState::new().hash_one(attempt);
            let name = format!("journal-{}-{random:016x}", std::process::id());
            if let Some(claim) = self.claim(&name)? {
                return Ok(claim);
            }
        }
        Err(io::Error::other(
            "every name for a journal is taken by another process",
        ))
    }

    /// Takes the journal of that name; `None` where somebody else has it.
    pub(super) fn claim(&self, name: &str) -> io::Result<Option<Claim>> {
        let path = self.0.join(format!("{name}.lock"));
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Who had it may have removed it in between: then this is a lock on nothing.
        let is_there = fs::metadata(&path)
            .is_ok_and(|there| lock.metadata().is_ok_and(|own| own.ino() == there.ino()));
        let name = name.to_owned();
        Ok(is_there.then_some(Claim { name, lock, path }))
    }

    /// The names of all journals, the processes' that live as well.
    pub(super) fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.0)? {
            let file = entry?.file_name();
            let Some(file) = file.to_str().filter(|file| file.starts_with("journal-")) else {
                continue;
            };
            let name = match file.strip_suffix(".lock") {
                Some(name) => Some(name),
                None => parse_segment(file).map(|(name, _)| name),
            };
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    /// The segments of a journal with their lengths, the oldest first.
    pub(super) fn segments(&self, name: &str) -> io::Result<Vec<(u64, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let file = entry.file_name();
            match file.to_str().and_then(parse_segment) {
                Some((of, sequence)) if of == name => {
                    segments.push((sequence, entry.metadata()?.len()));
                }
                _ => {}
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Where a segment lies.
    pub(super) fn segment(&self, name: &str, sequence: u64) -> PathBuf {
        self.0.join(format!("{name}.{sequence:06}.log"))
    }

    /// Where something else of the gateway's lies.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the names of files survive a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// `NAME.SEQUENCE.log`.
fn parse_segment(file: &str) -> Option<(&str, u64)> {
    let (name, sequence) = file.strip_suffix(".log")?.rsplit_once('.')?;
    Some((name, sequence.parse().ok()?))
}

impl Claim {
    /// How far the journal has been settled.
    pub(super) fn position(&self) -> Position {
        let read = || {
            let text = fs::read_to_string(&self.path).ok()?;
            let (sequence, offset) = text.trim().split_once(' ')?;
            Some(Position {
                sequence: sequence.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        // Where that is lost, rows are offered to the store again, which knows those that it has.
        read().unwrap_or_default()
    }

    /// Writes down how far the journal has been settled.
    pub(super) fn save(&self, position: Position) -> io::Result<()> {
        let Position { sequence, offset } = position;
        // Always as long, so that no rest of an earlier one remains.
        let text = format!("{sequence:020} {offset:020}\n");
        self.lock.write_all_at(text.as_bytes(), 0)
    }

    /// The journal is over, and all its segments are gone.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}
