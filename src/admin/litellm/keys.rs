//! `/key/*`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Object,
    fields::{Common, Span},
    rows,
};
use crate::{
    admin::{
        access::Grant,
        input::{Anything, Patch},
        keys::{self, Rotation, reach},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    identity::period::Period,
    price::Usd,
    secret::Secret,
    store::{
        Kind, List, Record,
        keys::{Created, Key},
        now,
    },
};

/// What is said of a key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct KeyBody {
    key: Option<Secret>,
    key_alias: Patch<String>,
    duration: Patch<Span>,
    user_id: Patch<String>,
    team_id: Patch<String>,
    project_id: Patch<String>,
    organization_id: Patch<String>,
    budget_id: Patch<String>,
    key_type: Option<KeyType>,
    /// How long the text of before is taken as well, when a key is regenerated.
    grace_period: Option<Period>,
    new_key: Option<Secret>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum KeyType {
    Default,
    LlmApi,
    Management,
    ReadOnly,
}

impl KeyBody {
    /// The key of a user that is made with it.
    pub(super) fn of_user(
        user: &str,
        key_alias: Patch<String>,
        duration: Patch<Span>,
        team_id: Patch<String>,
    ) -> Self {
        KeyBody {
            user_id: Patch::Is(user.to_owned()),
            key_alias,
            duration,
            team_id,
            ..KeyBody::default()
        }
    }

    /// Which key is meant: its text, hash or id, or what people call it.
    pub(super) fn reference(&self) -> Option<String> {
        let key = self.key.as_ref().map(|key| key.expose().to_owned());
        key.or_else(|| self.key_alias.value().cloned())
    }

    /// Carries it out.
    pub(super) fn apply(self, key: &mut Key) -> Result<(), Refusal> {
        self.key_alias.apply(&mut key.label);
        self.user_id.apply(&mut key.user_id);
        self.team_id.apply(&mut key.team_id);
        self.project_id.apply(&mut key.project_id);
        self.organization_id.apply(&mut key.organization_id);
        self.budget_id.apply(&mut key.budget_id);
        match self.duration {
            Patch::Absent => {}
            Patch::Empty | Patch::Is(Span(None)) => key.expires_at = None,
            Patch::Is(Span(Some(period))) => key.expires_at = Some(period.end(now())),
        }
        if let Patch::Is(is_blocked) = self.common.blocked {
            key.blocked = is_blocked;
        }
        self.common.apply(&mut key.terms)?;
        let of_team = key.team_id.is_some();
        let (group, grant) = match self.key_type {
            None | Some(KeyType::Default) => return Ok(()),
            Some(KeyType::LlmApi) => ("llm_api_routes", None),
            Some(KeyType::Management) if of_team => ("management_routes", Some(Grant::TeamWrite)),
            Some(KeyType::Management) => ("management_routes", Some(Grant::Write)),
            Some(KeyType::ReadOnly) if of_team => ("info_routes", Some(Grant::TeamRead)),
            Some(KeyType::ReadOnly) => ("info_routes", Some(Grant::Read)),
        };
        key.terms.routes = vec![group.to_owned()];
        Grant::put(grant, &mut key.terms);
        Ok(())
    }

    /// What the key has spent from now on, if that is said. Who is bound to a team would so escape its
    /// budgets.
    fn spend(&self, call: &Call) -> Result<Option<Usd>, Refusal> {
        match self.common.spend.value() {
            None => Ok(None),
            Some(_) if !call.caller.sees_all() => Err(Refusal::forbidden(
                "This key may not say what keys have spent.",
            )),
            Some(amount) => Ok(Some(*amount)),
        }
    }
}

/// A key that has been made, as LiteLLM answers it.
pub(super) fn created(made: &Created) -> Object {
    let mut row = rows::key(&made.key);
    // The only time that it is shown, to whoever has made it.
    row.insert("key".into(), made.secret.expose().into());
    row.insert("token_id".into(), made.key.token().into());
    row
}

/// Makes a key.
pub(in crate::admin) struct Generate;

impl Operation for Generate {
    const ROUTE: Route = Route::post(
        "/key/generate",
        Reach::Team,
        "Makes a key, by LiteLLM's fields.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = KeyBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: KeyBody) -> Result<Object, Refusal> {
        Ok(created(&generate(&call, body).await?))
    }
}

/// Makes a key that nobody owns but a team.
pub(in crate::admin) struct GenerateForService;

impl Operation for GenerateForService {
    const ROUTE: Route = Route::post(
        "/key/service-account/generate",
        Reach::Team,
        "Makes a key of a team and of nobody in it.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = KeyBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: KeyBody) -> Result<Object, Refusal> {
        if body.team_id.value().is_none() && call.caller.team().is_none() {
            return Err(Refusal::invalid(Some("team_id"), "`team_id` is needed."));
        }
        body.user_id = Patch::Absent;
        Ok(created(&generate(&call, body).await?))
    }
}

/// Makes a key.
///
/// # Errors
/// 400, 403, 409.
pub(super) async fn generate(call: &Call, mut body: KeyBody) -> Result<Created, Refusal> {
    let spend = body.spend(call)?.filter(|spend| *spend != Usd::ZERO);
    let custom = body.key.take();
    let mut key = Key {
        team_id: call.caller.team().map(str::to_owned),
        ..Key::default()
    };
    body.apply(&mut key)?;
    let mut made = keys::make(call, key, custom).await?;
    if let Some(spend) = spend {
        call.gateway
            .set_spent(&*call.store()?, Kind::Key, &made.key.id, spend)
            .await?;
        made.key.stamps.spend = spend;
    }
    Ok(made)
}

/// Which key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct KeyQuery {
    /// Its text, its hash or its id; the caller's own unless said.
    key: Option<String>,
}

/// Shows a key.
pub(in crate::admin) struct Info;

impl Operation for Info {
    const ROUTE: Route = Route::get(
        "/key/info",
        Reach::Anyone,
        "Shows a key; the caller's own unless one is named.",
    )
    .of_litellm();
    type Query = KeyQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: KeyQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let key = match (&query.key, call.caller.key_id()) {
            (Some(reference), _) => reach::find(&store, &call.caller, reference).await?,
            (None, Some(id)) => store.get::<Key>(id).await?,
            (None, None) => {
                let message = "Name a key: `?key=`. The caller's own is not one of the store's.";
                return Err(Refusal::invalid(Some("key"), message));
            }
        };
        let mut info = rows::key(&key);
        info.insert("status".into(), rows::status(&key).into());
        let shown = query.key.unwrap_or_else(|| key.token());
        Ok(super::object(json!({"key": shown, "info": info})))
    }
}

/// Changes a key.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/key/update",
        Reach::Team,
        "Changes a key, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = KeyBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: KeyBody) -> Result<Object, Refusal> {
        update(&call, body).await
    }
}

/// Changes the key that a body names.
///
/// # Errors
/// 400, 403, 404, 409.
pub(super) async fn update(call: &Call, mut body: KeyBody) -> Result<Object, Refusal> {
    let spend = body.spend(call)?;
    let Some(reference) = body.reference() else {
        let message = "`key` or `key_alias` is needed.";
        return Err(Refusal::invalid(Some("key"), message));
    };
    body.key = None;
    let mut key = keys::change(call, &reference, |key| body.apply(key)).await?;
    if let Some(spend) = spend {
        call.gateway
            .set_spent(&*call.store()?, Kind::Key, &key.id, spend)
            .await?;
        key.stamps = call.store()?.get::<Key>(&key.id).await?.stamps;
    }
    let mut row = rows::key(&key);
    row.insert("key".into(), reference.into());
    Ok(row)
}

/// Which keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct Named {
    /// Their texts, hashes or ids.
    pub(super) keys: Option<Vec<String>>,
    /// What people call them.
    pub(super) key_aliases: Option<Vec<String>>,
}

/// Deletes keys.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post("/key/delete", Reach::Team, "Deletes keys.").of_litellm();
    type Query = Anything;
    type Body = Named;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Named) -> Result<Object, Refusal> {
        let store = call.store()?;
        let keys = body.keys.filter(|keys| !keys.is_empty());
        let is_by_alias = keys.is_none();
        let Some(named) = keys.or(body.key_aliases).filter(|named| !named.is_empty()) else {
            return Err(Refusal::invalid(
                Some("keys"),
                "`keys` or `key_aliases` is needed.",
            ));
        };
        if named.len() > MAX_NAMED {
            let message = format!("Name at most {MAX_NAMED} keys at once.");
            return Err(Refusal::invalid(Some("keys"), message));
        }
        // All are looked up first: none is deleted where one is not there.
        let mut found = Vec::new();
        for name in &named {
            let key = match is_by_alias {
                true => by_alias(&call, name).await?,
                false => reach::find_to_change(&store, &call.caller, name).await?,
            };
            found.push(key.id);
        }
        found.sort();
        found.dedup();
        for id in found {
            store.delete_key(&id).await?;
        }
        Ok(super::object(json!({ "deleted_keys": named })))
    }
}

/// How many keys may be named at once.
const MAX_NAMED: usize = 1000;

async fn by_alias(call: &Call, alias: &str) -> Result<Key, Refusal> {
    let store = call.store()?;
    let list = reach::seen_by(&call.caller, List::default().equals("label", alias));
    let mut keys = store.list::<Key>(&list.page(2, 0)).await?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => reach::find_to_change(&store, &call.caller, &key.id).await,
        (Some(_), false) => {
            let message = format!("Several keys are called `{alias}`; name them by `keys`.");
            Err(Refusal::invalid(Some("key_aliases"), message))
        }
        (None, _) => Err(Refusal::not_found(Key::WHAT, alias)),
    }
}

/// Which key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct One {
    /// Its text, its hash or its id.
    key: String,
}

/// Blocks a key.
pub(in crate::admin) struct Block;

impl Operation for Block {
    const ROUTE: Route = Route::post("/key/block", Reach::Team, "Blocks a key.").of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        Ok(rows::key(&keys::block(&call, &body.key, true).await?))
    }
}

/// Lets a blocked key be used again.
pub(in crate::admin) struct Unblock;

impl Operation for Unblock {
    const ROUTE: Route = Route::post(
        "/key/unblock",
        Reach::Team,
        "Lets a blocked key be used again.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        Ok(rows::key(&keys::block(&call, &body.key, false).await?))
    }
}

/// Gives the key that the path names another text.
pub(in crate::admin) struct Regenerate;

impl Operation for Regenerate {
    const ROUTE: Route = Route::post(
        "/key/{key}/regenerate",
        Reach::Team,
        "Gives a key another text.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = KeyBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: KeyBody) -> Result<Object, Refusal> {
        let reference = call.path("key").to_owned();
        regenerate(&call, &reference, body).await
    }
}

/// Gives the key that query or body name another text.
pub(in crate::admin) struct RegenerateNamed;

impl Operation for RegenerateNamed {
    const ROUTE: Route =
        Route::post("/key/regenerate", Reach::Team, "Gives a key another text.").of_litellm();
    type Query = KeyQuery;
    type Body = KeyBody;
    type Answer = Object;

    async fn run(call: Call, query: KeyQuery, body: KeyBody) -> Result<Object, Refusal> {
        let in_body = body.key.as_ref().map(|key| key.expose().to_owned());
        match query.key.or(in_body) {
            Some(reference) => regenerate(&call, &reference, body).await,
            None => Err(Refusal::invalid(Some("key"), "`key` is needed.")),
        }
    }
}

async fn regenerate(call: &Call, reference: &str, mut body: KeyBody) -> Result<Object, Refusal> {
    body.key = None;
    let rotation = Rotation {
        grace: body.grace_period,
        key: body.new_key.take(),
    };
    // What else is said changes the key as an update does.
    let key = keys::change(call, reference, |key| body.apply(key)).await?;
    Ok(created(&keys::rotate(call, &key.id, rotation).await?))
}
