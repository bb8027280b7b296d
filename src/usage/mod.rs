//! What happened: one record a request, in the log and in a journal on its way to the store, and one a copy
//! of a request.

pub mod journal;
pub mod labels;
pub mod ledger;
mod receipt;
pub mod reconcile;
pub mod record;
pub mod reprice;
pub mod shadow;
