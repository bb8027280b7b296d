//! Usage: rows of finished requests, sums of them by the hour, and what has been spent. Written by
//! `tasks::usage` in batches, never by a request.

pub(super) mod bulk;
mod charges;
mod columns;
mod forget;
mod kept;
mod names;
mod scope;
mod sum;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::{Store, StoreError, Transaction};
use crate::row::Row;
use bulk::Table;
pub use charges::{Charge, Repriced};
pub use forget::Age;
pub use kept::{Cell, Kept, Place};
pub(in crate::store) use names::Names;
pub use scope::Scope;
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
        let mut transaction = self.begin().await?;
        let new = self.keep(&mut transaction, rows).await?;
        if !new.is_empty() {
            // Each id counts once, even where a batch holds it twice.
            let mut left = new.clone();
            let fresh = rows.iter().filter(|row| left.remove(row.id));
            let sums = Sums::of(fresh, &mut self.names.lock());
            self.add(&mut transaction, sums).await?;
        }
        transaction.commit().await?;
        Ok(new.len())
    }

    /// Inserts the rows that are not there yet; gives back their ids.
    async fn keep(
        &self,
        transaction: &mut Transaction,
        rows: &[Row<'_>],
    ) -> Result<HashSet<String>, StoreError> {
        let table = Table {
            name: "requests",
            columns: &columns::requests(),
            rest: columns::ONCE,
        };
        let answered = transaction.all(table.insert(self.backend(), rows)).await?;
        answered.iter().map(|row| row.text("id")).collect()
    }

    async fn add(&self, to: &mut Transaction, mut sums: Sums<'_>) -> Result<(), StoreError> {
        let backend = self.backend();
        let hours = Table {
            name: "usage_hours",
            columns: &columns::hours(),
            rest: &columns::added(
                "usage_hours",
                "hour, account, team_id, user_id, project_id, provider, model",
                "key_label = excluded.key_label, ",
            ),
        };
        to.run(hours.insert(backend, &sums.hours())).await?;
        let tags = Table {
            name: "usage_tag_hours",
            columns: &columns::tag_hours(),
            rest: &columns::added("usage_tag_hours", "hour, tag", ""),
        };
        to.run(tags.insert(backend, &sums.tags())).await?;
        let spend = Table {
            name: "spend",
            columns: &columns::spend(),
            rest: columns::SPENT,
        };
        to.run(spend.insert(backend, &sums.spent())).await?;
        Ok(())
    }
}
