//! Rows that the store would not take, as lines of JSON beside the journal, for somebody to look at.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};

use serde::Serialize;

use super::Journal;
use crate::row::{Later, Row};

/// The file. Its name is no journal's.
pub(super) const NAME: &str = "refused.jsonl";
/// It grows no longer than this; the log has all of them.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct Line<'a> {
    why: &'a str,
    row: &'a Row<'a>,
    later: Later<'a>,
}

impl Journal {
    /// Keeps a row that the store would not take.
    ///
    /// # Errors
    /// Where the file cannot be written, or is too long.
    pub fn keep_refused(&self, row: &Row<'_>, why: &str) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line {
            why,
            row,
            later: row.later(),
        })?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.folder.file(NAME))?;
        if file.metadata()?.len() > MAX_BYTES {
            return Err(io::Error::other(format!("{NAME} is too long already")));
        }
        file.write_all(&line)
    }
}
