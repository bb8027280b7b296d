//! What is shown of a key, and what may be said of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    access::Grant,
    input::{Patch, Time},
    list::{Order, Paging},
    refusal::Refusal,
    terms::{SpendView, StampsView, TermsChange, TermsView},
};
use crate::{
    identity::period::Period,
    secret::Secret,
    store::{keys::Key, now},
};

/// What is shown of a key. Its text is not known.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// What tells it from others, and stays when it is rotated.
    pub id: String,
    /// What people call it.
    pub label: Option<String>,
    /// What may be shown of its text: `gw_…a1B2`.
    pub masked: String,
    /// SHA-256 of its text, in hexadecimal digits.
    pub hash: String,
    /// `active`, `blocked`, `expired` or `revoked`.
    pub state: String,
    /// The team that it belongs to.
    pub team_id: Option<String>,
    /// The user that it belongs to.
    pub user_id: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The organization that it belongs to.
    pub organization_id: Option<String>,
    /// Terms that it shares with other keys.
    pub budget_id: Option<String>,
    /// What it may do on the admin interface.
    pub admin: Option<Grant>,
    /// Whether it may not be used for now.
    pub blocked: bool,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// When it was rotated last.
    pub rotated_at: Option<Time>,
    /// How often it was rotated.
    pub rotation_count: i64,
    /// Under which terms it may be used.
    #[serde(flatten)]
    pub terms: TermsView,
    /// What it has spent.
    #[serde(flatten)]
    pub spend: SpendView,
    /// Who made it.
    #[serde(flatten)]
    pub stamps: StampsView,
}

impl From<Key> for KeyView {
    fn from(key: Key) -> Self {
        KeyView {
            hash: key.token(),
            state: key.state().name().to_owned(),
            admin: Grant::of(&key.terms),
            spend: (&key.stamps).into(),
            id: key.id,
            label: key.label,
            masked: key.masked,
            team_id: key.team_id,
            user_id: key.user_id,
            project_id: key.project_id,
            organization_id: key.organization_id,
            budget_id: key.budget_id,
            blocked: key.blocked,
            expires_at: key.expires_at.map(Time),
            revoked_at: key.revoked_at.map(Time),
            rotated_at: key.rotated_at.map(Time),
            rotation_count: key.rotation_count,
            terms: key.terms.into(),
            stamps: key.stamps.into(),
        }
    }
}

/// A key that has been made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedKey {
    /// Its text. It is in this answer and nowhere else.
    pub key: String,
    /// What is shown of it from now on.
    #[serde(flatten)]
    pub record: KeyView,
}

/// What is said of a key: of a new one, or of a change. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KeyChange {
    /// What people call it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub label: Patch<String>,
    /// The team that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub team_id: Patch<String>,
    /// The user that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub user_id: Patch<String>,
    /// The project that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub project_id: Patch<String>,
    /// The organization that it belongs to.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub organization_id: Patch<String>,
    /// Terms that it shares with other keys.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub budget_id: Patch<String>,
    /// What it may do on the admin interface.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub admin: Patch<Grant>,
    /// Whether it may not be used for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// When it ends.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub expires_at: Patch<Time>,
    /// After how long it ends, counted from now.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub expires_in: Patch<Period>,
    /// Under which terms it may be used.
    #[serde(flatten)]
    pub terms: TermsChange,
}

impl KeyChange {
    /// Carries it out.
    ///
    /// # Errors
    /// 400 where it ends in two ways.
    pub(in crate::admin) fn apply(self, key: &mut Key) -> Result<(), Refusal> {
        self.label.apply(&mut key.label);
        self.team_id.apply(&mut key.team_id);
        self.user_id.apply(&mut key.user_id);
        self.project_id.apply(&mut key.project_id);
        self.organization_id.apply(&mut key.organization_id);
        self.budget_id.apply(&mut key.budget_id);
        match self.admin {
            Patch::Absent => {}
            Patch::Empty => Grant::put(None, &mut key.terms),
            Patch::Is(grant) => Grant::put(Some(grant), &mut key.terms),
        }
        if let Some(blocked) = self.blocked {
            key.blocked = blocked;
        }
        if !self.expires_at.is_absent() && !self.expires_in.is_absent() {
            let message = "Say one of `expires_at` and `expires_in`, not both.";
            return Err(Refusal::invalid(Some("expires_in"), message));
        }
        self.expires_at
            .map(|time| time.0)
            .apply(&mut key.expires_at);
        let until = |period: Period| period.end(now());
        self.expires_in.map(until).apply(&mut key.expires_at);
        self.terms.apply(&mut key.terms);
        Ok(())
    }
}

/// A new key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NewKey {
    /// Its text, where it is to be a certain one: 8 to 512 visible characters of ASCII.
    pub key: Option<Secret>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: KeyChange,
}

/// How a key gets another text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rotation {
    /// How long the text of before is taken as well; not at all unless said.
    pub grace: Option<Period>,
    /// The new text, where it is to be a certain one.
    pub key: Option<Secret>,
}

/// Several keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Several {
    /// Their ids, hashes or labels; 1000 at most.
    pub keys: Vec<String>,
}

/// What several keys were.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Each of them, in the order of their ids.
    pub data: Vec<KeyView>,
}

/// By what keys are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// What people call them.
    Label,
    /// What has been spent in their budgets' periods.
    Spend,
    /// When they were used last.
    LastUsedAt,
    /// When they end.
    ExpiresAt,
}

/// Which keys are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those of that team.
    pub team_id: Option<String>,
    /// Those of that user.
    pub user_id: Option<String>,
    /// Those of that project.
    pub project_id: Option<String>,
    /// Those that share that budget.
    pub budget_id: Option<String>,
    /// Those with these letters in what people call them.
    pub label: Option<String>,
    /// Those that are blocked, or are not.
    pub blocked: Option<bool>,
    /// Those that were revoked, or were not.
    pub revoked: Option<bool>,
    /// In which order.
    pub sort: KeySort,
    /// Which end first.
    pub order: Order,
}

impl Paging for KeyQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }

    fn order(&self) -> (&'static str, bool) {
        let column = match self.sort {
            KeySort::CreatedAt => "created_at",
            KeySort::Label => "label",
            KeySort::Spend => "spend",
            KeySort::LastUsedAt => "last_used_at",
            KeySort::ExpiresAt => "expires_at",
        };
        (column, self.order == Order::Desc)
    }
}
