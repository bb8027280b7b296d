//! `/admin/budgets`: limits and budgets that several keys share by naming them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    entity::{Entity, Routes, new_id},
    input::Patch,
    list::Paging,
    operation::{Reach, Route},
    refusal::Refusal,
    terms::{SpendView, StampsView},
};
use crate::{
    identity::terms,
    store::{List, budgets::Budget},
};

/// What is shown of a budget.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BudgetView {
    /// What tells it from others.
    pub id: String,
    /// How much may be asked for in a time, by all who name it together.
    pub limits: terms::Limits,
    /// How much may be spent by them together.
    pub budget: terms::Budget,
    /// What has been spent.
    #[serde(flatten)]
    pub spend: SpendView,
    /// Who made it.
    #[serde(flatten)]
    pub stamps: StampsView,
}

impl From<Budget> for BudgetView {
    fn from(budget: Budget) -> Self {
        BudgetView {
            spend: (&budget.stamps).into(),
            id: budget.id,
            limits: budget.terms.limits,
            budget: budget.terms.budget,
            stamps: budget.stamps.into(),
        }
    }
}

/// What is said of a budget. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BudgetChange {
    /// How much may be asked for in a time, by all who name it together. Replaced as a whole.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub limits: Patch<terms::Limits>,
    /// How much may be spent by them together. Replaced as a whole.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub budget: Patch<terms::Budget>,
}

/// A new budget.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NewBudget {
    /// What tells it from others; made up unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: BudgetChange,
}

/// Which budgets are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
}

impl Paging for BudgetQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

impl Entity for Budget {
    const ROUTES: Routes = Routes {
        list: Route::get("/admin/budgets", Reach::All, "Lists budgets."),
        make: Route::post("/admin/budgets", Reach::All, "Makes a budget.").makes(),
        show: Route::get("/admin/budgets/{id}", Reach::All, "Shows a budget."),
        change: Route::patch(
            "/admin/budgets/{id}",
            Reach::All,
            "Changes a budget. What is not said stays; `null` is none.",
        ),
        delete: Route::delete(
            "/admin/budgets/{id}",
            Reach::All,
            "Deletes a budget. Not while keys belong to it, unless told to delete them too.",
        ),
    };
    const KEYS: Option<&'static str> = Some("budget_id");
    type View = BudgetView;
    type New = NewBudget;
    type Change = BudgetChange;
    type Query = BudgetQuery;

    fn make(new: NewBudget) -> Result<Self, Refusal> {
        let mut budget = Budget::new(&new_id("budget", new.id)?);
        budget.change(new.rest)?;
        Ok(budget)
    }

    fn change(&mut self, change: BudgetChange) -> Result<(), Refusal> {
        change.limits.apply_or_default(&mut self.terms.limits);
        change.budget.apply_or_default(&mut self.terms.budget);
        Ok(())
    }

    fn filter(_: &BudgetQuery, list: List) -> List {
        list
    }
}
