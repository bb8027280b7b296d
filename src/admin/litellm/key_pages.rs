//! `/v2/key/info`, `/key/aliases`, `/key/health`, `/key/{key}/reset_spend`: what is asked of keys beside their
//! life.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Object, fields::Count, keys::Named, object, rows};
use crate::{
    admin::{
        input::Anything,
        keys::reach,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    price::Usd,
    store::{Kind, List, keys::Key},
};

/// How many keys may be named at once.
const MAX_NAMED: usize = 1000;

/// Shows several keys.
pub(in crate::admin) struct InfoV2;

impl Operation for InfoV2 {
    const ROUTE: Route = Route::post(
        "/v2/key/info",
        Reach::Anyone,
        "Shows keys, at most a thousand. Those that the caller may not see are left out.",
    )
    .reads()
    .of_litellm();
    type Query = Anything;
    type Body = Named;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Named) -> Result<Object, Refusal> {
        let store = call.store()?;
        let (keys, aliases) = (body.keys.unwrap_or_default(), body.key_aliases);
        let aliases = aliases.unwrap_or_default();
        if !(1..=MAX_NAMED).contains(&(keys.len() + aliases.len())) {
            let message =
                format!("`keys` and `key_aliases` name at least one, and at most {MAX_NAMED}.");
            return Err(Refusal::invalid(Some("keys"), message));
        }
        let mut found: Vec<Key> = Vec::new();
        for reference in &keys {
            match reach::find(&store, &call.caller, reference).await {
                Ok(key) => found.push(key),
                Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
                Err(_) => {}
            }
        }
        if !aliases.is_empty() {
            let list = reach::seen_by(&call.caller, List::default()).any_of("label", aliases);
            found.extend(store.list::<Key>(&list).await?);
        }
        let info = found.iter().map(|key| {
            let mut row = rows::key(key);
            row.remove("token");
            row
        });
        let info: Vec<Object> = info.collect();
        Ok(object(json!({"key": keys, "info": info})))
    }
}

/// Which aliases.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct AliasQuery {
    /// From 1 on.
    page: Option<Count>,
    /// From 1 to 100; 50 unless said.
    size: Option<Count>,
    /// Those with these letters in it.
    search: Option<String>,
    team_id: Option<String>,
}

/// Lists what keys are called.
pub(in crate::admin) struct Aliases;

impl Operation for Aliases {
    const ROUTE: Route = Route::get(
        "/key/aliases",
        Reach::Anyone,
        "What the keys are called that the caller may see, in order.",
    )
    .of_litellm();
    type Query = AliasQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: AliasQuery, _: Anything) -> Result<Object, Refusal> {
        let (page, size) = (
            query.page.map_or(1, |page| page.0),
            query.size.map_or(50, |size| size.0),
        );
        if page == 0 || !(1..=100).contains(&size) {
            let message = "`page` is a number from 1 on, `size` one from 1 to 100.";
            return Err(Refusal::invalid(Some("size"), message));
        }
        let store = call.store()?;
        let mut list = reach::seen_by(&call.caller, List::default()).is_null("label", false);
        if let Some(part) = &query.search {
            list = list.contains("label", part);
        }
        if let Some(team) = &query.team_id {
            list = list.equals("team_id", team);
        }
        let total = store.count::<Key>(&list).await?;
        let size = i64::try_from(size).unwrap_or(1);
        let offset = i64::try_from(page - 1)
            .unwrap_or(i64::MAX)
            .saturating_mul(size);
        let list = list.sorted("label", false).page(size, offset);
        let keys = store.list::<Key>(&list).await?.into_iter();
        let aliases: Vec<String> = keys.filter_map(|key| key.label).collect();
        Ok(object(json!({
            "aliases": aliases, "total_count": total, "current_page": page,
            "total_pages": (total + size - 1) / size, "size": size,
        })))
    }
}

/// Answers that a key may be used.
pub(in crate::admin) struct Health;

impl Operation for Health {
    const ROUTE: Route = Route::post(
        "/key/health",
        Reach::Anyone,
        "Whether the caller's key may be used. Keys have no callbacks here that could fail.",
    )
    .reads()
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(_: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        Ok(object(json!({"key": "healthy", "logging_callbacks": null})))
    }
}

/// What a key has spent from now on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Resetting {
    reset_to: Usd,
}

/// Says what a key has spent.
pub(in crate::admin) struct ResetSpend;

impl Operation for ResetSpend {
    const ROUTE: Route = Route::post(
        "/key/{key}/reset_spend",
        Reach::All,
        "Says what a key has spent, no more than it has. Its budget's period begins anew.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Resetting;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Resetting) -> Result<Object, Refusal> {
        let store = call.store()?;
        let key = reach::find_to_change(&store, &call.caller, call.path("key")).await?;
        let (before, max) = (key.stamps.spend, key.terms.budget.max);
        if body.reset_to > before || max.is_some_and(|max| body.reset_to > max) {
            let message = "`reset_to` is no more than has been spent, and no more than may be.";
            return Err(Refusal::invalid(Some("reset_to"), message));
        }
        call.gateway
            .set_spent(&store, Kind::Key, &key.id, body.reset_to)
            .await?;
        let key: Key = store.get(&key.id).await?;
        let row = rows::key(&key);
        Ok(object(json!({
            "key_hash": key.token(), "spend": rows::dollars(body.reset_to),
            "previous_spend": rows::dollars(before), "max_budget": row.get("max_budget"),
            "budget_reset_at": row.get("budget_reset_at"),
        })))
    }
}
