//! Usage: rows of finished requests, sums of them by the hour, and what has been spent. Written by
//! `tasks::usage` in batches, never by a request.

pub(super) mod bulk;
mod charges;
mod columns;
mod forget;
mod kept;
mod names;
mod scope;
mod sqlite;
mod sum;
mod sums;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet};

use super::{Store, StoreError, Transaction};
use crate::{blocking::blocking, row::Row};
pub use charges::{Charge, Repriced};
pub use forget::Age;
pub use kept::{Cell, Kept, Place};
pub(in crate::store) use names::Names;
pub use scope::Scope;
pub(in crate::store) use sqlite::Writer;
pub use sum::{By, Sum};
use sums::Sums;

impl Store {
    /// Settles rows: each that is not there yet is kept, and counts in the sums and in what has been spent,
    /// all of it or nothing. Rows that are there already change nothing, so that the same may be offered
    /// again. Gives back how many were new.
    ///
    /// # Errors
    /// `Away`: then it may or may not have happened. `Refused`.
    pub async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError> {
        if let Some(pool) = self.sqlite() {
            let options = pool.connect_options();
            let settle = || {
                self.writer
                    .settle(options.get_filename(), rows, &self.names)
            };
            return blocking(settle);
        }
        let mut transaction = self.begin().await?;
        let fresh = keep(&mut transaction, rows).await?;
        if !fresh.is_empty() {
            let mut sums = Sums::of(&*fresh, &mut self.names.lock());
            let (hours, tags, spent) = (sums.hours(), sums.tags(), sums.spent());
            transaction.insert_all(&columns::hours(), &hours).await?;
            transaction.insert_all(&columns::tag_hours(), &tags).await?;
            transaction.insert_all(&columns::spend(), &spent).await?;
        }
        transaction.commit().await?;
        Ok(fresh.len())
    }
}

/// Inserts the rows that are not there yet into Postgres, each id once even where a batch holds it twice; gives them
/// back.
async fn keep<'a, 'r>(
    transaction: &mut Transaction,
    rows: &'a [Row<'r>],
) -> Result<Cow<'a, [Row<'r>]>, StoreError> {
    let table = columns::of_requests("ON CONFLICT (id) DO NOTHING RETURNING id");
    let answered = transaction.all(table.of_json(rows)).await?;
    let new: Result<HashSet<String>, _> = answered.iter().map(|row| row.text("id")).collect();
    let mut new = new?;
    Ok(only(rows, |row| new.remove(row.id)))
}

/// The rows that are wanted: mostly all.
fn only<'a, 'r>(
    rows: &'a [Row<'r>],
    mut is_wanted: impl FnMut(&Row<'r>) -> bool,
) -> Cow<'a, [Row<'r>]> {
    let wanted: Vec<bool> = rows.iter().map(&mut is_wanted).collect();
    if wanted.iter().all(|is_wanted| *is_wanted) {
        return rows.into();
    }
    let some = rows.iter().zip(wanted).filter(|(_, is_wanted)| *is_wanted);
    some.map(|(row, _)| row.clone()).collect::<Vec<_>>().into()
}
