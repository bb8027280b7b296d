//! `/key/list`: keys, a page at a time.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, fields::Count, object, rows};
use crate::{
    admin::{
        input::Anything,
        keys::reach,
        list::{Order, Page, Paging, numbered},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{List, keys::Key},
};

/// Which keys are listed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ListQuery {
    page: Option<Count>,
    size: Option<Count>,
    user_id: Option<String>,
    team_id: Option<String>,
    organization_id: Option<String>,
    project_id: Option<String>,
    key_hash: Option<String>,
    key_alias: Option<String>,
    return_full_object: Option<bool>,
    /// Whether those of the teams are listed too that the caller's user administrates.
    include_team_keys: Option<bool>,
    sort_by: Option<String>,
    sort_order: Option<Order>,
}

impl ListQuery {
    fn size(&self) -> u64 {
        self.size.map_or(10, |size| size.0)
    }

    fn number(&self) -> u64 {
        self.page.map_or(1, |page| page.0)
    }
}

impl Paging for ListQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        numbered(self.number(), self.size())
    }

    fn order(&self) -> (&'static str, bool) {
        let column = match self.sort_by.as_deref() {
            Some("key_alias") => "label",
            Some("spend") => "spend",
            Some("updated_at") => "updated_at",
            Some("expires") => "expires_at",
            Some("last_active") => "last_used_at",
            Some("user_id") => "user_id",
            Some("team_id") => "team_id",
            _ => "created_at",
        };
        (column, self.sort_order.unwrap_or_default() == Order::Desc)
    }
}

/// Lists keys.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/key/list",
        Reach::Anyone,
        "Lists keys: for an ordinary key, those of its user.",
    )
    .of_litellm();
    type Query = ListQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: ListQuery, _: Anything) -> Result<Object, Refusal> {
        if query.number() == 0 || !(1..=100).contains(&query.size()) {
            let message = "`page` is a number from 1 on, `size` one from 1 to 100.";
            return Err(Refusal::invalid(Some("size"), message));
        }
        let store = call.store()?;
        let mut list = match query.include_team_keys.unwrap_or(false) {
            true => reach::seen_with_teams(&store, &call.caller, List::default()).await?,
            false => reach::seen_by(&call.caller, List::default()),
        };
        for (column, value) in [
            ("user_id", &query.user_id),
            ("team_id", &query.team_id),
            ("organization_id", &query.organization_id),
            ("project_id", &query.project_id),
            ("label", &query.key_alias),
        ] {
            if let Some(value) = value {
                list = list.equals(column, value);
            }
        }
        if let Some(hash) = &query.key_hash {
            let hash = crate::identity::virtual_key::parse_hex(hash).unwrap_or_default();
            list = list.equals("hash", hash);
        }
        let page: Page<Key> = Page::read::<Key>(&store, list, &query).await?;
        let is_full = query.return_full_object.unwrap_or(false);
        let keys: Vec<Value> = page
            .data
            .iter()
            .map(|key| match is_full {
                true => rows::key(key).into(),
                false => key.token().into(),
            })
            .collect();
        let size = i64::try_from(query.size()).unwrap_or(1);
        Ok(object(json!({
            "keys": keys, "total_count": page.total, "current_page": query.number(),
            "total_pages": (page.total + size - 1) / size,
        })))
    }
}
