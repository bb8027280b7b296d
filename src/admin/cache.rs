//! `GET /admin/cache`: what the cache holds and how it serves. `POST /admin/cache/purge`: drops answers.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::access::refuse;
use crate::{
    cache::{Selector, Stats},
    gateway::Gateway,
};

/// What is to be dropped: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// Everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// What the gateway key of this name asked for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a key of this team asked for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Answers to requests for this model, and those that it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Question {
    /// What it means, where that is one thing.
    fn selector(self) -> Option<Selector> {
        let wanted = [
            self.all.then_some(Selector::All),
            self.key.map(Selector::Key),
            self.team.map(Selector::Team),
            self.model.map(Selector::Model),
        ];
        let mut wanted = wanted.into_iter().flatten();
        let selector = wanted.next();
        selector.filter(|_| wanted.next().is_none())
    }
}

/// Answers what the cache holds and how it serves.
pub(super) async fn stats(State(gateway): State<Arc<Gateway>>) -> Json<Stats> {
    Json(gateway.cache.stats())
}

/// Drops answers and says how many there were.
pub(super) async fn purge(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Response {
    let question: Option<Question> = serde_json::from_slice(&body).ok();
    let Some(selector) = question.and_then(Question::selector) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "Send one of {\"all\": true}, {\"key\": NAME}, {\"team\": NAME} and {\"model\": NAME}.",
        );
    };
    Json(gateway.cache.purge(selector).await).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_dropped_at_a_time() {
        let selector = |text: &str| serde_json::from_str::<Question>(text).unwrap().selector();
        assert_eq!(selector(r#"{"all":true}"#), Some(Selector::All));
        let team = Some(Selector::Team("red".to_owned()));
        assert_eq!(selector(r#"{"team":"red"}"#), team);
        for text in ["{}", r#"{"all":false}"#, r#"{"all":true,"key":"a"}"#] {
            assert_eq!(selector(text), None, "{text}");
        }
    }
}
