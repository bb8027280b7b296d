//! Settling in SQLite, by a connection of its own and past sqlx: on the way to its worker each value is a copy on
//! the heap, and a row took about twice as long.

use std::{borrow::Cow, collections::HashSet, path::Path};

use parking_lot::Mutex;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Statement, ToSql, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    bulk::{Bound, Table, lots},
    columns,
    names::Names,
    only,
    sums::Sums,
};
use crate::{
    row::Row,
    store::{StoreError, pool::BUSY},
};

/// The connection that rows are settled by; opened once there are some.
#[derive(Debug, Default)]
pub(in crate::store) struct Writer(Mutex<Option<Connection>>);

impl Writer {
    /// Does what [`Store::settle`](crate::store::Store::settle) says, and waits for whoever writes just now, and
    /// for the disk.
    pub(super) fn settle(
        &self,
        path: &Path,
        rows: &[Row<'_>],
        names: &Mutex<Names>,
    ) -> Result<usize, StoreError> {
        let mut slot = self.0.lock();
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => open(path)?,
        };
        let settled = settle(&mut connection, rows, names);
        // What is away may be so because of it: the next one is new.
        if !matches!(&settled, Err(error) if error.is_away()) {
            *slot = Some(connection);
        }
        settled
    }

    /// Closes the connection, once whoever uses it is done.
    pub(in crate::store) fn close(&self) {
        drop(self.0.lock().take());
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // As the store's other connections (`pool`). That it has a log is a property of the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn settle(
    connection: &mut Connection,
    rows: &[Row<'_>],
    names: &Mutex<Names>,
) -> Result<usize, StoreError> {
    // Almost always all are new: only where one is not, it is found out which those are.
    let settled = settle_new(connection, names, |_| Ok(rows.into()));
    Ok(match settled {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            settle_new(connection, names, |transaction| not_kept(transaction, rows))
        }
        settled => settled,
    }?)
}

/// Settles those rows that `find` finds to be new, or nothing.
fn settle_new<'a, 'r: 'a>(
    connection: &mut Connection,
    names: &Mutex<Names>,
    find: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Cow<'a, [Row<'r>]>>,
) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows = find(&transaction)?;
    if !rows.is_empty() {
        insert_all(&transaction, &columns::of_requests(""), &rows)?;
        let mut sums = Sums::of(&*rows, &mut names.lock());
        insert_all(&transaction, &columns::hours(), &sums.hours())?;
        insert_all(&transaction, &columns::tag_hours(), &sums.tags())?;
        insert_all(&transaction, &columns::spend(), &sums.spent())?;
    }
    transaction.commit()?;
    Ok(rows.len())
}

/// Those rows that are not there yet, each id once even where a batch holds it twice.
fn not_kept<'a, 'r>(
    transaction: &Transaction<'_>,
    rows: &'a [Row<'r>],
) -> rusqlite::Result<Cow<'a, [Row<'r>]>> {
    let mut look = transaction.prepare_cached("SELECT 1 FROM requests WHERE id = ?")?;
    let mut seen = HashSet::new();
    let mut new = Vec::with_capacity(rows.len());
    for row in rows {
        new.push(seen.insert(row.id) && !look.exists([row.id])?);
    }
    let mut new = new.into_iter();
    Ok(only(rows, |_| new.next().unwrap_or_default()))
}

/// Inserts records, in their order. Where that fails the transaction is over: SQLite need not remember, for each
/// page, what it was before the statement.
fn insert_all<R>(to: &Connection, table: &Table<R>, records: &[R]) -> rusqlite::Result<()> {
    for (length, lot) in lots(records) {
        let mut statement = to.prepare_cached(&table.of_values("INSERT OR ROLLBACK", length))?;
        for some in lot.chunks_exact(length) {
            bind(&mut statement, table, some)?;
            statement.raw_execute()?;
        }
    }
    Ok(())
}

fn bind<R>(to: &mut Statement<'_>, table: &Table<R>, records: &[R]) -> rusqlite::Result<()> {
    let mut place = 0;
    for record in records {
        for (_, column) in &table.columns {
            place += 1;
            to.raw_bind_parameter(place, column.bound(record))?;
        }
    }
    Ok(())
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Bound::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Bound::Integer(Some(number)) => ValueRef::Integer(*number),
            Bound::Flag(flag) => ValueRef::Integer(i64::from(*flag)),
            Bound::Text(None) | Bound::Integer(None) => ValueRef::Null,
        }))
    }
}
