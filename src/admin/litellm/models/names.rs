//! `/models`, `/v1/models`: names that clients may use, in OpenAI's shape, for clients that know one base URL.

use serde_json::{Value, json};

use super::{super::Object, info::may_use, object};
use crate::admin::{
    input::Anything,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};

/// LiteLLM's date for models whose own is not known; clients want a number there.
const MODEL_CREATED: u64 = 1_677_610_602;

fn row(name: &str, owner: &str) -> Value {
    json!({"id": name, "object": "model", "created": MODEL_CREATED, "owned_by": owner})
}

fn names(call: &Call) -> Object {
    let names = call.snapshot.router.models().into_iter();
    let rows: Vec<Value> = names
        .filter(|(name, _)| may_use(&call.caller, name))
        .map(|(name, owner)| row(&name, &owner))
        .collect();
    object(json!({"object": "list", "data": rows}))
}

fn name(call: &Call) -> Result<Object, Refusal> {
    let wanted = call.path("id");
    let mut names = call.snapshot.router.models().into_iter();
    names
        .find(|(name, _)| *name == wanted && may_use(&call.caller, name))
        .map(|(name, owner)| object(row(&name, &owner)))
        .ok_or_else(|| Refusal::not_found("model", wanted))
}

/// Lists names.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/models",
        Reach::Anyone,
        "The names that the key may use, in OpenAI's shape.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        Ok(names(&call))
    }
}

/// The same, where OpenAI has it.
pub(in crate::admin) struct ListAllV1;

impl Operation for ListAllV1 {
    const ROUTE: Route = Route::get(
        "/v1/models",
        Reach::Anyone,
        "The names that the key may use, in OpenAI's shape.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        Ok(names(&call))
    }
}

/// Shows a name.
pub(in crate::admin) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/models/{*id}",
        Reach::Anyone,
        "A name that the key may use, in OpenAI's shape; it may hold slashes.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        name(&call)
    }
}

/// The same, where OpenAI has it.
pub(in crate::admin) struct ShowV1;

impl Operation for ShowV1 {
    const ROUTE: Route = Route::get(
        "/v1/models/{*id}",
        Reach::Anyone,
        "A name that the key may use, in OpenAI's shape; it may hold slashes.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        name(&call)
    }
}
