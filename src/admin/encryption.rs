//! `/admin/encryption`: under which encryption keys credentials are sealed, and sealing them anew. `gateway
//! provider reencrypt` asks for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Route},
    providers::credentials::sealer,
    refusal::Refusal,
};

/// Under what credentials are sealed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Encryption {
    /// The id of the key that seals; empty where there is none.
    pub key: String,
    /// How many credentials are sealed under another.
    pub others: i64,
}

/// What was sealed anew.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Reencrypted {
    /// How many were.
    pub sealed: usize,
    /// The id of the key that seals.
    pub key: String,
    /// How many are sealed under another still: somebody has sealed them meanwhile.
    pub others: i64,
}

/// Answers under what credentials are sealed.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/encryption",
        Reach::All,
        "Under which encryption key credentials are sealed, and how many are not.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Encryption;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Encryption, Refusal> {
        let sealer = sealer(&call)?;
        Ok(Encryption {
            others: call.store()?.sealed_by_others(&sealer).await?,
            key: sealer.current().to_owned(),
        })
    }
}

/// Seals everything anew.
pub(super) struct Reencrypt;

impl Operation for Reencrypt {
    const ROUTE: Route = Route::post(
        "/admin/encryption",
        Reach::All,
        "Seals every credential under the first of this gateway's encryption keys.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Reencrypted;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Reencrypted, Refusal> {
        let (store, sealer) = (call.store()?, sealer(&call)?);
        Ok(Reencrypted {
            sealed: store.reencrypt(&sealer).await?,
            others: store.sealed_by_others(&sealer).await?,
            key: sealer.current().to_owned(),
        })
    }
}
