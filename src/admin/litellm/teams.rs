//! `/team/*`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Object,
    fields::{Common, Count},
    members::{MemberBody, put},
    object, rows,
};
use crate::{
    admin::{
        access::{Caller, Scope},
        entity::new_id,
        input::{Anything, Patch},
        keys::reach,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    identity::Terms,
    store::{Kind, List, MAX_LENGTH, Record, Store, keys::Key, teams::Team},
};

/// How many teams a list holds, and how many keys of one are shown.
const MAX_LISTED: i64 = 1000;
/// How many keys and members of each team a list shows, however many teams there are.
const MIN_SHOWN: i64 = 10;

/// What is said of a team.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct TeamBody {
    team_id: Option<String>,
    team_alias: Patch<String>,
    organization_id: Patch<String>,
    /// Ids of users.
    admins: Vec<String>,
    /// Ids of users.
    members: Vec<String>,
    members_with_roles: Vec<MemberBody>,
    #[serde(flatten)]
    common: Common,
}

impl TeamBody {
    fn apply(self, team: &mut Team) -> Result<(), Refusal> {
        self.team_alias.apply(&mut team.alias);
        self.organization_id.apply(&mut team.organization_id);
        match self.common.blocked {
            Patch::Absent => {}
            Patch::Empty => team.blocked = false,
            Patch::Is(is_blocked) => team.blocked = is_blocked,
        }
        self.common.apply(&mut team.terms)
    }

    /// Who is to be in it.
    fn people(&mut self) -> Vec<MemberBody> {
        let with = |role: &'static str| {
            move |user: String| MemberBody {
                user_id: Some(user),
                user_email: None,
                role: Some(role.to_owned()),
            }
        };
        let admins = std::mem::take(&mut self.admins)
            .into_iter()
            .map(with("admin"));
        let members = std::mem::take(&mut self.members)
            .into_iter()
            .map(with("user"));
        let with_roles = std::mem::take(&mut self.members_with_roles);
        with_roles
            .into_iter()
            .chain(admins)
            .chain(members)
            .collect()
    }
}

/// The team that is meant, if the caller may see it.
pub(super) async fn seen(call: &Call, store: &Store, id: &str) -> Result<Team, Refusal> {
    let is_seen = call.caller.sees_all()
        || call.caller.team() == Some(id)
        || is_own(&call.caller, store, id).await?;
    let found = match is_seen {
        true => store.find::<Team>(id).await?,
        false => None,
    };
    found.ok_or_else(|| Refusal::not_found(Team::WHAT, id))
}

/// Whether it is an ordinary key's own team: the key's, or one that its user is in. A key of a team speaks for
/// no other, for whoever administrates that team makes keys for its members.
async fn is_own(caller: &Caller, store: &Store, id: &str) -> Result<bool, Refusal> {
    let identity = caller.identity.as_deref();
    let Some(identity) = identity.filter(|_| caller.scope == Scope::Own) else {
        return Ok(false);
    };
    Ok(match (&identity.team, &identity.user) {
        (Some(team), _) => **team == *id,
        (None, Some(user)) => {
            let places = store.memberships(user).await?;
            places.iter().any(|place| place.team_id == id)
        }
        (None, None) => false,
    })
}

/// Makes a team.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/team/new",
        Reach::All,
        "Makes a team, by LiteLLM's fields.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = TeamBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: TeamBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let people = body.people();
        let mut team = Team::new(&new_id("team", body.team_id.take())?);
        body.apply(&mut team)?;
        let team = store.create(team, call.by()).await?;
        for who in people {
            put(&call, &store, &team.id, who, Terms::default()).await?;
        }
        let members = store.members(&team.id).await?;
        Ok(rows::team(&team, &members))
    }
}

/// Which team.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct TeamQuery {
    team_id: Option<String>,
}

/// Shows a team.
pub(in crate::admin) struct Info;

impl Operation for Info {
    const ROUTE: Route = Route::get(
        "/team/info",
        Reach::Anyone,
        "Shows a team, those of its keys that the caller may see, and who is in it; the caller's own unless \
         one is named.",
    )
    .of_litellm();
    type Query = TeamQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: TeamQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let identity = call.caller.identity.as_deref();
        let own = identity.and_then(|identity| identity.team.as_deref());
        let id = query.team_id.as_deref().or(call.caller.team()).or(own);
        let id = id.ok_or_else(|| Refusal::invalid(Some("team_id"), "`team_id` is needed."))?;
        let team = seen(&call, &store, id).await?;
        let members = store.members(&team.id).await?;
        let keys = reach::seen_by(&call.caller, List::default()).equals("team_id", &team.id);
        let keys = store.list::<Key>(&keys.page(MAX_LISTED, 0)).await?;
        let keys: Vec<Object> = keys.iter().map(rows::key).collect();
        let memberships: Vec<Object> = members.iter().map(rows::membership).collect();
        Ok(object(json!({
            "team_id": team.id, "team_info": rows::team(&team, &members), "keys": keys,
            "team_memberships": memberships,
        })))
    }
}

/// Which teams are listed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ListQuery {
    user_id: Option<String>,
    organization_id: Option<String>,
    /// Which page, of at most a thousand; the first unless said.
    page: Option<Count>,
}

/// Lists teams.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/team/list",
        Reach::Team,
        "Lists teams, at most a thousand at once, each with its newest keys: ten where there are a thousand \
         teams, more where there are fewer. `keys_count` and `members_count` tell of those left out.",
    )
    .of_litellm();
    type Query = ListQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: ListQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let store = call.store()?;
        let mut list = List::default();
        if let Scope::Team { id, .. } = &call.caller.scope {
            list = list.equals("id", &**id);
        }
        if let Some(user) = &query.user_id {
            let places = store.memberships(user).await?;
            let teams = places.into_iter().map(|place| place.team_id);
            list = list.any_of("id", teams.take(MAX_LISTED as usize).collect());
        }
        if let Some(organization) = &query.organization_id {
            list = list.equals("organization_id", organization);
        }
        let page = query.page.map_or(1, |page| page.0).max(1);
        let offset = i64::try_from(page - 1).unwrap_or(i64::MAX);
        let list = list.page(MAX_LISTED, offset.saturating_mul(MAX_LISTED));
        let teams = store.list::<Team>(&list).await?;
        let ids: Vec<String> = teams.iter().map(|team| team.id.clone()).collect();
        let count = i64::try_from(ids.len()).unwrap_or(MAX_LISTED).max(1);
        let shown = (MAX_LENGTH / count).clamp(MIN_SHOWN, MAX_LISTED);
        let mut keys = store.keys_of_teams(&ids, shown).await?;
        let mut members = store.members_of_teams(&ids, shown).await?;
        let mut listed = Vec::new();
        for team in &teams {
            let members = members.remove(&team.id).unwrap_or_default();
            let keys = keys.remove(&team.id).unwrap_or_default();
            let memberships: Vec<Object> = members.those.iter().map(rows::membership).collect();
            let shown: Vec<Object> = keys.those.iter().map(rows::key).collect();
            let mut row = rows::team(team, &members.those);
            row.extend(object(json!({
                "team_memberships": memberships, "members_count": members.count, "keys": shown,
                "keys_count": keys.count,
            })));
            listed.push(row);
        }
        Ok(listed)
    }
}

/// Changes a team.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/team/update",
        Reach::All,
        "Changes a team, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = TeamBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: TeamBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let Some(id) = body.team_id.take() else {
            return Err(Refusal::invalid(Some("team_id"), "`team_id` is needed."));
        };
        let spend = body.common.spend.value().copied();
        // Looked at before: the store's transaction asks nobody.
        body.clone().apply(&mut store.get::<Team>(&id).await?)?;
        let changed = store.update::<Team>(&id, call.by(), |team| {
            let refused =
                |refusal: Refusal| crate::store::StoreError::invalid("team", refusal.message);
            body.apply(team).map_err(refused)
        });
        let mut team = changed.await?;
        if let Some(spend) = spend {
            call.gateway
                .set_spent(&store, Kind::Team, &id, spend)
                .await?;
            team.stamps = store.get::<Team>(&id).await?.stamps;
        }
        let members = store.members(&id).await?;
        Ok(object(
            json!({"team_id": id, "data": rows::team(&team, &members)}),
        ))
    }
}

/// Which teams.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Named {
    team_ids: Vec<String>,
}

/// Deletes teams and their keys.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post(
        "/team/delete",
        Reach::All,
        "Deletes teams, and with them their keys.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Named;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Named) -> Result<Object, Refusal> {
        let store = call.store()?;
        let ids = super::named("team_ids", body.team_ids)?;
        for id in &ids {
            store.get::<Team>(id).await?;
        }
        for id in &ids {
            store.delete_owner::<Team>(id, "team_id", true).await?;
        }
        Ok(object(json!({ "deleted_teams": ids })))
    }
}

/// Which team.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct One {
    team_id: String,
}

async fn block(call: &Call, id: &str, is_blocked: bool) -> Result<Object, Refusal> {
    let store = call.store()?;
    let changed = store.update::<Team>(id, call.by(), |team| {
        team.blocked = is_blocked;
        Ok(())
    });
    let team = changed.await?;
    Ok(rows::team(&team, &store.members(id).await?))
}

/// Blocks a team's keys.
pub(in crate::admin) struct Block;

impl Operation for Block {
    const ROUTE: Route =
        Route::post("/team/block", Reach::All, "Blocks all keys of a team.").of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        block(&call, &body.team_id, true).await
    }
}

/// Lets a team's keys be used again.
pub(in crate::admin) struct Unblock;

impl Operation for Unblock {
    const ROUTE: Route = Route::post(
        "/team/unblock",
        Reach::All,
        "Lets the keys of a blocked team be used again.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        block(&call, &body.team_id, false).await
    }
}
