//! Many rows at once. To Postgres they travel as one JSON text, so that the statement is the same however many
//! there are and is prepared once. SQLite would look into that text for each value anew: it takes the values
//! themselves, in statements of a few lengths.

use std::{borrow::Cow, fmt::Write};

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::super::{Backend, Statement, StoreError, Transaction, Value, sql};
use crate::price::Usd;

/// How many rows a statement of SQLite has: few lengths, for each is prepared once.
const LENGTHS: [usize; 3] = [64, 8, 1];

/// Larger amounts are none; the column holds 38 digits.
const MAX_PICO: u128 = 10_u128.pow(37);

/// What a column holds of a record, and where that is from.
pub(in crate::store) enum Column<R> {
    Text(fn(&R) -> Option<Cow<'_, str>>),
    Integer(fn(&R) -> Option<u64>),
    Amount(fn(&R) -> Option<Usd>),
    Flag(fn(&R) -> bool),
}

/// Where records go, and what happens to one that is there already.
pub(in crate::store) struct Table<R> {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: Vec<(&'static str, Column<R>)>,
    /// From `ON CONFLICT` on.
    pub(in crate::store) rest: Cow<'static, str>,
}

/// A value as SQLite takes it.
pub(super) enum Bound<'r> {
    Text(Option<Cow<'r, str>>),
    Integer(Option<i64>),
    Flag(bool),
}

/// A record as an array of its columns' values.
struct Line<'l, R>(&'l [(&'static str, Column<R>)], &'l R);

impl<R> Serialize for Line<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Line(columns, record) = self;
        let mut line = serializer.serialize_seq(Some(columns.len()))?;
        for (_, column) in *columns {
            match column {
                Column::Text(get) => line.serialize_element(&get(record)),
                Column::Integer(get) => {
                    // What does not fit would make the database refuse all.
                    line.serialize_element(&get(record).map(|value| value.min(MAX_INTEGER)))
                }
                Column::Amount(get) => {
                    let text = |amount: Usd| amount.pico().min(MAX_PICO).to_string();
                    line.serialize_element(&get(record).map(text))
                }
                Column::Flag(get) => line.serialize_element(&get(record)),
            }?;
        }
        line.end()
    }
}

const MAX_INTEGER: u64 = i64::MAX as u64;

impl<R> Column<R> {
    /// The value for SQLite.
    pub(super) fn bound<'r>(&self, record: &'r R) -> Bound<'r> {
        match self {
            Column::Text(get) => Bound::Text(get(record).map(|text| match text.contains('\0') {
                // Postgres knows no zero byte in texts. What clients send may hold one.
                true => Cow::Owned(text.replace('\0', "")),
                false => text,
            })),
            Column::Integer(get) => Bound::Integer(get(record).map(|value| integer(value.into()))),
            // A text where it is too large: SQLite makes of it what it can.
            Column::Amount(get) => match get(record).map(|amount| amount.pico().min(MAX_PICO)) {
                Some(pico) if pico > u128::from(MAX_INTEGER) => {
                    Bound::Text(Some(pico.to_string().into()))
                }
                pico => Bound::Integer(pico.map(integer)),
            },
            Column::Flag(get) => Bound::Flag(get(record)),
        }
    }
}

impl From<Bound<'_>> for Value {
    fn from(value: Bound<'_>) -> Self {
        match value {
            Bound::Text(text) => Value::Text(text.map(Cow::into_owned)),
            Bound::Integer(number) => Value::Integer(number),
            Bound::Flag(flag) => Value::Flag(Some(flag)),
        }
    }
}

fn integer(value: u128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Transaction {
    /// Inserts records, in their order: transactions that lock in the same order never wait for each other in a
    /// circle.
    pub(in crate::store) async fn insert_all<R>(
        &mut self,
        table: &Table<R>,
        records: &[R],
    ) -> Result<(), StoreError> {
        match self.backend() {
            Backend::Postgres => {
                self.run(table.of_json(records)).await?;
            }
            Backend::Sqlite => {
                for (length, lot) in lots(records) {
                    let text = table.of_values("INSERT", length);
                    for some in lot.chunks_exact(length) {
                        self.run(table.bind(&text, some)).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Records in their order, and how many of them a statement of SQLite inserts.
pub(super) fn lots<R>(records: &[R]) -> impl Iterator<Item = (usize, &[R])> {
    let mut rest = records;
    let lots = LENGTHS.into_iter().map(move |length| {
        let (lot, others) = rest.split_at(rest.len() - rest.len() % length);
        rest = others;
        (length, lot)
    });
    lots.filter(|(_, lot)| !lot.is_empty())
}

impl<R> Table<R> {
    /// The statement that inserts records into Postgres.
    pub(in crate::store) fn of_json(&self, records: &[R]) -> Statement<'static> {
        let lines: Vec<_> = records
            .iter()
            .map(|record| Line(&self.columns, record))
            .collect();
        let mut json = serde_json::to_string(&lines).unwrap_or_default();
        // Postgres knows no zero byte in texts. What clients send may hold one.
        if json.contains(ZERO) {
            json = without_zeros(&json);
        }
        let mut text = self.beginning("INSERT") + "SELECT ";
        for (place, (_, column)) in self.columns.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            // Writing to a text does not fail.
            let _ = match column {
                Column::Text(_) => write!(text, "{comma}value ->> {place}"),
                Column::Integer(_) => write!(text, "{comma}CAST(value ->> {place} AS BIGINT)"),
                Column::Amount(_) => write!(text, "{comma}CAST(value ->> {place} AS NUMERIC)"),
                Column::Flag(_) => write!(text, "{comma}CAST(value ->> {place} AS BOOLEAN)"),
            };
        }
        text.push_str(" FROM jsonb_array_elements(CAST($1 AS JSONB)) AS rows (value) ");
        sql(text + &self.rest).bind(json)
    }

    /// The text of one that inserts so many into SQLite: `insert` says what happens where it fails. Its places have
    /// no numbers: names are looked for one after the other.
    pub(super) fn of_values(&self, insert: &str, length: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let rows = vec![row.as_str(); length].join(", ");
        format!("{}VALUES {rows} {}", self.beginning(insert), self.rest)
    }

    fn bind<'t>(&self, text: &'t str, records: &[R]) -> Statement<'t> {
        let mut statement = sql(text);
        for record in records {
            for (_, column) in &self.columns {
                statement.push(column.bound(record));
            }
        }
        statement
    }

    fn beginning(&self, insert: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("{insert} INTO {} ({}) ", self.name, names.join(", "))
    }
}

const ZERO: &str = "\\u0000";

/// Takes zero bytes out of JSON text: an escape counts where an even number of backslashes is before it.
fn without_zeros(json: &str) -> String {
    let mut kept = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        kept.push_str(before);
        let length = match escape.starts_with(ZERO) {
            true => ZERO.len(),
            // The backslash and what it escapes.
            false => 2.min(escape.len()),
        };
        let (escape, after) = escape.split_at(length);
        if escape != ZERO {
            kept.push_str(escape);
        }
        rest = after;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_records_are_in_one_lot_or_another_in_their_order() {
        for count in [0, 1, 7, 8, 63, 64, 65, 137, 1000] {
            let records: Vec<usize> = (0..count).collect();
            let lots: Vec<_> = lots(&records).collect();
            assert!(lots.iter().all(|(length, lot)| lot.len() % length == 0));
            let all: Vec<usize> = lots.iter().flat_map(|(_, lot)| lot.to_vec()).collect();
            assert_eq!(all, records);
        }
    }

    #[test]
    fn zero_bytes_are_taken_out_and_nothing_else() {
        for text in ["a\0b", "\0", "\\u0000", "\\\\\0", "\"\0\\", "é\n\0é"] {
            let json = serde_json::to_string(&[text]).unwrap();
            let [read]: [String; 1] = serde_json::from_str(&without_zeros(&json)).unwrap();
            assert_eq!(read, text.replace('\0', ""));
        }
    }
}
