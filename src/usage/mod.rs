//! What happened: one record a request.

pub mod record;
