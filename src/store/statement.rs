//! Statements and rows that are the same for both databases. Values travel beside the text, always:
//! nothing that anybody sends ever becomes a part of SQL.

use std::borrow::Cow;

use sqlx::{
    Arguments, Row as _,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::StoreError;
use crate::price::Usd;

/// A statement and its values, `$1` the first.
#[derive(Debug, Clone)]
pub struct Statement<'q> {
    pub(super) text: Cow<'q, str>,
    values: Vec<Value>,
}

/// A value, typed even where it is absent: Postgres wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number; times too.
    Integer(Option<i64>),
    /// A text; amounts too, which the statement makes numbers: `CAST($1 AS NUMERIC)`.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// Yes or no.
    Flag(Option<bool>),
}

/// A statement without values.
pub fn sql<'q>(text: impl Into<Cow<'q, str>>) -> Statement<'q> {
    Statement {
        text: text.into(),
        values: Vec::new(),
    }
}

impl Statement<'_> {
    /// Adds the next value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds the next value, and answers its number.
    pub fn push(&mut self, value: impl Into<Value>) -> usize {
        self.values.push(value.into());
        self.values.len()
    }

    /// Adds to the text.
    pub fn append(&mut self, text: &str) {
        self.text.to_mut().push_str(text);
    }

    /// Postgres knows no zero byte in texts; SQLite shall not either.
    fn check(&self) -> Result<(), StoreError> {
        let holds_zero =
            |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        match self.values.iter().any(holds_zero) {
            true => Err(StoreError::invalid("text", "cannot hold a zero byte")),
            false => Ok(()),
        }
    }

    pub(super) fn for_sqlite(&mut self) -> Result<SqliteArguments<'static>, StoreError> {
        self.check()?;
        let mut arguments = SqliteArguments::default();
        for value in self.values.drain(..) {
            let added = match value {
                Value::Integer(value) => Arguments::add(&mut arguments, value),
                Value::Text(value) => Arguments::add(&mut arguments, value),
                Value::Bytes(value) => Arguments::add(&mut arguments, value),
                Value::Flag(value) => Arguments::add(&mut arguments, value),
            };
            added.map_err(|error| StoreError::Refused(error.to_string()))?;
        }
        Ok(arguments)
    }

    pub(super) fn for_postgres(&mut self) -> Result<PgArguments, StoreError> {
        self.check()?;
        let mut arguments = PgArguments::default();
        for value in self.values.drain(..) {
            let added = match value {
                Value::Integer(value) => arguments.add(value),
                Value::Text(value) => arguments.add(value),
                Value::Bytes(value) => arguments.add(value),
                Value::Flag(value) => arguments.add(value),
            };
            added.map_err(|error| StoreError::Refused(error.to_string()))?;
        }
        Ok(arguments)
    }
}

macro_rules! value_from {
    ($($from:ty => $kind:ident($value:ident) $into:expr;)*) => {
        $(
            impl From<$from> for Value {
                fn from($value: $from) -> Self {
                    Value::$kind(Some($into))
                }
            }
            impl From<Option<$from>> for Value {
                fn from(value: Option<$from>) -> Self {
                    Value::$kind(value.map(|$value| $into))
                }
            }
        )*
    };
}

value_from! {
    i64 => Integer(value) value;
    bool => Flag(value) value;
    String => Text(value) value;
    &str => Text(value) value.to_owned();
    &String => Text(value) value.clone();
    Vec<u8> => Bytes(value) value;
    &[u8] => Bytes(value) value.to_vec();
    [u8; 32] => Bytes(value) value.to_vec();
    Usd => Text(value) value.pico().to_string();
}

/// A row of an answer.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of Postgres.
    Postgres(PgRow),
}

macro_rules! column {
    ($($name:ident -> $type:ty, $meaning:literal;)*) => {
        $(
            #[doc = concat!("The ", $meaning, " in that column.")]
            ///
            /// # Errors
            /// `Unreadable` where the column holds something else.
            pub fn $name(&self, column: &str) -> Result<$type, StoreError> {
                let value = match self {
                    Row::Sqlite(row) => row.try_get(column),
                    Row::Postgres(row) => row.try_get(column),
                };
                value.map_err(unreadable)
            }
        )*
    };
}

impl Row {
    column! {
        integer -> i64, "whole number";
        optional_integer -> Option<i64>, "whole number, if any,";
        text -> String, "text";
        optional_text -> Option<String>, "text, if any,";
        bytes -> Vec<u8>, "byte string";
        optional_bytes -> Option<Vec<u8>>, "byte string, if any,";
        flag -> bool, "yes or no";
    }

    /// The amount in a column that the statement has made text: `CAST(amount AS TEXT) AS amount`.
    ///
    /// # Errors
    /// `Unreadable` where it is none.
    pub fn amount(&self, column: &str) -> Result<Usd, StoreError> {
        match self.optional_amount(column)? {
            Some(amount) => Ok(amount),
            None => Err(StoreError::Unreadable {
                what: "amount",
                why: format!("`{column}` is empty"),
            }),
        }
    }

    /// The same, where there may be none.
    ///
    /// # Errors
    /// `Unreadable` where it is no amount.
    pub fn optional_amount(&self, column: &str) -> Result<Option<Usd>, StoreError> {
        let Some(text) = self.optional_text(column)? else {
            return Ok(None);
        };
        let whole = text.parse::<u128>().ok().map(Usd::from_pico);
        // Beyond nine million dollars SQLite counts in floating point.
        let rounded = || {
            let pico = text.parse::<f64>().ok()?;
            Usd::from_dollars(pico / 1e12)
        };
        match whole.or_else(rounded) {
            Some(amount) => Ok(Some(amount)),
            None => Err(StoreError::Unreadable {
                what: "amount",
                why: format!("`{text}` is none"),
            }),
        }
    }

    /// What is in a column of JSON text; nothing, and why, where that cannot be read.
    pub(super) fn json_if_readable<T>(&self, column: &str) -> (T, Option<String>)
    where
        T: serde::de::DeserializeOwned + Default,
    {
        match self.json(column) {
            Ok(value) => (value, None),
            Err(StoreError::Unreadable { why, .. }) => (T::default(), Some(why)),
            Err(error) => (T::default(), Some(error.to_string())),
        }
    }

    /// What is in a column of JSON text.
    ///
    /// # Errors
    /// `Unreadable` where it is something else.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| StoreError::Unreadable {
            what: "record",
            why: format!("`{column}`: {error}"),
        })
    }
}

fn unreadable(error: sqlx::Error) -> StoreError {
    StoreError::Unreadable {
        what: "record",
        why: error.to_string(),
    }
}
