//! LiteLLM's routes that mean nothing here, each with what to use instead: their clients hear why.

use axum::http::StatusCode;

use crate::{admin::refusal::Refusal, pattern};

/// Paths, and why they are not answered.
const ABSENT: [(&str, &str); 20] = [
    ("/team/*/callback*", CALLBACKS),
    ("/team/*/disable_logging", CALLBACKS),
    ("/active/callbacks", CALLBACKS),
    ("/callbacks/*", CALLBACKS),
    ("/settings", CONFIGURATION),
    ("/config/*", CONFIGURATION),
    ("/get/*", CONFIGURATION),
    ("/update/*", CONFIGURATION),
    ("/router/*", CONFIGURATION),
    ("/fallback*", CONFIGURATION),
    (
        "/organization/*",
        "an organization is a name that keys and teams have: `organization_id`",
    ),
    (
        "/customer/*",
        "customers are told apart by the requests' `user`: see `/global/spend/end_users`",
    ),
    (
        "/end_user/*",
        "customers are told apart by the requests' `user`: see `/global/spend/end_users`",
    ),
    (
        "/tag/*",
        "tags are whatever requests and keys name: see `/global/spend/tags`",
    ),
    ("/cache/*", "see `/admin/cache` and `/admin/cache/purge`"),
    ("/health/license", "there are no licences to check"),
    (
        "/health/history",
        "no history of checks is kept: `/health/latest` has the last ones, `/metrics` all over time",
    ),
    (
        "/health/shared-status",
        "replicas share their state without locks: see `/metrics`",
    ),
    (
        "/sso/*",
        "there is no log-in by a browser: keys are all that there is",
    ),
    (
        "/invitation/*",
        "there is no log-in by a browser: keys are all that there is",
    ),
];
const CALLBACKS: &str =
    "there are no callbacks: the log of requests is in the store, see `/spend/logs` and `/metrics`";
const CONFIGURATION: &str =
    "the configuration is a file: see `gateway config show` and `gateway reload`";

/// What is said of a route of LiteLLM's that is not answered.
pub(in crate::admin) fn why(path: &str) -> Option<Refusal> {
    let found = ABSENT.iter().find(|(glob, _)| pattern::matches(glob, path));
    found.map(|(_, why)| {
        let message = format!("LiteLLM's route means nothing here: {why}.");
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_here", message)
    })
}
