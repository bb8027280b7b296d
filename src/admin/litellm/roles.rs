//! `/user/available_*`: which roles users may have, and how many users there may be.

use serde_json::json;

use super::{Object, object};
use crate::{
    admin::{
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{List, teams::Team, users::User},
};

/// Lists roles.
pub(in crate::admin) struct Available;

impl Operation for Available {
    const ROUTE: Route = Route::get(
        "/user/available_roles",
        Reach::Anyone,
        "The roles that users may have, and what they let their keys do.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(_: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let role =
            |label: &str, description: &str| json!({"ui_label": label, "description": description});
        Ok(object(json!({
            "proxy_admin": role("Admin", "Its keys of no team see and change everything."),
            "proxy_admin_viewer": role("Viewer", "Its keys of no team see everything."),
            "internal_user": role("User", "Its keys see what is its own."),
            "internal_user_viewer": role("User (looks on)", "Its keys see what is its own."),
        })))
    }
}

/// Answers how many users there may be.
pub(in crate::admin) struct Seats;

impl Operation for Seats {
    const ROUTE: Route = Route::get(
        "/user/available_users",
        Reach::All,
        "How many users and teams there are. There may be as many as one likes.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let (store, all) = (call.store()?, List::default());
        let (users, teams) = (
            store.count::<User>(&all).await?,
            store.count::<Team>(&all).await?,
        );
        Ok(object(json!({
            "total_users": null, "total_users_used": users, "total_users_remaining": null,
            "total_teams": null, "total_teams_used": teams, "total_teams_remaining": null,
        })))
    }
}
