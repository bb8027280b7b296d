//! The store on SQLite, and on Postgres where `TEST_DATABASE_URL` names one.

mod base;
pub(crate) mod databases;
mod records;
