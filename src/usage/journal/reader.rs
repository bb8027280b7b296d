//! Reading journals back: those of processes that are gone first, then this one's own, each in order.

use std::{
    collections::{HashSet, VecDeque},
    io,
    ops::Range,
    sync::Arc,
};

use super::{
    Journal,
    folder::{Claim, Position},
    frame,
    tape::{Extent, Piece, Tape},
};
use crate::row::Row;

/// The one reader of a journal. It blocks, on files.
#[derive(Debug)]
pub struct Reader {
    journal: Arc<Journal>,
    own: Tape,
    /// Journals that were taken over.
    adopted: VecDeque<(Claim, Tape)>,
    /// Journals that this version cannot read.
    foreign: HashSet<String>,
}

/// Rows to be settled together.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    rows: Vec<Range<usize>>,
    end: Position,
    is_own: bool,
}

impl Batch {
    /// The rows, in the order in which they were appended.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let row = |range: &Range<usize>| match frame::read(self.bytes.get(range.clone())?) {
            frame::Next::Row(row, _) => Some(row),
            _ => None,
        };
        self.rows.iter().filter_map(row).collect()
    }
}

impl Reader {
    /// A reader of `journal`. There must be no other.
    pub fn new(journal: Arc<Journal>) -> Self {
        let own = Tape::new(&journal.claim.name, Position::default());
        Reader {
            journal,
            own,
            adopted: VecDeque::new(),
            foreign: HashSet::new(),
        }
    }

    /// Takes over the journals of processes that are gone. Gives back how many there were.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn adopt(&mut self) -> io::Result<usize> {
        let journal = self.journal.clone();
        let mut count = 0;
        for name in journal.folder.names()? {
            let is_known = name == self.own.name
                || self.foreign.contains(&name)
                || self.adopted.iter().any(|(claim, _)| claim.name == name);
            if is_known {
                continue;
            }
            let Some(claim) = journal.folder.claim(&name)? else {
                continue;
            };
            let segments = journal.folder.segments(&name)?;
            if segments.is_empty() {
                claim.remove();
                continue;
            }
            journal.grow(segments.iter().map(|(_, length)| length).sum());
            let tape = Tape::new(&name, claim.position());
            self.adopted.push_back((claim, tape));
            count += 1;
        }
        Ok(count)
    }

    /// The next rows, `max_rows` at most; `None` where there are none right now. The same ones again until
    /// they are [`Reader::settled`].
    ///
    /// # Errors
    /// Where a file cannot be read or removed.
    pub fn next(&mut self, max_rows: usize) -> io::Result<Option<Batch>> {
        while let Some((_, tape)) = self.adopted.front_mut() {
            match tape.next(&self.journal.folder, Extent::ALL, max_rows) {
                Ok((piece, freed)) => {
                    self.journal.shrink(freed);
                    if let Some(piece) = piece {
                        return Ok(Some(batch(piece, false)));
                    }
                    if let Some((claim, _)) = self.adopted.pop_front() {
                        claim.remove();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => self.set_aside(),
                Err(error) => return Err(error),
            }
        }
        let extent = self.journal.extent();
        let (piece, freed) = self.own.next(&self.journal.folder, extent, max_rows)?;
        self.journal.shrink(freed);
        Ok(piece.map(|piece| batch(piece, true)))
    }

    /// The rows of `batch` are in the store.
    pub fn settled(&mut self, batch: &Batch) {
        let (claim, tape) = match self.adopted.front_mut() {
            Some((claim, tape)) if !batch.is_own => (&*claim, tape),
            _ => (&self.journal.claim, &mut self.own),
        };
        tape.position = batch.end;
        // Should that be lost, the store is offered rows that it has.
        if let Err(error) = claim.save(batch.end) {
            log::warn!("cannot write down how far the journal of usage is settled: {error}");
        }
    }

    /// Removes what is left of this process's journal, once all of it is settled. Rows that come later begin
    /// another segment, which a later process finds.
    pub fn finish(&self) {
        let folder = &self.journal.folder;
        let segments = folder.segments(&self.own.name);
        if segments.is_ok_and(|segments| segments.is_empty()) {
            self.journal.claim.remove();
        }
    }

    /// Leaves the first adopted journal to a process that can read it: a newer version's, after a return to
    /// an older one.
    fn set_aside(&mut self) {
        if let Some((claim, _)) = self.adopted.pop_front() {
            log::error!(
                "the journal {} was written by another version and is left alone",
                claim.name
            );
            self.foreign.insert(claim.name);
        }
    }
}

fn batch(piece: Piece, is_own: bool) -> Batch {
    let Piece { bytes, rows, end } = piece;
    Batch {
        bytes,
        rows,
        end,
        is_own,
    }
}
