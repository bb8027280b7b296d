//! `GET /admin/cache`: what the cache holds and how it serves. `POST /admin/cache/purge`: drops answers.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    cache::{Purged, Selector, Stats},
    store::{List, Store, teams::Team},
};

/// Teams that may share one alias.
const MAX_NAMESAKES: i64 = 100;

/// What is to be dropped: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// Everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// What a gateway key asked for first: its label, its id, or the name of a configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a key of this team asked for first: its alias, or its id.
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
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/cache",
        Reach::All,
        "What the cache holds and how it has served.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Stats;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Stats, Refusal> {
        Ok(call.gateway.cache.stats())
    }
}

/// Drops answers and says how many there were.
pub(super) struct Purge;

impl Operation for Purge {
    const ROUTE: Route = Route::post(
        "/admin/cache/purge",
        Reach::All,
        "Drops answers from the cache, here and at the other replicas.",
    );
    type Query = Nothing;
    type Body = Question;
    type Answer = Purged;

    async fn run(call: Call, _: Nothing, question: Question) -> Result<Purged, Refusal> {
        let Some(selector) = question.selector() else {
            return Err(Refusal::invalid(
                None,
                "Send one of {\"all\": true}, {\"key\": NAME}, {\"team\": NAME} and {\"model\": NAME}.",
            ));
        };
        let store = call.store().ok();
        let cache = call.gateway.cache;
        // It goes on where whoever asked for it does not wait for its end.
        let purge = tokio::spawn(async move {
            let mut purged = Purged::default();
            for selector in meant(selector, store.as_deref()).await {
                purged.add(cache.purge(selector).await);
            }
            purged
        });
        purge.await.map_err(|_| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Refusal::new(status, "purge_failed", "The purge ended early; try again.")
        })
    }
}

/// What a name means to the store, besides itself: answers are kept under ids, people say labels. Where the
/// store does not answer the name is all there is.
async fn meant(said: Selector, store: Option<&Store>) -> Vec<Selector> {
    let mut all = Vec::new();
    match (&said, store) {
        (Selector::Key(name), Some(store)) => {
            if let Ok(key) = store.find_key(name).await
                && key.id != *name
            {
                let is_label = key.label.as_ref() == Some(name);
                all.push(Selector::Key(key.id));
                if !is_label {
                    // The key's own text or its hash: told to nobody else.
                    return all;
                }
            }
        }
        (Selector::Team(name), Some(store)) => {
            let list = List::default()
                .equals("alias", name.as_str())
                .page(MAX_NAMESAKES, 0);
            let teams = store.list::<Team>(&list).await.unwrap_or_default();
            let others = teams.into_iter().filter(|team| team.id != *name);
            all.extend(others.map(|team| Selector::Team(team.id)));
        }
        _ => {}
    }
    all.push(said);
    all
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
