//! Reading requests back, a page at a time.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{bulk::Column, columns, scope::Scope};
use crate::{
    price::Usd,
    row,
    store::{Row, Statement, Store, StoreError, sql},
};

/// What is in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text.
    Text(Option<String>),
    /// JSON text.
    Json(Option<String>),
    /// A whole number.
    Integer(Option<i64>),
    /// An amount.
    Amount(Option<Usd>),
    /// Yes or no.
    Flag(bool),
}

/// A request that was kept: its columns in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept(Vec<(&'static str, Cell)>);

/// Where a page ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    at: i64,
    id: String,
}

impl Place {
    /// Behind the request of that id, which came at that time.
    pub fn new(at: i64, id: String) -> Self {
        Place { at, id }
    }

    /// Adds the condition that requests are behind it, their order, and how many they are at most.
    pub(super) fn behind(&self, statement: &mut Statement<'_>, limit: u32) {
        let (at, id) = (statement.push(self.at), statement.push(&self.id));
        let limit = statement.push(i64::from(limit));
        statement.append(&format!(
            " AND (at > ${at} OR (at = ${at} AND id > ${id})) ORDER BY at, id LIMIT ${limit}"
        ));
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.at, self.id)
    }
}

impl Kept {
    /// The names of the columns.
    pub fn names() -> Vec<&'static str> {
        let columns = columns::requests();
        columns.iter().map(|(name, _)| *name).collect()
    }

    /// The columns.
    pub fn cells(&self) -> impl Iterator<Item = (&'static str, &Cell)> {
        self.0.iter().map(|(name, cell)| (*name, cell))
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let cell = |(name, column): &(&'static str, Column<row::Row<'_>>)| {
            let name = *name;
            let cell = match column {
                Column::Text(_) if matches!(name, "tags" | "tried" | "parts") => {
                    Cell::Json(row.optional_text(name)?)
                }
                Column::Text(_) => Cell::Text(row.optional_text(name)?),
                Column::Integer(_) => Cell::Integer(row.optional_integer(name)?),
                Column::Amount(_) => Cell::Amount(row.optional_amount(name)?),
                Column::Flag(_) => Cell::Flag(row.flag(name)?),
            };
            Ok((name, cell))
        };
        let cells: Result<_, StoreError> = columns::requests().iter().map(cell).collect();
        cells.map(Kept)
    }
}

/// As an object; what is not known is left out. Amounts are dollars.
impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (name, cell) in self.cells() {
            match cell {
                Cell::Text(Some(text)) => object.serialize_entry(name, text)?,
                Cell::Json(Some(text)) => match serde_json::from_str::<&RawValue>(text) {
                    Ok(json) => object.serialize_entry(name, json)?,
                    Err(_) => object.serialize_entry(name, text)?,
                },
                Cell::Integer(Some(number)) => object.serialize_entry(name, number)?,
                Cell::Amount(Some(cost)) => {
                    object.serialize_entry(&format!("{name}_usd"), &cost.dollars())?;
                }
                Cell::Flag(flag) => object.serialize_entry(name, flag)?,
                _ => {}
            }
        }
        object.end()
    }
}

impl Store {
    /// The requests of `scope` behind `after`, the earliest first, `limit` at most, and where they end.
    ///
    /// # Errors
    /// `Away`, `Refused`, `Unreadable`.
    pub async fn requests(
        &self,
        scope: &Scope,
        after: &Place,
        limit: u32,
    ) -> Result<(Vec<Kept>, Place), StoreError> {
        let select = columns::requests().map(|(name, column)| match column {
            Column::Amount(_) => format!("CAST({name} AS TEXT) AS {name}"),
            _ => name.to_owned(),
        });
        let mut statement = sql(format!("SELECT {} FROM requests WHERE ", select.join(", ")));
        scope.requests(&mut statement);
        after.behind(&mut statement, limit);
        let rows = self.all(statement).await?;
        let end = match rows.last() {
            Some(last) => Place {
                at: last.integer("at")?,
                id: last.text("id")?,
            },
            None => after.clone(),
        };
        let kept: Result<_, StoreError> = rows.iter().map(Kept::read).collect();
        Ok((kept?, end))
    }
}
