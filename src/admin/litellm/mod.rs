//! LiteLLM's management routes, in LiteLLM's shapes, from the same store. What one of its clients says that
//! means nothing here is kept and shown again, or let pass.
//!
//! Shapes: BerriAI/litellm `litellm/proxy/_types.py`, `management_endpoints/*.py`,
//! `spend_tracking/spend_management_endpoints.py`.

pub(super) mod absent;
pub(super) mod activity;
pub(super) mod budgets;
pub(super) mod bulk;
pub(super) mod checks;
pub(super) mod credentials;
pub(super) mod daily;
mod fields;
pub(super) mod global;
pub(super) mod health;
pub(super) mod key_list;
pub(super) mod key_pages;
pub(super) mod keys;
pub(super) mod logs;
pub(super) mod members;
pub(super) mod models;
pub(super) mod roles;
mod rows;
pub(super) mod spend;
pub(super) mod team_pages;
pub(super) mod team_terms;
pub(super) mod teams;
pub(super) mod users;

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// An object of LiteLLM's, whose members depend on what is known.
pub(super) type Object = Map<String, Value>;

/// The members of a value that is an object.
fn object(value: Value) -> Object {
    match value {
        Value::Object(members) => members,
        _ => Object::new(),
    }
}

/// How many may be named at once.
const MAX_NAMED: usize = 1000;

/// What a body names, at least one and not too many.
///
/// # Errors
/// 400.
fn named<T>(field: &'static str, list: Vec<T>) -> Result<Vec<T>, Refusal> {
    match list.len() {
        1..=MAX_NAMED => Ok(list),
        _ => {
            let message = format!("`{field}` names at least one, and at most {MAX_NAMED}.");
            Err(Refusal::invalid(Some(field), message))
        }
    }
}
