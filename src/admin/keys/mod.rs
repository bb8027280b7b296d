//! `/admin/keys`: virtual keys, from their making to their end.

pub(in crate::admin) mod reach;
mod several;
mod view;

pub(super) use several::{DeleteSeveral, RevokeSeveral};
pub use view::{
    CreatedKey, Ended, KeyChange, KeyQuery, KeySort, KeyView, NewKey, Rotation, Several,
};

use axum::http::StatusCode;

use super::{
    input::Nothing,
    list::Page,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    identity::period::Period,
    store::{
        List, StoreError,
        keys::{self, Created, Key},
    },
};

impl From<Created> for CreatedKey {
    fn from(created: Created) -> Self {
        CreatedKey {
            // The only time that it is shown, to whoever has made it.
            key: created.secret.expose().to_owned(),
            record: created.key.into(),
        }
    }
}

/// Makes a key.
pub(super) struct Make;

impl Operation for Make {
    const ROUTE: Route = Route::post(
        "/admin/keys",
        Reach::Team,
        "Makes a key. Its text is in this answer and nowhere else.",
    )
    .makes();
    type Query = Nothing;
    type Body = NewKey;
    type Answer = CreatedKey;

    async fn run(call: Call, _: Nothing, new: NewKey) -> Result<CreatedKey, Refusal> {
        let mut key = Key::default();
        new.rest.apply(&mut key)?;
        Ok(make(&call, key, new.key).await?.into())
    }
}

/// Makes a key for this caller: where it is bound to a team, of that team.
///
/// # Errors
/// 403 where it may not.
pub(super) async fn make(
    call: &Call,
    mut key: Key,
    custom: Option<crate::secret::Secret>,
) -> Result<Created, Refusal> {
    let store = call.store()?;
    if let Some(team) = call.caller.team() {
        key.team_id.get_or_insert_with(|| team.to_owned());
        if custom.is_some() {
            // Whether somebody else has it already is not for everybody to find out.
            return Err(Refusal::forbidden(
                "This key may not choose the text of keys.",
            ));
        }
    }
    reach::check(&store, &call.caller, None, &key).await?;
    let new = keys::NewKey { key, custom };
    Ok(store.create_key(new, call.by()).await?)
}

/// Changes a key that the caller may change.
///
/// # Errors
/// 403 where it may not be changed so; 404.
pub(super) async fn change(
    call: &Call,
    reference: &str,
    change: impl FnOnce(&mut Key) -> Result<(), Refusal> + Send,
) -> Result<Key, Refusal> {
    let store = call.store()?;
    let before = reach::find_to_change(&store, &call.caller, reference).await?;
    let mut after = before.clone();
    change(&mut after)?;
    reach::check(&store, &call.caller, Some(&before), &after).await?;
    let id = before.id.clone();
    let seen_at = before.stamps.updated_at;
    let mut is_stale = false;
    let changed = store.update::<Key>(&id, call.by(), |key| {
        // What was looked at is what is changed.
        is_stale = key.stamps.updated_at != seen_at;
        if is_stale {
            return Err(StoreError::invalid("key", "was changed meanwhile"));
        }
        *key = after;
        Ok(())
    });
    let changed = changed.await;
    if is_stale {
        let message = "Somebody else has changed this key meanwhile; try again.";
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "changed_meanwhile",
            message,
        ));
    }
    Ok(changed?)
}

/// Lists keys.
pub(super) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get("/admin/keys", Reach::Team, "Lists keys.");
    type Query = KeyQuery;
    type Body = Nothing;
    type Answer = Page<KeyView>;

    async fn run(call: Call, query: KeyQuery, _: Nothing) -> Result<Self::Answer, Refusal> {
        let mut list = reach::seen_by(&call.caller, List::default());
        for (column, value) in [
            ("team_id", &query.team_id),
            ("user_id", &query.user_id),
            ("project_id", &query.project_id),
            ("budget_id", &query.budget_id),
        ] {
            list = match value {
                Some(value) => list.equals(column, value),
                None => list,
            };
        }
        if let Some(part) = &query.label {
            list = list.contains("label", part);
        }
        if let Some(blocked) = query.blocked {
            list = list.equals("blocked", blocked);
        }
        if let Some(revoked) = query.revoked {
            list = list.is_null("revoked_at", !revoked);
        }
        Page::read::<Key>(&*call.store()?, list, &query).await
    }
}

/// Shows a key.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/keys/{key}",
        Reach::Team,
        "Shows a key, by id, hash or label.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<KeyView, Refusal> {
        let key = reach::find(&*call.store()?, &call.caller, call.path("key")).await?;
        Ok(key.into())
    }
}

/// Changes a key.
pub(super) struct Change;

impl Operation for Change {
    const ROUTE: Route = Route::patch(
        "/admin/keys/{key}",
        Reach::Team,
        "Changes a key. What is not said stays; `null` is none.",
    );
    type Query = Nothing;
    type Body = KeyChange;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, said: KeyChange) -> Result<KeyView, Refusal> {
        let changed = change(&call, call.path("key"), |key| said.apply(key)).await?;
        Ok(changed.into())
    }
}

/// Deletes a key.
pub(super) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::delete(
        "/admin/keys/{key}",
        Reach::Team,
        "Deletes a key: nothing is known of it any longer. To end one and keep its record, revoke it.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<KeyView, Refusal> {
        let store = call.store()?;
        let key = reach::find_to_change(&store, &call.caller, call.path("key")).await?;
        Ok(store.delete_key(&key.id).await?.into())
    }
}

/// Blocks a key.
pub(super) struct Block;

impl Operation for Block {
    const ROUTE: Route = Route::post(
        "/admin/keys/{key}/block",
        Reach::Team,
        "Blocks a key until it is unblocked.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<KeyView, Refusal> {
        Ok(block(&call, call.path("key"), true).await?.into())
    }
}

/// Lets a blocked key be used again.
pub(super) struct Unblock;

impl Operation for Unblock {
    const ROUTE: Route = Route::post(
        "/admin/keys/{key}/unblock",
        Reach::Team,
        "Lets a blocked key be used again.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<KeyView, Refusal> {
        Ok(block(&call, call.path("key"), false).await?.into())
    }
}

/// Blocks a key, or lets it be used again.
pub(super) async fn block(call: &Call, reference: &str, is_blocked: bool) -> Result<Key, Refusal> {
    let store = call.store()?;
    let key = reach::find_to_change(&store, &call.caller, reference).await?;
    Ok(store.block_key(&key.id, is_blocked, call.by()).await?)
}

/// Revokes a key.
pub(super) struct Revoke;

impl Operation for Revoke {
    const ROUTE: Route = Route::post(
        "/admin/keys/{key}/revoke",
        Reach::Team,
        "Ends a key for good. Its record stays.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = KeyView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<KeyView, Refusal> {
        let store = call.store()?;
        let key = reach::find_to_change(&store, &call.caller, call.path("key")).await?;
        Ok(store.revoke_key(&key.id, call.by()).await?.into())
    }
}

/// Gives a key another text.
pub(super) struct Rotate;

impl Operation for Rotate {
    const ROUTE: Route = Route::post(
        "/admin/keys/{key}/rotate",
        Reach::Team,
        "Gives a key another text, which is in this answer and nowhere else.",
    );
    type Query = Nothing;
    type Body = Rotation;
    type Answer = CreatedKey;

    async fn run(call: Call, _: Nothing, rotation: Rotation) -> Result<CreatedKey, Refusal> {
        Ok(rotate(&call, call.path("key"), rotation).await?.into())
    }
}

/// Gives a key another text.
///
/// # Errors
/// 400 where it was revoked, 403, 404.
pub(super) async fn rotate(
    call: &Call,
    reference: &str,
    rotation: Rotation,
) -> Result<Created, Refusal> {
    let store = call.store()?;
    if rotation.key.is_some() && !call.caller.sees_all() {
        return Err(Refusal::forbidden(
            "This key may not choose the text of keys.",
        ));
    }
    let key = reach::find_to_change(&store, &call.caller, reference).await?;
    let grace = rotation.grace.and_then(Period::about).unwrap_or(0);
    let rotated = store.rotate_key(&key.id, grace, rotation.key, call.by());
    Ok(rotated.await?)
}
