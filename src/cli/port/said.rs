//! What was answered, in words for whoever typed the command.

use http::StatusCode;
use serde_json::Value;

use crate::cli::failure::{Failure, Kind};

/// Reads an answer to `path`, which `who` gave.
///
/// # Errors
/// What was refused, why, and what to do.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    path: &str,
    who: &str,
) -> Result<Value, Failure> {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let Some(said) = said else {
        let message = format!("whoever answers at {who} is no gateway's admin port ({status})");
        return Err(message.into());
    };
    if status.is_success() {
        return Ok(said);
    }
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let code = text("/error/code").unwrap_or_default();
    let Some(message) = text("/error/message") else {
        let message = format!("whoever answers at {who} is no gateway's admin port ({status})");
        return Err(message.into());
    };
    Err(failure(code, message, path, who))
}

fn failure(code: &str, message: &str, path: &str, who: &str) -> Failure {
    let (kind, next) = match code {
        "not_found" => (Kind::NotFound, list_of(path)),
        "store_away" | "gateway_starting" => (Kind::Unreachable, None),
        "missing_key" => (
            Kind::Failed,
            Some("Set GATEWAY_MASTER_KEY to that gateway's master key.".to_owned()),
        ),
        "invalid_key" => (
            Kind::Failed,
            Some(format!(
                "It is GATEWAY_MASTER_KEY (or auth.master_key of the configuration) that was sent to {who}."
            )),
        ),
        "unknown_route" | "wrong_method" => (
            Kind::Failed,
            Some(format!(
                "The gateway at {who} is of another version than this program."
            )),
        ),
        _ => (Kind::Failed, None),
    };
    // The interface's name for it, and the command line's.
    let message = message.replace("`?with_keys=true`", "--with-keys");
    Failure::new(
        kind,
        next.map_or_else(|| message.clone(), |next| format!("{message} {next}")),
    )
}

/// Which command lists what was not found.
fn list_of(path: &str) -> Option<String> {
    let kind = path.split(['/', '?']).nth(2)?;
    let what = match kind {
        "keys" | "key-revocations" | "key-deletions" => "key",
        "teams" => "team",
        "projects" => "project",
        "users" => "user",
        "budgets" => "budget",
        "providers" | "credentials" => "provider",
        _ => return None,
    };
    Some(format!("`gateway {what} list` shows those there are."))
}
