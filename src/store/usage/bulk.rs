//! Many rows in one statement: they travel as one JSON text, so that the statement is the same however
//! many there are, and is prepared once.

use std::{borrow::Cow, fmt::Write};

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::super::{Backend, Statement, sql};
use crate::price::Usd;

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
pub(in crate::store) struct Table<'t, R> {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'t [(&'static str, Column<R>)],
    /// From `ON CONFLICT` on.
    pub(in crate::store) rest: &'t str,
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

impl<R> Table<'_, R> {
    /// The statement that inserts records, in their order: transactions that lock in the same order never
    /// wait for each other in a circle.
    pub(in crate::store) fn insert<'r>(
        &self,
        backend: Backend,
        records: impl IntoIterator<Item = &'r R>,
    ) -> Statement<'static>
    where
        R: 'r,
    {
        let lines: Vec<_> = records
            .into_iter()
            .map(|record| Line(self.columns, record))
            .collect();
        let mut json = serde_json::to_string(&lines).unwrap_or_default();
        // Postgres knows no zero byte in texts. What clients send may hold one.
        if json.contains(ZERO) {
            json = without_zeros(&json);
        }
        sql(self.text(backend)).bind(json)
    }

    fn text(&self, backend: Backend) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut text = format!("INSERT INTO {} ({}) SELECT ", self.name, names.join(", "));
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
        text.push_str(match backend {
            Backend::Sqlite => " FROM json_each($1)",
            Backend::Postgres => " FROM jsonb_array_elements(CAST($1 AS JSONB)) AS rows (value)",
        });
        // Without a condition SQLite takes what follows for that of a join.
        text.push_str(" WHERE true ");
        text + self.rest
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
    fn zero_bytes_are_taken_out_and_nothing_else() {
        for text in ["a\0b", "\0", "\\u0000", "\\\\\0", "\"\0\\", "é\n\0é"] {
            let json = serde_json::to_string(&[text]).unwrap();
            let [read]: [String; 1] = serde_json::from_str(&without_zeros(&json)).unwrap();
            assert_eq!(read, text.replace('\0', ""));
        }
    }
}
