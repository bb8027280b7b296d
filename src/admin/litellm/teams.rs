//! `/team/*`.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    fields::{Common, Count},
    object, rows,
};
use crate::{
    admin::{
        access::Scope,
        entity::new_id,
        input::{Anything, Patch},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    identity::{Terms, period::Period},
    price::Usd,
    store::{
        Kind, List, MAX_LENGTH, Record, Store,
        keys::Key,
        teams::{Member, Team},
        users::User,
    },
};

/// How many teams a list holds, and how many keys of one are shown.
const MAX_LISTED: i64 = 1000;

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

/// Somebody in a team, by id or by address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct MemberBody {
    user_id: Option<String>,
    user_email: Option<String>,
    role: Option<String>,
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
    let is_seen = call.caller.sees_all() || call.caller.team() == Some(id);
    let found = match is_seen {
        true => store.find::<Team>(id).await?,
        false => None,
    };
    found.ok_or_else(|| Refusal::not_found(Team::WHAT, id))
}

/// Puts somebody into a team. Who is not known yet becomes a user, as LiteLLM has it.
async fn put(
    call: &Call,
    store: &Store,
    team: &str,
    who: MemberBody,
    terms: Terms,
) -> Result<Member, Refusal> {
    let user = match (who.user_id, who.user_email) {
        (Some(id), _) => match store.find::<User>(&id).await? {
            Some(user) => user.id,
            // Who administrates a team makes no users; a member need not be one.
            None if !call.caller.sees_all() => id,
            None => store.create(User::new(&id), call.by()).await?.id,
        },
        (None, Some(email)) => {
            let list = List::default().equals("email", &email).page(1, 0);
            match store.list::<User>(&list).await?.pop() {
                Some(user) => user.id,
                None if !call.caller.sees_all() => {
                    return Err(Refusal::not_found(User::WHAT, &email));
                }
                None => {
                    let user = User {
                        email: Some(email),
                        ..User::new(&new_id("user", None)?)
                    };
                    store.create(user, call.by()).await?.id
                }
            }
        }
        (None, None) => {
            let message = "A member has a `user_id` or a `user_email`.";
            return Err(Refusal::invalid(Some("user_id"), message));
        }
    };
    let member = Member {
        team_id: team.to_owned(),
        user_id: user,
        role: who.role.unwrap_or_else(|| "user".to_owned()),
        terms,
        created_at: 0,
    };
    store.put_member(&member).await?;
    Ok(member)
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
        Reach::Team,
        "Shows a team, its keys and who is in it.",
    )
    .of_litellm();
    type Query = TeamQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: TeamQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let id = query.team_id.as_deref().or(call.caller.team());
        let id = id.ok_or_else(|| Refusal::invalid(Some("team_id"), "`team_id` is needed."))?;
        let team = seen(&call, &store, id).await?;
        let members = store.members(&team.id).await?;
        let keys = List::default().equals("team_id", &team.id);
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
        "Lists teams, at most a thousand at once.",
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
        let keys = List::default().any_of("team_id", ids).page(MAX_LENGTH, 0);
        let mut of_team: HashMap<String, Vec<Value>> = HashMap::new();
        for key in store.list::<Key>(&keys).await? {
            let Some(team) = &key.team_id else { continue };
            let row = rows::key(&key).into();
            of_team.entry(team.clone()).or_default().push(row);
        }
        let mut listed = Vec::new();
        for team in &teams {
            let members = store.members(&team.id).await?;
            let memberships: Vec<Object> = members.iter().map(rows::membership).collect();
            let mut row = rows::team(team, &members);
            row.insert("team_memberships".into(), json!(memberships));
            let keys = of_team.remove(&team.id).unwrap_or_default();
            row.insert("keys".into(), keys.into());
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
            store.set_spent(Kind::Team, &id, spend).await?;
            team.stamps.spend = spend;
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

/// Who comes into a team.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Joining {
    team_id: String,
    member: Joiners,
    #[serde(default)]
    max_budget_in_team: Option<Usd>,
    #[serde(default)]
    budget_duration: Option<Period>,
    #[serde(default)]
    tpm_limit: Option<Count>,
    #[serde(default)]
    rpm_limit: Option<Count>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Joiners {
    One(MemberBody),
    Several(Vec<MemberBody>),
}

fn place(
    max: Option<Usd>,
    period: Option<Period>,
    tpm: Option<Count>,
    rpm: Option<Count>,
) -> Terms {
    let mut terms = Terms::default();
    (terms.budget.max, terms.budget.period) = (max, period);
    terms.limits.tokens_per_minute = tpm.map(|count| count.0);
    terms.limits.requests_per_minute = rpm.map(|count| count.0);
    terms
}

/// Puts users into a team.
pub(in crate::admin) struct AddMember;

impl Operation for AddMember {
    const ROUTE: Route =
        Route::post("/team/member_add", Reach::Team, "Puts users into a team.").of_litellm();
    type Query = Anything;
    type Body = Joining;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Joining) -> Result<Object, Refusal> {
        let store = call.store()?;
        let team = seen(&call, &store, &body.team_id).await?;
        let terms = place(
            body.max_budget_in_team,
            body.budget_duration,
            body.tpm_limit,
            body.rpm_limit,
        );
        let joiners = match body.member {
            Joiners::One(one) => vec![one],
            Joiners::Several(several) => super::named("member", several)?,
        };
        let (mut users, mut memberships) = (Vec::new(), Vec::new());
        for who in joiners {
            let member = put(&call, &store, &team.id, who, terms.clone()).await?;
            memberships.push(rows::membership(&member));
            // What is known of a user is not all the team's business.
            let known = match call.caller.sees_all() {
                true => store.find::<User>(&member.user_id).await?,
                false => None,
            };
            users.push(match known {
                Some(user) => rows::user(&user, std::slice::from_ref(&member)),
                None => object(json!({"user_id": member.user_id, "teams": [team.id]})),
            });
        }
        let members = store.members(&team.id).await?;
        let mut row = rows::team(&team, &members);
        row.insert("updated_users".into(), json!(users));
        row.insert("updated_team_memberships".into(), json!(memberships));
        Ok(row)
    }
}

/// Somebody's place in a team.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Placed {
    team_id: String,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    user_email: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    max_budget_in_team: Option<Usd>,
    #[serde(default)]
    budget_duration: Option<Period>,
    #[serde(default)]
    tpm_limit: Option<Count>,
    #[serde(default)]
    rpm_limit: Option<Count>,
}

async fn member(store: &Store, team: &Team, placed: &Placed) -> Result<Member, Refusal> {
    let user = match (&placed.user_id, &placed.user_email) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(email)) => {
            let list = List::default().equals("email", email).page(1, 0);
            store.list::<User>(&list).await?.pop().map(|user| user.id)
        }
        (None, None) => {
            let message = "`user_id` or `user_email` is needed.";
            return Err(Refusal::invalid(Some("user_id"), message));
        }
    };
    let user = user.unwrap_or_default();
    let mut members = store.members(&team.id).await?.into_iter();
    members
        .find(|member| member.user_id == user)
        .ok_or_else(|| Refusal::not_found("member", &user))
}

/// Changes somebody's place in a team.
pub(in crate::admin) struct UpdateMember;

impl Operation for UpdateMember {
    const ROUTE: Route = Route::post(
        "/team/member_update",
        Reach::Team,
        "Changes a user's place in a team.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Placed;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Placed) -> Result<Object, Refusal> {
        let store = call.store()?;
        let team = seen(&call, &store, &body.team_id).await?;
        let mut member = member(&store, &team, &body).await?;
        if let Some(role) = &body.role {
            member.role.clone_from(role);
        }
        let (limits, budget) = (&mut member.terms.limits, &mut member.terms.budget);
        budget.max = body.max_budget_in_team.or(budget.max);
        budget.period = body.budget_duration.or(budget.period);
        let said = body.tpm_limit.map(|count| count.0);
        limits.tokens_per_minute = said.or(limits.tokens_per_minute);
        let said = body.rpm_limit.map(|count| count.0);
        limits.requests_per_minute = said.or(limits.requests_per_minute);
        store.put_member(&member).await?;
        Ok(object(json!({
            "team_id": team.id, "user_id": member.user_id, "user_email": body.user_email,
            "role": member.role, "max_budget_in_team": member.terms.budget.max.map(rows::dollars),
            "budget_duration": member.terms.budget.period,
            "tpm_limit": member.terms.limits.tokens_per_minute,
            "rpm_limit": member.terms.limits.requests_per_minute,
        })))
    }
}

/// Takes somebody out of a team.
pub(in crate::admin) struct DeleteMember;

impl Operation for DeleteMember {
    const ROUTE: Route = Route::post(
        "/team/member_delete",
        Reach::Team,
        "Takes a user out of a team.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Placed;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Placed) -> Result<Object, Refusal> {
        let store = call.store()?;
        let team = seen(&call, &store, &body.team_id).await?;
        let member = member(&store, &team, &body).await?;
        store.remove_member(&team.id, &member.user_id).await?;
        let members = store.members(&team.id).await?;
        Ok(rows::team(&team, &members))
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
