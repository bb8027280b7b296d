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

use std::{borrow::Cow, collections::HashSet};

use super::{Backend, Store, StoreError, Transaction, sql};
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
        let fresh = keep(&mut transaction, rows).await?;
        if !fresh.is_empty() {
            let sums = Sums::of(&*fresh, &mut self.names.lock());
            add(&mut transaction, sums).await?;
        }
        transaction.commit().await?;
        Ok(fresh.len())
    }
}

/// Inserts the rows that are not there yet, each id once even where a batch holds it twice; gives them back.
async fn keep<'a, 'r>(
    transaction: &mut Transaction,
    rows: &'a [Row<'r>],
) -> Result<Cow<'a, [Row<'r>]>, StoreError> {
    let backend = transaction.backend();
    let table = Table {
        name: "requests",
        columns: &columns::requests(),
        rest: match backend {
            Backend::Postgres => columns::ONCE,
            Backend::Sqlite => "",
        },
    };
    let ids = |answered: Vec<super::Row>| -> Result<HashSet<String>, StoreError> {
        answered.iter().map(|row| row.text("id")).collect()
    };
    match backend {
        Backend::Postgres => {
            let mut new = ids(transaction.all(table.of_json(rows)).await?)?;
            Ok(only(rows, |row| new.remove(row.id)))
        }
        Backend::Sqlite => {
            // Nobody else writes meanwhile.
            let all: Vec<&str> = rows.iter().map(|row| row.id).collect();
            let all = serde_json::to_string(&all).unwrap_or_default();
            let look = "SELECT id FROM requests WHERE id IN (SELECT value FROM json_each($1))";
            let known = ids(transaction.all(sql(look).bind(all)).await?)?;
            let mut seen = HashSet::new();
            let fresh = only(rows, |row| !known.contains(row.id) && seen.insert(row.id));
            transaction.insert_all(&table, &fresh).await?;
            Ok(fresh)
        }
    }
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

async fn add(to: &mut Transaction, mut sums: Sums<'_>) -> Result<(), StoreError> {
    let hours = Table {
        name: "usage_hours",
        columns: &columns::hours(),
        rest: &columns::added(
            "usage_hours",
            "hour, account, team_id, user_id, project_id, provider, model",
            "key_label = excluded.key_label, ",
        ),
    };
    to.insert_all(&hours, &sums.hours()).await?;
    let tags = Table {
        name: "usage_tag_hours",
        columns: &columns::tag_hours(),
        rest: &columns::added("usage_tag_hours", "hour, tag", ""),
    };
    to.insert_all(&tags, &sums.tags()).await?;
    let spend = Table {
        name: "spend",
        columns: &columns::spend(),
        rest: columns::SPENT,
    };
    to.insert_all(&spend, &sums.spent()).await
}
