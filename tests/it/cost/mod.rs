//! What requests cost, by the recordings of real providers.
//!
//! ```text
//! raw     the usage that the raw bytes of an answer tell, read without the gateway's code
//! usage   every dialect reads that usage, whole, streamed and in translation
//! table   costs worked by hand
//! everywhere  whoever says what requests have cost says the same
//! broken  streams that break, that their client leaves, and that say no usage
//! ```

mod broken;
mod everywhere;
mod raw;
mod table;
mod usage;
