//! What happened: one record a request, and one a copy of a request.

pub mod record;
pub mod shadow;
