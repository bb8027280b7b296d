//! `/team/model/*` and `/team/permissions_*`: single terms of a team.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, object, rows, teams::seen};
use crate::{
    admin::{
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::teams::Team,
};

/// LiteLLM's word for all models.
const ALL_MODELS: &str = "all-proxy-models";
/// Where LiteLLM's clients say what members may do. It is kept, and shown.
const PERMISSIONS: &str = "team_member_permissions";
/// What LiteLLM has members do unless told otherwise.
const USUAL: [&str; 2] = ["/key/info", "/key/health"];
/// What its clients may name.
const AVAILABLE: [&str; 14] = [
    "/key/generate",
    "/key/update",
    "/key/delete",
    "/key/regenerate",
    "/key/service-account/generate",
    "/key/{key_id}/regenerate",
    "/key/block",
    "/key/unblock",
    "/key/bulk_update",
    "/key/{key_id}/reset_spend",
    "/key/info",
    "/key/health",
    "/key/list",
    "/key/aliases",
];

/// Models of a team.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct TeamModels {
    team_id: String,
    models: Vec<String>,
}

async fn change(
    call: &Call,
    id: &str,
    change: impl FnOnce(&mut Team) + Send,
) -> Result<Object, Refusal> {
    let store = call.store()?;
    let changed = store.update::<Team>(id, call.by(), |team| {
        change(team);
        Ok(())
    });
    let team = changed.await?;
    Ok(rows::team(&team, &store.members(id).await?))
}

/// Lets a team use models.
pub(in crate::admin) struct AddModels;

impl Operation for AddModels {
    const ROUTE: Route = Route::post(
        "/team/model/add",
        Reach::All,
        "Lets a team use models beside those that it may use. A team without a list may use all, and still may.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = TeamModels;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: TeamModels) -> Result<Object, Refusal> {
        let add = |team: &mut Team| {
            let models = &mut team.terms.models;
            if models.is_empty() {
                models.push(ALL_MODELS.to_owned());
            }
            for model in body.models {
                if !models.contains(&model) {
                    models.push(model);
                }
            }
        };
        change(&call, &body.team_id, add).await
    }
}

/// Takes models from a team.
pub(in crate::admin) struct DeleteModels;

impl Operation for DeleteModels {
    const ROUTE: Route = Route::post(
        "/team/model/delete",
        Reach::All,
        "Takes models from a team's list. Not the last: a team without a list may use all.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = TeamModels;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: TeamModels) -> Result<Object, Refusal> {
        let team: Team = call.store()?.get(&body.team_id).await?;
        let is_left = |model: &String| !body.models.contains(model);
        if !team.terms.models.is_empty() && !team.terms.models.iter().any(is_left) {
            let message = "A team without models may use all of them; block the team, or name one that it may use.";
            return Err(Refusal::invalid(Some("models"), message));
        }
        let is_taken = |model: &String| body.models.contains(model);
        let take = |team: &mut Team| {
            let models = &mut team.terms.models;
            if !models.iter().all(is_taken) {
                models.retain(|model| !is_taken(model));
            }
        };
        change(&call, &body.team_id, take).await
    }
}

/// Which team.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct TeamQuery {
    team_id: Option<String>,
}

/// Shows what members of a team may do.
pub(in crate::admin) struct ListPermissions;

impl Operation for ListPermissions {
    const ROUTE: Route = Route::get(
        "/team/permissions_list",
        Reach::Team,
        "What LiteLLM's clients have said that members may do. Here a member's role says it, and what a key is \
         granted.",
    )
    .of_litellm();
    type Query = TeamQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: TeamQuery, _: Anything) -> Result<Object, Refusal> {
        let id = query.team_id.as_deref().or(call.caller.team());
        let id = id.ok_or_else(|| Refusal::invalid(Some("team_id"), "`team_id` is needed."))?;
        let team = seen(&call, &*call.store()?, id).await?;
        let said = team
            .terms
            .kept
            .get(PERMISSIONS)
            .filter(|said| said.is_array());
        Ok(object(json!({
            "team_id": team.id, "team_member_permissions": said.unwrap_or(&json!(USUAL)),
            "all_available_permissions": AVAILABLE,
        })))
    }
}

/// What members may do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Permissions {
    team_id: String,
    team_member_permissions: Vec<String>,
}

/// Keeps what members of a team may do.
pub(in crate::admin) struct UpdatePermissions;

impl Operation for UpdatePermissions {
    const ROUTE: Route = Route::post(
        "/team/permissions_update",
        Reach::All,
        "Keeps what LiteLLM's clients say that members may do, and shows it again; it permits nothing here.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Permissions;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Permissions) -> Result<Object, Refusal> {
        let said: Value = json!(body.team_member_permissions);
        let keep = |team: &mut Team| drop(team.terms.kept.insert(PERMISSIONS.to_owned(), said));
        change(&call, &body.team_id, keep).await
    }
}
