//! `/team/member_*`: who is in a team.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Object, fields::Count, object, rows, teams::seen};
use crate::{
    admin::{
        entity::new_id,
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
        teams::may_put,
    },
    identity::{Terms, period::Period},
    price::Usd,
    store::{
        List, Store,
        teams::{Member, Team},
        users::User,
    },
};

/// Somebody in a team, by id or by address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct MemberBody {
    pub(super) user_id: Option<String>,
    pub(super) user_email: Option<String>,
    pub(super) role: Option<String>,
}

async fn by_email(store: &Store, email: &str) -> Result<Option<User>, Refusal> {
    let list = List::default().equals("email", email).page(1, 0);
    Ok(store.list::<User>(&list).await?.pop())
}

/// Whose an address is, be it in the team, is not for a team's key to find out.
fn by_id_alone() -> Refusal {
    let message = "This key names users by their `user_id` alone.";
    let mut refusal = Refusal::forbidden(message);
    refusal.param = Some("user_email".to_owned());
    refusal
}

/// Puts somebody into a team. Who is not known yet becomes a user, as LiteLLM has it. Who is bound to a team
/// puts nobody into it who is not there, and learns of nobody's address.
///
/// # Errors
/// 400, 403.
pub(super) async fn put(
    call: &Call,
    store: &Store,
    team: &str,
    who: MemberBody,
    terms: Terms,
) -> Result<Member, Refusal> {
    let sees_all = call.caller.sees_all();
    let user = match (who.user_id, who.user_email) {
        (Some(id), _) => {
            may_put(call, store, team, &id).await?;
            if sees_all && store.find::<User>(&id).await?.is_none() {
                store.create(User::new(&id), call.by()).await?;
            }
            id
        }
        (None, Some(_)) if !sees_all => return Err(by_id_alone()),
        (None, Some(email)) => match by_email(store, &email).await? {
            Some(user) => user.id,
            None => {
                let user = User {
                    email: Some(email),
                    ..User::new(&new_id("user", None)?)
                };
                store.create(user, call.by()).await?.id
            }
        },
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

/// A place with a budget and limits of its own.
pub(super) fn place(
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
            users.push(user_row(&call, &store, &member).await?);
        }
        let members = store.members(&team.id).await?;
        let mut row = rows::team(&team, &members);
        row.insert("updated_users".into(), json!(users));
        row.insert("updated_team_memberships".into(), json!(memberships));
        Ok(row)
    }
}

/// A user who has come into a team. What is known of it is not all the team's business.
pub(super) async fn user_row(
    call: &Call,
    store: &Store,
    member: &Member,
) -> Result<Object, Refusal> {
    let known = match call.caller.sees_all() {
        true => store.find::<User>(&member.user_id).await?,
        false => None,
    };
    Ok(match known {
        Some(user) => rows::user(&user, std::slice::from_ref(member)),
        None => object(json!({"user_id": member.user_id, "teams": [member.team_id]})),
    })
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

async fn member(
    call: &Call,
    store: &Store,
    team: &Team,
    placed: &Placed,
) -> Result<Member, Refusal> {
    let user = match (&placed.user_id, &placed.user_email) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(_)) if !call.caller.sees_all() => return Err(by_id_alone()),
        (None, Some(email)) => by_email(store, email).await?.map(|user| user.id),
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
        let mut member = member(&call, &store, &team, &body).await?;
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
        let member = member(&call, &store, &team, &body).await?;
        store.remove_member(&team.id, &member.user_id).await?;
        let members = store.members(&team.id).await?;
        Ok(rows::team(&team, &members))
    }
}
