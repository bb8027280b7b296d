//! `/v2/team/list`: teams, a page at a time; and the teams that one may join, of which there are none here.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Object, fields::Count, object, rows};
use crate::{
    admin::{
        access::Scope,
        input::Anything,
        list::{Order, Page, Paging, numbered},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{List, keys::Key, teams::Team},
};

/// How many teams of one user are looked at.
const MAX_TEAMS: usize = 1000;

/// Which teams are listed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ListQuery {
    user_id: Option<String>,
    organization_id: Option<String>,
    team_id: Option<String>,
    /// Those with these letters in it.
    team_alias: Option<String>,
    /// From 1 on.
    page: Option<Count>,
    /// From 1 to 100; 10 unless said.
    page_size: Option<Count>,
    sort_by: Option<String>,
    sort_order: Option<Order>,
}

impl ListQuery {
    fn size(&self) -> u64 {
        self.page_size.map_or(10, |size| size.0)
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
            Some("team_id") => "id",
            Some("team_alias") => "alias",
            Some("spend") => "spend",
            _ => "created_at",
        };
        (column, self.sort_order.unwrap_or_default() == Order::Desc)
    }
}

/// Lists teams by pages.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/v2/team/list",
        Reach::Team,
        "Lists teams, a page at a time.",
    )
    .of_litellm();
    type Query = ListQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: ListQuery, _: Anything) -> Result<Object, Refusal> {
        if query.number() == 0 || !(1..=100).contains(&query.size()) {
            let message = "`page` is a number from 1 on, `page_size` one from 1 to 100.";
            return Err(Refusal::invalid(Some("page_size"), message));
        }
        let store = call.store()?;
        let mut list = List::default();
        if let Scope::Team { id, .. } = &call.caller.scope {
            list = list.equals("id", &**id);
        }
        if let Some(user) = &query.user_id {
            let places = store.memberships(user).await?.into_iter();
            list = list.any_of(
                "id",
                places.take(MAX_TEAMS).map(|place| place.team_id).collect(),
            );
        }
        for (column, value) in [
            ("organization_id", &query.organization_id),
            ("id", &query.team_id),
        ] {
            list = match value {
                Some(value) => list.equals(column, value),
                None => list,
            };
        }
        if let Some(part) = &query.team_alias {
            list = list.contains("alias", part);
        }
        let page: Page<Team> = Page::read::<Team>(&store, list, &query).await?;
        let mut teams = Vec::new();
        for team in &page.data {
            let members = store.members(&team.id).await?;
            let keys = List::default().equals("team_id", &team.id);
            let mut row = rows::team(team, &members);
            row.insert("keys_count".into(), store.count::<Key>(&keys).await?.into());
            row.insert("members_count".into(), members.len().into());
            teams.push(row);
        }
        let size = i64::try_from(query.size()).unwrap_or(1);
        Ok(object(json!({
            "teams": teams, "total": page.total, "page": query.number(), "page_size": size,
            "total_pages": (page.total + size - 1) / size,
        })))
    }
}

/// Lists the teams that whoever asks may join by themselves.
pub(in crate::admin) struct Available;

impl Operation for Available {
    const ROUTE: Route = Route::get(
        "/team/available",
        Reach::Anyone,
        "The teams that one may join by oneself: none, for others put one there.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(_: Call, _: Anything, _: Anything) -> Result<Vec<Object>, Refusal> {
        Ok(Vec::new())
    }
}
