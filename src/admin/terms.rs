//! What may be said of terms, and what is shown of them and of who made a record: the same for keys, teams,
//! users, projects and budgets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input::{Patch, Time};
use crate::{
    identity::{
        Terms,
        terms::{Budget, Limits},
    },
    price::Usd,
    store::Stamps,
};

/// What is said of terms. What is not said stays; `null` is no restriction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TermsChange {
    /// The models that may be used, as globs.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub models: Patch<Vec<String>>,
    /// Other names for models.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub aliases: Patch<BTreeMap<String, String>>,
    /// The routes that may be used: globs over paths, or `llm_api_routes`, `info_routes`,
    /// `management_routes`.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub routes: Patch<Vec<String>>,
    /// How much may be asked for in a time. Replaced as a whole.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub limits: Patch<Limits>,
    /// How much may be spent. Replaced as a whole.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub budget: Patch<Budget>,
    /// Tags of every request.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub tags: Patch<Vec<String>>,
    /// Whatever you want to know.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub metadata: Patch<Map<String, Value>>,
}

impl TermsChange {
    /// Carries it out.
    pub fn apply(self, terms: &mut Terms) {
        self.models.apply_or_default(&mut terms.models);
        self.aliases.apply_or_default(&mut terms.aliases);
        self.routes.apply_or_default(&mut terms.routes);
        self.limits.apply_or_default(&mut terms.limits);
        self.budget.apply_or_default(&mut terms.budget);
        self.tags.apply_or_default(&mut terms.tags);
        self.metadata.apply_or_default(&mut terms.metadata);
    }

    /// Terms of which nothing else is said.
    pub fn fresh(self) -> Terms {
        let mut terms = Terms::default();
        self.apply(&mut terms);
        terms
    }
}

/// What is shown of terms.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TermsView {
    /// The models that may be used, as globs. Empty means all.
    pub models: Vec<String>,
    /// Other names for models.
    pub aliases: BTreeMap<String, String>,
    /// The routes that may be used. Empty means all.
    pub routes: Vec<String>,
    /// How much may be asked for in a time.
    pub limits: Limits,
    /// How much may be spent.
    pub budget: Budget,
    /// Tags of every request.
    pub tags: Vec<String>,
    /// Whatever was said of it.
    pub metadata: Map<String, Value>,
}

impl From<Terms> for TermsView {
    fn from(terms: Terms) -> Self {
        TermsView {
            models: terms.models,
            aliases: terms.aliases,
            routes: terms.routes,
            limits: terms.limits,
            budget: terms.budget,
            tags: terms.tags,
            metadata: terms.metadata,
        }
    }
}

/// What has been spent on a record's behalf.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SpendView {
    /// What has been spent in its budget's period, in USD.
    pub spend: Usd,
    /// What has ever been spent, in USD.
    pub total_spend: Usd,
    /// When it was used last.
    pub last_used_at: Option<Time>,
}

impl From<&Stamps> for SpendView {
    fn from(stamps: &Stamps) -> Self {
        SpendView {
            spend: stamps.spend,
            total_spend: stamps.total_spend,
            last_used_at: stamps.last_used_at.map(Time),
        }
    }
}

/// Who made a record, and when.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StampsView {
    /// Who made it.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// Who changed it last.
    pub updated_by: Option<String>,
    /// When it was changed last.
    pub updated_at: Time,
    /// Why parts of it cannot be read: it is damaged, or of a later version. Until then nobody may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl From<Stamps> for StampsView {
    fn from(stamps: Stamps) -> Self {
        StampsView {
            created_by: stamps.created_by,
            created_at: Time(stamps.created_at),
            updated_by: stamps.updated_by,
            updated_at: Time(stamps.updated_at),
            unreadable: stamps.unreadable,
        }
    }
}
