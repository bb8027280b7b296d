//! Reaching a provider: its addresses ([`discovery`]), how to connect to them ([`provider`]) and what it
//! is told about the caller ([`head`]); and what the gateway asks on its own account ([`client`]), like
//! Google's tokens ([`google`]) and whether a provider is there ([`mod@probe`]).

pub mod client;
pub mod cork;
pub mod credential;
pub mod discovery;
pub mod failure;
pub mod google;
pub mod head;
pub mod probe;
pub mod provider;
