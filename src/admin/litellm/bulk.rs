//! Changes of many at once, each apart: one that cannot be carried out keeps no other from it, and is told of
//! in its place.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    keys::KeyBody,
    members::{MemberBody, place, put, user_row},
    object, rows,
    teams::seen,
    users::{self, UserBody},
};
use crate::{
    admin::{
        input::Anything,
        keys::reach,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    price::Usd,
    store::{List, Store, users::User},
};

/// How many are changed at once.
const MAX_AT_ONCE: usize = 500;

/// As many as may be changed at once, at least one.
fn bounded<T>(field: &'static str, list: Vec<T>) -> Result<Vec<T>, Refusal> {
    match list.len() {
        1..=MAX_AT_ONCE => Ok(list),
        _ => {
            let message = format!("`{field}` names at least one, and at most {MAX_AT_ONCE}.");
            Err(Refusal::invalid(Some(field), message))
        }
    }
}

/// All users, if there are no more than may be changed at once.
async fn all_users(store: &Store) -> Result<Vec<User>, Refusal> {
    let at_once = i64::try_from(MAX_AT_ONCE + 1).unwrap_or(i64::MAX);
    bounded(
        "all_users",
        store
            .list::<User>(&List::default().page(at_once, 0))
            .await?,
    )
}

/// How it went, unless the store is away: then nothing more is tried.
fn outcome<T>(done: Result<T, Refusal>) -> Result<Result<T, String>, Refusal> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(refusal) if refusal.status.is_server_error() => Err(refusal),
        Err(refusal) => Ok(Err(refusal.message)),
    }
}

/// Changes of keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct ManyKeys {
    keys: Vec<KeyBody>,
}

/// Changes keys.
pub(in crate::admin) struct UpdateKeys;

impl Operation for UpdateKeys {
    const ROUTE: Route = Route::post(
        "/key/bulk_update",
        Reach::Team,
        "Changes keys, at most five hundred, as `/key/update` changes one.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ManyKeys;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: ManyKeys) -> Result<Object, Refusal> {
        let keys = bounded("keys", body.keys)?;
        let total = keys.len();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for key in keys {
            let reference = key.reference();
            match outcome(super::keys::update(&call, key).await)? {
                Ok(mut row) => {
                    row.remove("key");
                    good.push(json!({"key": reference, "key_info": row}));
                }
                Err(why) => bad.push(failed(&call, reference, &why).await?),
            }
        }
        Ok(object(json!({
            "total_requested": total, "successful_updates": good, "failed_updates": bad,
        })))
    }
}

/// A key that was not changed, as it is.
async fn failed(call: &Call, reference: Option<String>, why: &str) -> Result<Value, Refusal> {
    let store = call.store()?;
    let found = match &reference {
        Some(reference) => reach::find(&store, &call.caller, reference).await.ok(),
        None => None,
    };
    let info = found.map(|key| {
        let mut row = rows::key(&key);
        row.remove("token");
        row
    });
    Ok(json!({"key": reference.unwrap_or_default(), "key_info": info, "failed_reason": why}))
}

/// Changes of users.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ManyUsers {
    users: Vec<UserBody>,
    all_users: Option<bool>,
    /// What is said of everybody, with `all_users`.
    user_updates: Option<UserBody>,
}

/// Changes users.
pub(in crate::admin) struct UpdateUsers;

impl Operation for UpdateUsers {
    const ROUTE: Route = Route::post(
        "/user/bulk_update",
        Reach::All,
        "Changes users, at most five hundred, as `/user/update` changes one.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ManyUsers;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: ManyUsers) -> Result<Object, Refusal> {
        let store = call.store()?;
        let changes = match (body.all_users.unwrap_or(false), body.user_updates) {
            (false, _) => bounded("users", body.users)?,
            (true, Some(change)) if body.users.is_empty() => {
                let users = all_users(&store).await?.into_iter();
                users.map(|user| change.of(user.id)).collect()
            }
            (true, _) => {
                let message = "`all_users` takes `user_updates`, and no `users`.";
                return Err(Refusal::invalid(Some("user_updates"), message));
            }
        };
        let (mut results, mut failed) = (Vec::new(), 0);
        for change in changes {
            let (id, email) = change.named();
            results.push(match outcome(users::update(&call, change).await)? {
                Ok((id, row)) => json!({
                    "user_id": id, "user_email": row.get("user_email"), "success": true, "error": null,
                    "updated_user": row,
                }),
                Err(why) => {
                    failed += 1;
                    json!({
                        "user_id": id, "user_email": email, "success": false, "error": why,
                        "updated_user": null,
                    })
                }
            });
        }
        Ok(object(json!({
            "total_requested": results.len(), "successful_updates": results.len() - failed,
            "failed_updates": failed, "results": results,
        })))
    }
}

/// Who comes into a team, each apart.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct ManyJoining {
    team_id: String,
    #[serde(default)]
    members: Vec<MemberBody>,
    /// Everybody that is known, for callers who see all.
    #[serde(default)]
    all_users: Option<bool>,
    #[serde(default)]
    max_budget_in_team: Option<Usd>,
}

impl ManyJoining {
    /// Who they are.
    async fn people(&mut self, call: &Call, store: &Store) -> Result<Vec<MemberBody>, Refusal> {
        if self.all_users != Some(true) {
            return bounded("members", std::mem::take(&mut self.members));
        }
        if !call.caller.sees_all() {
            return Err(Refusal::forbidden("This key may not name all users."));
        }
        let body = |user: User| MemberBody {
            user_id: Some(user.id),
            ..MemberBody::default()
        };
        Ok(all_users(store).await?.into_iter().map(body).collect())
    }
}

/// Puts users into a team, each apart: who cannot be put there keeps no other out.
pub(in crate::admin) struct AddMembers;

impl Operation for AddMembers {
    const ROUTE: Route = Route::post(
        "/team/bulk_member_add",
        Reach::Team,
        "Puts users into a team, at most five hundred, and says of each whether it is there.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ManyJoining;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: ManyJoining) -> Result<Object, Refusal> {
        let store = call.store()?;
        let team = seen(&call, &store, &body.team_id).await?;
        let people = body.people(&call, &store).await?;
        let terms = place(body.max_budget_in_team, None, None, None);
        let (mut results, mut failed) = (Vec::new(), 0);
        for who in people {
            let (id, email) = (who.user_id.clone(), who.user_email.clone());
            let done = put(&call, &store, &team.id, who, terms.clone()).await;
            results.push(match outcome(done)? {
                Ok(member) => json!({
                    "user_id": member.user_id, "user_email": email, "success": true, "error": null,
                    "updated_user": user_row(&call, &store, &member).await?,
                    "updated_team_membership": rows::membership(&member),
                }),
                Err(why) => {
                    failed += 1;
                    json!({
                        "user_id": id, "user_email": email, "success": false, "error": why,
                        "updated_user": null, "updated_team_membership": null,
                    })
                }
            });
        }
        let members = store.members(&team.id).await?;
        Ok(object(json!({
            "team_id": team.id, "total_requested": results.len(), "failed_additions": failed,
            "successful_additions": results.len() - failed, "results": results,
            "updated_team": rows::team(&team, &members),
        })))
    }
}
