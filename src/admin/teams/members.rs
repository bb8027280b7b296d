//! `/admin/teams/{id}/members`: who is in a team.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    entity::seen,
    input::{Nothing, Time},
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
    terms::{TermsChange, TermsView},
};
use crate::store::{
    Store,
    teams::{Member, Team},
};

/// A user's place in a team.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// The team.
    pub team_id: String,
    /// The user.
    pub user_id: String,
    /// What it may do there: `admin` or `user`.
    pub role: String,
    /// Its terms there.
    #[serde(flatten)]
    pub terms: TermsView,
    /// Since when.
    pub created_at: Time,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        MemberView {
            team_id: member.team_id,
            user_id: member.user_id,
            role: member.role,
            terms: member.terms.into(),
            created_at: Time(member.created_at),
        }
    }
}

/// What is said of a user's place in a team.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemberPlace {
    /// What it may do there: `admin` or `user`; `user` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its terms there.
    #[serde(flatten)]
    pub terms: TermsChange,
}

/// Who is in a team.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Members {
    /// Those who came first first.
    pub data: Vec<MemberView>,
}

/// Looks whether the caller may put a user into a team. Who is bound to the team gives places to those who are
/// in it already: it could make keys in anybody else's name, and would learn who there is.
///
/// # Errors
/// 403, the same whoever it is.
pub(in crate::admin) async fn may_put(
    call: &Call,
    store: &Store,
    team: &str,
    user: &str,
) -> Result<(), Refusal> {
    if call.caller.sees_all() {
        return Ok(());
    }
    let places = store.memberships(user).await?;
    match places.iter().any(|place| place.team_id == team) {
        true => Ok(()),
        false => Err(Refusal::forbidden(
            "This key gives places to those who are in its team; it takes the master key, or a key whose \
             `admin` grant is `write`, to put somebody into it.",
        )),
    }
}

/// Lists who is in a team.
pub(in crate::admin) struct ListMembers;

impl Operation for ListMembers {
    const ROUTE: Route = Route::get(
        "/admin/teams/{id}/members",
        Reach::Team,
        "Lists who is in a team.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Members;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Members, Refusal> {
        let team = seen::<Team>(&call).await?;
        let members = call.store()?.members(&team.id).await?;
        Ok(Members {
            data: members.into_iter().map(Into::into).collect(),
        })
    }
}

/// Puts a user into a team.
pub(in crate::admin) struct PutMember;

impl Operation for PutMember {
    const ROUTE: Route = Route::put(
        "/admin/teams/{id}/members/{user}",
        Reach::Team,
        "Puts a user into a team, or gives it another place there.",
    );
    type Query = Nothing;
    type Body = MemberPlace;
    type Answer = MemberView;

    async fn run(call: Call, _: Nothing, place: MemberPlace) -> Result<MemberView, Refusal> {
        let team = seen::<Team>(&call).await?;
        let (store, user) = (call.store()?, call.path("user"));
        may_put(&call, &store, &team.id, user).await?;
        let member = Member {
            team_id: team.id.clone(),
            user_id: user.to_owned(),
            role: place.role.unwrap_or_else(|| "user".to_owned()),
            terms: place.terms.fresh(),
            created_at: 0,
        };
        store.put_member(&member).await?;
        let members = store.members(&team.id).await?;
        let put = members.into_iter().find(|member| member.user_id == user);
        put.map(Into::into)
            .ok_or_else(|| Refusal::not_found("member", user))
    }
}

/// Takes a user out of a team.
pub(in crate::admin) struct RemoveMember;

impl Operation for RemoveMember {
    const ROUTE: Route = Route::delete(
        "/admin/teams/{id}/members/{user}",
        Reach::Team,
        "Takes a user out of a team. Its keys there stay.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Members;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Members, Refusal> {
        let team = seen::<Team>(&call).await?;
        let (store, user) = (call.store()?, call.path("user"));
        if !store.remove_member(&team.id, user).await? {
            return Err(Refusal::not_found("member", user));
        }
        let members = store.members(&team.id).await?;
        Ok(Members {
            data: members.into_iter().map(Into::into).collect(),
        })
    }
}
