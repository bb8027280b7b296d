//! `/admin/teams`: teams, who is in them, and the terms that all their keys are under.

mod members;

pub(super) use members::{ListMembers, PutMember, RemoveMember, may_put};
pub use members::{MemberPlace, MemberView};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::{Caller, Scope},
    entity::{Entity, Routes, new_id},
    input::Patch,
    list::Paging,
    operation::{Reach, Route},
    refusal::Refusal,
    terms::{SpendView, StampsView, TermsChange, TermsView},
};
use crate::store::{List, teams::Team};

/// What is shown of a team.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TeamView {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// The organization that it belongs to.
    pub organization_id: Option<String>,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// Under which terms its keys may be used.
    #[serde(flatten)]
    pub terms: TermsView,
    /// What its keys have spent.
    #[serde(flatten)]
    pub spend: SpendView,
    /// Who made it.
    #[serde(flatten)]
    pub stamps: StampsView,
}

impl From<Team> for TeamView {
    fn from(team: Team) -> Self {
        TeamView {
            spend: (&team.stamps).into(),
            id: team.id,
            alias: team.alias,
            organization_id: team.organization_id,
            blocked: team.blocked,
            terms: team.terms.into(),
            stamps: team.stamps.into(),
        }
    }
}

/// What is said of a team. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TeamChange {
    /// What people call it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub alias: Patch<String>,
    /// The organization that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub organization_id: Patch<String>,
    /// Whether its keys may not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Under which terms its keys may be used.
    #[serde(flatten)]
    pub terms: TermsChange,
}

/// A new team.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NewTeam {
    /// What tells it from others; made up unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: TeamChange,
}

/// Which teams are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeamQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those with these letters in what people call them.
    pub alias: Option<String>,
    /// Those of that organization.
    pub organization_id: Option<String>,
    /// Those that are blocked, or are not.
    pub blocked: Option<bool>,
}

impl Paging for TeamQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

impl Entity for Team {
    const ROUTES: Routes = Routes {
        list: Route::get("/admin/teams", Reach::Team, "Lists teams."),
        make: Route::post("/admin/teams", Reach::All, "Makes a team.").makes(),
        show: Route::get("/admin/teams/{id}", Reach::Team, "Shows a team."),
        change: Route::patch(
            "/admin/teams/{id}",
            Reach::All,
            "Changes a team. What is not said stays; `null` is none.",
        ),
        delete: Route::delete(
            "/admin/teams/{id}",
            Reach::All,
            "Deletes a team. Not while keys belong to it, unless told to delete them too.",
        ),
    };
    const KEYS: Option<&'static str> = Some("team_id");
    type View = TeamView;
    type New = NewTeam;
    type Change = TeamChange;
    type Query = TeamQuery;

    fn make(new: NewTeam) -> Result<Self, Refusal> {
        let mut team = Team::new(&new_id("team", new.id)?);
        team.change(new.rest)?;
        Ok(team)
    }

    fn change(&mut self, change: TeamChange) -> Result<(), Refusal> {
        change.alias.apply(&mut self.alias);
        change.organization_id.apply(&mut self.organization_id);
        self.blocked = change.blocked.unwrap_or(self.blocked);
        change.terms.apply(&mut self.terms);
        Ok(())
    }

    fn filter(query: &TeamQuery, mut list: List) -> List {
        if let Some(part) = &query.alias {
            list = list.contains("alias", part);
        }
        if let Some(organization) = &query.organization_id {
            list = list.equals("organization_id", organization);
        }
        match query.blocked {
            Some(blocked) => list.equals("blocked", blocked),
            None => list,
        }
    }

    fn is_seen_by(&self, caller: &Caller) -> bool {
        caller.sees_all() || caller.team() == Some(&self.id)
    }

    fn of_caller(list: List, caller: &Caller) -> List {
        match &caller.scope {
            Scope::All { .. } => list,
            _ => list.equals("id", caller.team().unwrap_or_default()),
        }
    }
}
