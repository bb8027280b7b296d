//! The end of several keys: of all of them, or of none where one is not known.

use super::{Ended, Several, reach};
use crate::{
    admin::{
        input::Nothing,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::keys::Key,
};

/// How many end at once, at most.
const MAX: usize = 1000;

/// Revokes keys.
pub(in crate::admin) struct RevokeSeveral;

impl Operation for RevokeSeveral {
    const ROUTE: Route = Route::post(
        "/admin/key-revocations",
        Reach::Team,
        "Ends several keys for good: all of them, or none. Their records stay.",
    );
    type Query = Nothing;
    type Body = Several;
    type Answer = Ended;

    async fn run(call: Call, _: Nothing, several: Several) -> Result<Ended, Refusal> {
        let (store, mut ended) = (call.store()?, Vec::new());
        let keys = known(&call, &several).await?;
        let mut transaction = store.begin().await?;
        for key in keys {
            ended.push(transaction.revoke_key(&key.id, call.by()).await?.into());
        }
        transaction.commit().await?;
        Ok(Ended { data: ended })
    }
}

/// Deletes keys.
pub(in crate::admin) struct DeleteSeveral;

impl Operation for DeleteSeveral {
    const ROUTE: Route = Route::post(
        "/admin/key-deletions",
        Reach::Team,
        "Deletes several keys: all of them, or none. Nothing is known of them any longer.",
    );
    type Query = Nothing;
    type Body = Several;
    type Answer = Ended;

    async fn run(call: Call, _: Nothing, several: Several) -> Result<Ended, Refusal> {
        let (store, mut ended) = (call.store()?, Vec::new());
        let keys = known(&call, &several).await?;
        let mut transaction = store.begin().await?;
        for key in keys {
            ended.push(transaction.delete_key(&key.id).await?.into());
        }
        transaction.commit().await?;
        Ok(Ended { data: ended })
    }
}

/// The keys that are meant, each once, in the order of their ids, so that two such calls wait for each other.
async fn known(call: &Call, several: &Several) -> Result<Vec<Key>, Refusal> {
    if several.keys.is_empty() || several.keys.len() > MAX {
        let message = format!("`keys` names 1 to {MAX} keys.");
        return Err(Refusal::invalid(Some("keys"), message));
    }
    let (store, mut keys) = (call.store()?, Vec::new());
    for reference in &several.keys {
        keys.push(reach::find_to_change(&store, &call.caller, reference).await?);
    }
    keys.sort_by(|one: &Key, other| one.id.cmp(&other.id));
    keys.dedup_by(|one, other| one.id == other.id);
    Ok(keys)
}
