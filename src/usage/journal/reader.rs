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
    frame::{self, Version},
    tape::{Extent, Piece, Tape},
};
use crate::row::Row;

/// The one reader of a journal. It blocks, on files.
#[derive(Debug)]
pub struct Reader {
    journal: Arc<Journal>,
    own: Tape,
    /// What there was of it when all of that was settled and freed.
    done: Option<Extent>,
    /// Journals that were taken over.
    adopted: VecDeque<(Claim, Tape)>,
    /// Journals that cannot be taken over, which has been said.
    refused: HashSet<String>,
}

/// Rows to be settled together.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    version: Version,
    rows: Vec<Range<usize>>,
    end: Position,
    has_more: bool,
    is_own: bool,
}

impl Batch {
    /// The rows, in the order in which they were appended. One that cannot be read is left out, which is said.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let row = |range: &Range<usize>| {
            let row = frame::row(self.bytes.get(range.clone())?, self.version);
            row.inspect_err(|error| {
                log::error!("a row of usage cannot be read and is left out: {error}");
            })
            .ok()
        };
        self.rows.iter().filter_map(row).collect()
    }

    /// Whether there are more to be settled already.
    pub fn has_more(&self) -> bool {
        self.has_more
    }
}

impl Reader {
    /// A reader of `journal`. There must be no other.
    pub fn new(journal: Arc<Journal>) -> Self {
        let own = Tape::new(&journal.claim.name, Position::default());
        Reader {
            journal,
            own,
            done: None,
            adopted: VecDeque::new(),
            refused: HashSet::new(),
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
            let is_known =
                name == self.own.name || self.adopted.iter().any(|(claim, _)| claim.name == name);
            if is_known {
                continue;
            }
            let claim = match journal.folder.claim(&name) {
                Ok(Some(claim)) => claim,
                Ok(None) => continue,
                Err(error) => {
                    if self.refused.insert(name.clone()) {
                        log::error!("the journal {name} cannot be taken over: {error}");
                    }
                    continue;
                }
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

    /// Whether [`Reader::next`] may find any.
    pub fn has_news(&self) -> bool {
        !self.adopted.is_empty() || self.done != Some(self.journal.extent())
    }

    /// The next rows, `max_rows` at most; `None` where there are none right now. The same ones again until
    /// they are [`Reader::settled`].
    ///
    /// # Errors
    /// Where a file cannot be read or removed.
    pub fn next(&mut self, max_rows: usize) -> io::Result<Option<Batch>> {
        for _ in 0..self.adopted.len() {
            let Some((_, tape)) = self.adopted.front_mut() else {
                break;
            };
            if let Some(piece) = read(&self.journal, tape, Extent::ALL, max_rows)? {
                return Ok(Some(batch(piece, false)));
            }
            match self.adopted.pop_front() {
                Some((claim, tape)) if tape.has_gaps() => self.adopted.push_back((claim, tape)),
                Some((claim, _)) => claim.remove(),
                None => {}
            }
        }
        let extent = self.journal.extent();
        let piece = read(&self.journal, &mut self.own, extent, max_rows)?;
        self.done = (piece.is_none() && !self.own.has_gaps()).then_some(extent);
        Ok(piece.map(|piece| batch(piece, true)))
    }

    /// The rows of `batch` are in the store.
    pub fn settled(&mut self, batch: &Batch) {
        let (claim, tape) = match self.adopted.front_mut() {
            Some((claim, tape)) if !batch.is_own => (&*claim, tape),
            _ => (&self.journal.claim, &mut self.own),
        };
        tape.position = batch.end;
        if tape.has_gaps() {
            return;
        }
        // Should that be lost, the store is offered rows that it has.
        if let Err(error) = claim.save(batch.end) {
            log::warn!("cannot write down how far the journal of usage is settled: {error}");
        }
    }
}

fn read(
    journal: &Journal,
    tape: &mut Tape,
    extent: Extent,
    max_rows: usize,
) -> io::Result<Option<Piece>> {
    let mut freed = 0;
    let piece = tape.next(&journal.folder, extent, max_rows, &mut freed);
    journal.shrink(freed);
    piece
}

fn batch(piece: Piece, is_own: bool) -> Batch {
    let Piece {
        bytes,
        version,
        rows,
        end,
        has_more,
    } = piece;
    Batch {
        bytes,
        version,
        rows,
        end,
        has_more,
        is_own,
    }
}
