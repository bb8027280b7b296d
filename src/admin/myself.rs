//! `/admin/self`: whose key the caller has sent, and how far it reaches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::Scope,
    input::Nothing,
    keys::KeyView,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::store::keys::Key;

/// Who calls.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Myself {
    /// What logs call the caller: `master`, `loopback`, or the key's label.
    pub name: String,
    /// What it may do here: `read`, `write`, `team_read`, `team_write`, or `none`.
    pub admin: String,
    /// The team that it is bound to.
    pub team_id: Option<String>,
    /// Its key, if that is the store's.
    pub key: Option<KeyView>,
}

/// Answers who calls.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/self",
        Reach::Anyone,
        "Whose key this is, and what it may do here.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Myself;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Myself, Refusal> {
        let key = match call.caller.key_id() {
            Some(id) => call.store()?.find::<Key>(id).await?,
            None => None,
        };
        let admin = match &call.caller.scope {
            Scope::All { writes: true } => "write",
            Scope::All { writes: false } => "read",
            Scope::Team { writes: true, .. } => "team_write",
            Scope::Team { writes: false, .. } => "team_read",
            Scope::Own | Scope::Nobody => "none",
        };
        Ok(Myself {
            name: call.caller.name.to_string(),
            admin: admin.to_owned(),
            team_id: call.caller.team().map(str::to_owned),
            key: key.map(Into::into),
        })
    }
}
