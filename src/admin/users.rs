//! `/admin/users`: people, what they may do on the admin interface, and the terms that all their keys are
//! under.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    entity::{Entity, Routes, new_id},
    input::Patch,
    list::Paging,
    operation::{Reach, Route},
    refusal::Refusal,
    terms::{SpendView, StampsView, TermsChange, TermsView},
};
use crate::store::{List, users::User};

/// What is shown of a user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UserView {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// Where mail reaches it.
    pub email: Option<String>,
    /// What it may do on the admin interface: `proxy_admin`, `proxy_admin_viewer`, `internal_user` or
    /// `internal_user_viewer`.
    pub role: String,
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

impl From<User> for UserView {
    fn from(user: User) -> Self {
        UserView {
            spend: (&user.stamps).into(),
            id: user.id,
            alias: user.alias,
            email: user.email,
            role: user.role,
            blocked: user.blocked,
            terms: user.terms.into(),
            stamps: user.stamps.into(),
        }
    }
}

/// What is said of a user. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UserChange {
    /// What people call it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub alias: Patch<String>,
    /// Where mail reaches it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub email: Patch<String>,
    /// What it may do on the admin interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether its keys may not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Under which terms its keys may be used.
    #[serde(flatten)]
    pub terms: TermsChange,
}

/// A new user.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NewUser {
    /// What tells it from others; made up unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: UserChange,
}

/// Which users are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those with these letters in their address.
    pub email: Option<String>,
    /// Those of that role.
    pub role: Option<String>,
    /// Those that are blocked, or are not.
    pub blocked: Option<bool>,
}

impl Paging for UserQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

impl Entity for User {
    const ROUTES: Routes = Routes {
        list: Route::get("/admin/users", Reach::All, "Lists users."),
        make: Route::post("/admin/users", Reach::All, "Makes a user.").makes(),
        show: Route::get("/admin/users/{id}", Reach::All, "Shows a user."),
        change: Route::patch(
            "/admin/users/{id}",
            Reach::All,
            "Changes a user. What is not said stays; `null` is none.",
        ),
        delete: Route::delete(
            "/admin/users/{id}",
            Reach::All,
            "Deletes a user. Not while keys belong to it, unless told to delete them too.",
        ),
    };
    const KEYS: Option<&'static str> = Some("user_id");
    type View = UserView;
    type New = NewUser;
    type Change = UserChange;
    type Query = UserQuery;

    fn make(new: NewUser) -> Result<Self, Refusal> {
        let mut user = User::new(&new_id("user", new.id)?);
        user.change(new.rest)?;
        Ok(user)
    }

    fn change(&mut self, change: UserChange) -> Result<(), Refusal> {
        change.alias.apply(&mut self.alias);
        change.email.apply(&mut self.email);
        if let Some(role) = change.role {
            self.role = role;
        }
        self.blocked = change.blocked.unwrap_or(self.blocked);
        change.terms.apply(&mut self.terms);
        Ok(())
    }

    fn filter(query: &UserQuery, mut list: List) -> List {
        if let Some(part) = &query.email {
            list = list.contains("email", part);
        }
        if let Some(role) = &query.role {
            list = list.equals("role", role);
        }
        match query.blocked {
            Some(blocked) => list.equals("blocked", blocked),
            None => list,
        }
    }
}
