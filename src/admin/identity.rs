//! `GET /admin/identity`: which process this is, to whoever can read its data directory. Commands ask for it
//! before they send a key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};

/// A challenge is no longer than this.
const MAX_CHALLENGE: usize = 128;

/// What is to be proven.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityQuery {
    /// Any text; the proof is about it.
    pub challenge: Option<String>,
}

/// Which process answers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The gateway's version.
    pub version: String,
    /// HMAC-SHA256 of the challenge under the token in the data directory.
    pub process: Option<String>,
    /// The same of the challenge and of where its store is.
    pub store: Option<String>,
    /// Whether its store has been opened: a process that has just started may not be so far.
    #[serde(default)]
    pub is_open: bool,
}

/// Answers which process this is.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/identity",
        Reach::Public,
        "Proves to whoever can read the data directory which process answers.",
    );
    type Query = IdentityQuery;
    type Body = Nothing;
    type Answer = Identity;

    async fn run(call: Call, query: IdentityQuery, _: Nothing) -> Result<Identity, Refusal> {
        let challenge = query.challenge.filter(|text| text.len() <= MAX_CHALLENGE);
        let proof = challenge.and_then(|challenge| call.gateway.proof.of(&challenge));
        let (process, store) = proof.unzip();
        Ok(Identity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process,
            store,
            is_open: call.gateway.store.load().is_some(),
        })
    }
}
