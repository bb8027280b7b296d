//! `/admin/projects`: applications with limits, models, provider keys and headers of their own.

use std::collections::BTreeMap;

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
use crate::store::{List, projects::Project};

/// Headers that providers get, by provider; `*` is any.
pub type Headers = BTreeMap<String, BTreeMap<String, String>>;

/// What is shown of a project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProjectView {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// The team that it belongs to.
    pub team_id: Option<String>,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// The names of the headers that providers get, by provider. What they hold may be secret.
    pub headers: BTreeMap<String, Vec<String>>,
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

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        let names = |(provider, headers): (&String, &BTreeMap<String, String>)| {
            (provider.clone(), headers.keys().cloned().collect())
        };
        ProjectView {
            headers: project.terms.headers.iter().map(names).collect(),
            spend: (&project.stamps).into(),
            id: project.id,
            alias: project.alias,
            team_id: project.team_id,
            blocked: project.blocked,
            terms: project.terms.into(),
            stamps: project.stamps.into(),
        }
    }
}

/// What is said of a project. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProjectChange {
    /// What people call it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub alias: Patch<String>,
    /// The team that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub team_id: Patch<String>,
    /// Whether its keys may not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Headers that providers get with its requests, by provider; `*` is any. They are not sealed: what is
    /// secret belongs into a credential of the project.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub headers: Patch<Headers>,
    /// Headers to add or replace, one by one, by provider; an empty value takes one away. The others stay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set_headers: Headers,
    /// Under which terms its keys may be used.
    #[serde(flatten)]
    pub terms: TermsChange,
}

/// A new project.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NewProject {
    /// What tells it from others; made up unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: ProjectChange,
}

/// Which projects are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those with these letters in what people call them.
    pub alias: Option<String>,
    /// Those of that team.
    pub team_id: Option<String>,
    /// Those that are blocked, or are not.
    pub blocked: Option<bool>,
}

impl Paging for ProjectQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

impl Entity for Project {
    const ROUTES: Routes = Routes {
        list: Route::get("/admin/projects", Reach::Team, "Lists projects."),
        make: Route::post("/admin/projects", Reach::All, "Makes a project.").makes(),
        show: Route::get("/admin/projects/{id}", Reach::Team, "Shows a project."),
        change: Route::patch(
            "/admin/projects/{id}",
            Reach::All,
            "Changes a project. What is not said stays; `null` is none.",
        ),
        delete: Route::delete(
            "/admin/projects/{id}",
            Reach::All,
            "Deletes a project. Not while keys belong to it, unless told to delete them too.",
        ),
    };
    const KEYS: Option<&'static str> = Some("project_id");
    type View = ProjectView;
    type New = NewProject;
    type Change = ProjectChange;
    type Query = ProjectQuery;

    fn make(new: NewProject) -> Result<Self, Refusal> {
        let mut project = Project::new(&new_id("project", new.id)?);
        project.change(new.rest)?;
        Ok(project)
    }

    fn change(&mut self, change: ProjectChange) -> Result<(), Refusal> {
        change.alias.apply(&mut self.alias);
        change.team_id.apply(&mut self.team_id);
        self.blocked = change.blocked.unwrap_or(self.blocked);
        change.terms.apply(&mut self.terms);
        let headers = &mut self.terms.headers;
        change.headers.apply_or_default(headers);
        for (provider, said) in change.set_headers {
            let own = headers.entry(provider).or_default();
            for (name, value) in said {
                match value.is_empty() {
                    true => drop(own.remove(&name)),
                    false => drop(own.insert(name, value)),
                }
            }
        }
        headers.retain(|_, own| !own.is_empty());
        Ok(())
    }

    fn filter(query: &ProjectQuery, mut list: List) -> List {
        if let Some(part) = &query.alias {
            list = list.contains("alias", part);
        }
        if let Some(team) = &query.team_id {
            list = list.equals("team_id", team);
        }
        match query.blocked {
            Some(blocked) => list.equals("blocked", blocked),
            None => list,
        }
    }

    fn is_seen_by(&self, caller: &Caller) -> bool {
        caller.sees_all() || (caller.team().is_some() && caller.team() == self.team_id.as_deref())
    }

    fn of_caller(list: List, caller: &Caller) -> List {
        match &caller.scope {
            Scope::All { .. } => list,
            _ => list.equals("team_id", caller.team().unwrap_or_default()),
        }
    }
}
