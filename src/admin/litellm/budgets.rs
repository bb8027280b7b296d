//! `/budget/*`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Object, fields::Common, named, object, rows};
use crate::{
    admin::{
        entity::new_id,
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{List, StoreError, budgets::Budget},
};

/// How many a list holds.
const MAX_LISTED: i64 = 1000;

/// What is said of a budget.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct BudgetBody {
    budget_id: Option<String>,
    #[serde(flatten)]
    common: Common,
}

/// Makes a budget.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/budget/new",
        Reach::All,
        "Makes a budget, by LiteLLM's fields.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = BudgetBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: BudgetBody) -> Result<Object, Refusal> {
        let mut budget = Budget::new(&new_id("budget", body.budget_id)?);
        body.common.apply(&mut budget.terms)?;
        let budget = call.store()?.create(budget, call.by()).await?;
        Ok(rows::budget(&budget))
    }
}

/// Which budgets.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Named {
    budgets: Vec<String>,
}

/// Shows budgets.
pub(in crate::admin) struct Info;

impl Operation for Info {
    const ROUTE: Route = Route::post("/budget/info", Reach::All, "Shows budgets.")
        .reads()
        .of_litellm();
    type Query = Anything;
    type Body = Named;
    type Answer = Vec<Object>;

    async fn run(call: Call, _: Anything, body: Named) -> Result<Vec<Object>, Refusal> {
        let list = List::default().any_of("id", named("budgets", body.budgets)?);
        let budgets = call.store()?.list::<Budget>(&list).await?;
        Ok(budgets.iter().map(rows::budget).collect())
    }
}

/// Lists budgets.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/budget/list",
        Reach::All,
        "Lists budgets, the newest thousand.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Vec<Object>, Refusal> {
        let list = List::default().page(MAX_LISTED, 0);
        let budgets = call.store()?.list::<Budget>(&list).await?;
        Ok(budgets.iter().map(rows::budget).collect())
    }
}

/// Which budget.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct SettingsQuery {
    budget_id: Option<String>,
}

/// What may be said of a budget: LiteLLM's name for it, of which type it is, and what it means.
const SETTINGS: [(&str, &str, &str); 7] = [
    (
        "max_parallel_requests",
        "Integer",
        "Requests that may be under way at once.",
    ),
    ("tpm_limit", "Integer", "Tokens a minute."),
    ("rpm_limit", "Integer", "Requests a minute."),
    (
        "budget_duration",
        "String",
        "After how long it begins anew: `30s`, `12h`, `30d`, `1mo`.",
    ),
    ("max_budget", "Float", "Dollars that may be spent."),
    (
        "soft_budget",
        "Float",
        "Dollars after which it is said that much has been spent.",
    ),
    (
        "model_max_budget",
        "Object",
        "Dollars that may be spent for each model.",
    ),
];

/// Shows what may be said of a budget, and what is.
pub(in crate::admin) struct Settings;

impl Operation for Settings {
    const ROUTE: Route = Route::get(
        "/budget/settings",
        Reach::All,
        "What may be said of a budget, and what is said of this one.",
    )
    .of_litellm();
    type Query = SettingsQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: SettingsQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let Some(id) = &query.budget_id else {
            return Err(Refusal::invalid(
                Some("budget_id"),
                "`budget_id` is needed.",
            ));
        };
        let row = rows::budget(&call.store()?.get::<Budget>(id).await?);
        let setting = |(name, kind, what): &(&str, &str, &str)| {
            object(json!({
                "field_name": name, "field_type": kind, "field_description": what,
                "field_value": row.get(*name), "stored_in_db": true, "field_default_value": null,
            }))
        };
        Ok(SETTINGS.iter().map(setting).collect())
    }
}

/// Changes a budget.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/budget/update",
        Reach::All,
        "Changes a budget, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = BudgetBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: BudgetBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let Some(id) = body.budget_id else {
            return Err(Refusal::invalid(
                Some("budget_id"),
                "`budget_id` is needed.",
            ));
        };
        let said = body.common;
        // Looked at before: the store's transaction asks nobody.
        said.clone()
            .apply(&mut store.get::<Budget>(&id).await?.terms)?;
        let changed = store.update::<Budget>(&id, call.by(), |budget| {
            let refused = |refusal: Refusal| StoreError::invalid("budget", refusal.message);
            said.apply(&mut budget.terms).map_err(refused)
        });
        Ok(rows::budget(&changed.await?))
    }
}

/// Which budget.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct One {
    id: String,
}

/// Deletes a budget.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post(
        "/budget/delete",
        Reach::All,
        "Deletes a budget. Not while keys name it: they would be free of its limits.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        let store = call.store()?;
        let deleted = store.delete_owner::<Budget>(&body.id, "budget_id", false);
        Ok(rows::budget(&deleted.await?.0))
    }
}
