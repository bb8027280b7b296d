//! How the admin interface says no: what is wrong, in words that say what to do, in the shape that the
//! route's clients read.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use log::Level;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{error::GatewayError, store::StoreError, telemetry::logging::write_event};

/// Whose clients a route has: they read errors in different shapes, and take unknown fields differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Ours. Unknown fields are refused.
    Own,
    /// LiteLLM's. Unknown fields are let pass.
    LiteLlm,
}

/// Fields that our own interface calls otherwise than LiteLLM's.
const OWN_NAMES: [(&str, &str); 8] = [
    ("allowed_routes", "routes"),
    ("key_alias", "label"),
    ("model_name", "name"),
    ("project_alias", "alias"),
    ("team_alias", "alias"),
    ("user_alias", "alias"),
    ("user_email", "email"),
    ("user_role", "role"),
];

/// An answer of no.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// The status.
    pub(super) status: StatusCode,
    /// A stable word for programs.
    pub(super) code: &'static str,
    /// What is wrong and what to do.
    pub(super) message: String,
    /// The field that is wrong.
    pub(super) param: Option<String>,
    /// After how many seconds it is worth another try.
    pub(super) retry_after: Option<u64>,
}

/// An error of our own interface.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Error {
    error: Said,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Said {
    /// A stable word for programs.
    code: String,
    /// What is wrong and what to do.
    message: String,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

/// An error as LiteLLM's clients read it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LiteLlmError {
    error: LiteLlmSaid,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LiteLlmSaid {
    message: String,
    r#type: String,
    param: Option<String>,
    /// The status, as text.
    code: String,
}

impl Refusal {
    /// A refusal of that status.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status,
            code,
            message: message.into(),
            param: None,
            retry_after: None,
        }
    }

    /// Something in the request cannot be taken.
    pub(super) fn invalid(param: Option<&str>, message: impl Into<String>) -> Self {
        Refusal {
            param: param.map(str::to_owned),
            ..Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", message)
        }
    }

    /// The caller may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// There is no such thing, or none that the caller may see.
    pub(super) fn not_found(what: &'static str, reference: &str) -> Self {
        StoreError::not_found(what, reference).into()
    }

    /// The store's names for fields are LiteLLM's.
    fn in_own_words(mut self) -> Self {
        let own = |name: &str| OWN_NAMES.iter().find(|(theirs, _)| *theirs == name);
        if let Some((theirs, own)) = self.param.as_deref().and_then(own) {
            self.message = self
                .message
                .replace(&format!("`{theirs}`"), &format!("`{own}`"));
            self.param = Some((*own).to_owned());
        }
        self
    }

    /// As an answer.
    pub(super) fn respond(self, shape: Shape) -> Response {
        let status = self.status;
        let retry_after = self.retry_after;
        let mut response = match shape {
            Shape::Own => {
                let refusal = self.in_own_words();
                let error = Said {
                    code: refusal.code.to_owned(),
                    message: refusal.message,
                    param: refusal.param,
                };
                (status, Json(Error { error })).into_response()
            }
            Shape::LiteLlm => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "auth_error",
                    StatusCode::NOT_FOUND => "not_found_error",
                    status if status.is_server_error() => "internal_server_error",
                    _ => "bad_request_error",
                };
                let error = LiteLlmSaid {
                    message: self.message,
                    r#type: kind.to_owned(),
                    param: self.param,
                    code: status.as_str().to_owned(),
                };
                (status, Json(LiteLlmError { error })).into_response()
            }
        };
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let said = sentence(&error.to_string());
        match error {
            StoreError::NotFound { .. } => Refusal::new(StatusCode::NOT_FOUND, "not_found", said),
            StoreError::Exists { .. } => Refusal::new(StatusCode::CONFLICT, "exists", said),
            StoreError::Ambiguous { .. } => Refusal::new(StatusCode::CONFLICT, "ambiguous", said),
            StoreError::Used { .. } => {
                let hint = "Delete them with it (`?with_keys=true`), revoke them, or have them belong to another.";
                Refusal::new(StatusCode::CONFLICT, "has_keys", format!("{said} {hint}"))
            }
            StoreError::Sealed { .. } => Refusal::new(StatusCode::CONFLICT, "sealed", said),
            StoreError::Invalid { field, why } => {
                Refusal::invalid(Some(field), sentence(&format!("`{field}` {why}")))
            }
            StoreError::Away(_) => away(),
            StoreError::Unable(why) => {
                write_event(Level::Error, "admin_store_error", &[("why", &why)]);
                away()
            }
            // What databases say is for the operator.
            other => {
                let why = other.to_string();
                write_event(Level::Error, "admin_store_error", &[("why", &why)]);
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                let message = "The store refuses this; the gateway's log says why.";
                Refusal::new(status, "store_error", message)
            }
        }
    }
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        let status = StatusCode::from_u16(error.status().as_u16());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        Refusal::new(status, error.code(), error.to_string())
    }
}

/// The store cannot be asked now.
pub(super) fn away() -> Refusal {
    Refusal {
        retry_after: Some(1),
        ..Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_away",
            "The store does not answer. Requests to models go on; try this again in a while, and look \
             for `store_away` in the gateway's log.",
        )
    }
}

/// A text that begins as a sentence does and ends as one.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let rest = letters.as_str();
    let end = if rest.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    first.map_or_else(String::new, |first| format!("{first}{rest}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_says_stays_in_the_log() {
        let refusal = Refusal::from(StoreError::Refused("relation `keys` …".to_owned()));
        assert_eq!(refusal.status, 500);
        assert!(!refusal.message.contains("relation"), "{refusal:?}");
        let refusal = Refusal::from(StoreError::Away("10.1.2.3 refuses".to_owned()));
        assert_eq!(
            (refusal.status.as_u16(), refusal.retry_after),
            (503, Some(1))
        );
        assert!(!refusal.message.contains("10.1.2.3"), "{refusal:?}");
    }

    #[test]
    fn a_wrong_field_is_named() {
        let refusal = Refusal::from(StoreError::invalid("team_id", "is empty"));
        assert_eq!(refusal.param.as_deref(), Some("team_id"));
        assert_eq!(refusal.message, "`team_id` is empty.");
    }
}
