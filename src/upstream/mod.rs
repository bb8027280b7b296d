//! Reaching a provider: its addresses ([`discovery`]) and how to connect to them ([`provider`]).

pub mod discovery;
pub mod provider;
