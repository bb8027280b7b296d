//! `/user/*`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    fields::{Common, Count, Span},
    keys::{KeyBody, created, generate},
    object, rows,
};
use crate::{
    admin::{
        entity::new_id,
        input::{Anything, Patch},
        keys::reach,
        list::{Order, Page, Paging, numbered},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{
        Kind, List, Record, Store, StoreError,
        keys::Key,
        teams::{Member, Team},
        users::User,
    },
};

/// How many keys of a user are shown.
const MAX_LISTED: i64 = 1000;

/// What is said of a user.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct UserBody {
    user_id: Option<String>,
    user_email: Patch<String>,
    user_alias: Patch<String>,
    user_role: Option<String>,
    teams: Vec<TeamOf>,
    /// Of the key that is made for it.
    key_alias: Patch<String>,
    /// Of the key that is made for it.
    duration: Patch<Span>,
    /// Of the key that is made for it.
    team_id: Patch<String>,
    /// Whether a key is made for it at once; it is unless said.
    auto_create_key: Option<bool>,
    /// There are no passwords here.
    password: Option<Value>,
    #[serde(flatten)]
    common: Common,
}

/// A team, by its id or with a role in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum TeamOf {
    Id(String),
    With {
        team_id: String,
        #[serde(default, alias = "user_role")]
        role: Option<String>,
    },
}

impl UserBody {
    /// The same of that user.
    pub(super) fn of(&self, user: String) -> Self {
        UserBody {
            user_id: Some(user),
            user_email: Patch::Absent,
            ..self.clone()
        }
    }

    /// Who is meant, by id or by address.
    pub(super) fn named(&self) -> (Option<String>, Option<String>) {
        (self.user_id.clone(), self.user_email.value().cloned())
    }

    fn apply(self, user: &mut User) -> Result<(), Refusal> {
        if self.password.is_some_and(|password| !password.is_null()) {
            let message = "Users have no password here: they use keys.";
            return Err(Refusal::invalid(Some("password"), message));
        }
        self.user_email.apply(&mut user.email);
        self.user_alias.apply(&mut user.alias);
        if let Some(role) = self.user_role {
            user.role = role;
        }
        match self.common.blocked {
            Patch::Absent => {}
            Patch::Empty => user.blocked = false,
            Patch::Is(is_blocked) => user.blocked = is_blocked,
        }
        self.common.apply(&mut user.terms)
    }
}

/// Makes a user, and a key for it.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/user/new",
        Reach::All,
        "Makes a user, and a key for it unless told not to, by LiteLLM's fields.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = UserBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: UserBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let teams = std::mem::take(&mut body.teams);
        let wants_key = body.auto_create_key.unwrap_or(true);
        let mut user = User::new(&new_id("user", body.user_id.take())?);
        // What holds for the user holds for all its keys already.
        let key = KeyBody::of_user(
            &user.id,
            body.key_alias.clone(),
            body.duration.clone(),
            body.team_id.clone(),
        );
        body.apply(&mut user)?;
        if let Some(email) = &user.email {
            let list = List::default().equals("email", email);
            if store.count::<User>(&list).await? > 0 {
                return Err(StoreError::Exists {
                    what: "user",
                    reference: email.clone(),
                }
                .into());
            }
        }
        for team in &teams {
            store.get::<Team>(team.id()).await?;
        }
        let user = store.create(user, call.by()).await?;
        for team in teams {
            let member = Member {
                team_id: team.id().to_owned(),
                user_id: user.id.clone(),
                role: team.role(),
                ..Member::default()
            };
            store.put_member(&member).await?;
        }
        let places = store.memberships(&user.id).await?;
        let mut row = Object::new();
        if wants_key {
            row = created(&generate(&call, key).await?);
        }
        row.extend(rows::user(&user, &places));
        Ok(row)
    }
}

impl TeamOf {
    fn id(&self) -> &str {
        match self {
            TeamOf::Id(id) => id,
            TeamOf::With { team_id, .. } => team_id,
        }
    }

    fn role(&self) -> String {
        match self {
            TeamOf::With {
                role: Some(role), ..
            } if role == "admin" => "admin",
            _ => "user",
        }
        .to_owned()
    }
}

/// Which user.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct UserQuery {
    /// Its id; the caller's own unless said.
    user_id: Option<String>,
}

async fn whole(call: &Call, store: &Store, user: &User) -> Result<Object, Refusal> {
    let places = store.memberships(&user.id).await?;
    let list = List::default().equals("user_id", &user.id);
    let list = reach::seen_by(&call.caller, list).page(MAX_LISTED, 0);
    let keys: Vec<Object> = store
        .list::<Key>(&list)
        .await?
        .iter()
        .map(rows::key)
        .collect();
    let mut teams = Vec::new();
    if call.caller.sees_all() {
        for place in places.iter().take(100) {
            if let Some(team) = store.find::<Team>(&place.team_id).await? {
                teams.push(rows::team(&team, &store.members(&team.id).await?));
            }
        }
    }
    Ok(object(json!({
        "user_id": user.id, "user_info": rows::user(user, &places), "keys": keys, "teams": teams,
    })))
}

/// The user whose key the caller has sent. Whoever administrates a team makes keys for its members: such a key
/// does not speak for them.
fn own(call: &Call) -> Option<&str> {
    let identity = call.caller.identity.as_deref();
    let identity = identity.filter(|identity| identity.team.is_none())?;
    identity.user.as_deref()
}

/// Shows a user.
pub(in crate::admin) struct Info;

impl Operation for Info {
    const ROUTE: Route = Route::get(
        "/user/info",
        Reach::Anyone,
        "Shows a user, its keys and teams; the caller's own unless one is named.",
    )
    .of_litellm();
    type Query = UserQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: UserQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let own = own(&call);
        let asked = query.user_id.as_deref();
        let id = match (call.caller.sees_all(), asked.or(own)) {
            (true, Some(id)) => id,
            (false, Some(id)) if own == Some(id) => id,
            (true, None) => {
                return Ok(object(json!({
                    "user_id": null, "user_info": null, "keys": [], "teams": [],
                })));
            }
            (false, _) => {
                return Err(Refusal::forbidden("This key sees no user but its own."));
            }
        };
        let user = store.get::<User>(id).await?;
        whole(&call, &store, &user).await
    }
}

/// Shows a user without its keys.
pub(in crate::admin) struct InfoAlone;

impl Operation for InfoAlone {
    const ROUTE: Route = Route::get(
        "/v2/user/info",
        Reach::Anyone,
        "Shows a user without its keys; the caller's own unless one is named.",
    )
    .of_litellm();
    type Query = UserQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: UserQuery, _: Anything) -> Result<Object, Refusal> {
        let store = call.store()?;
        let own = own(&call);
        let Some(id) = query.user_id.as_deref().or(own) else {
            return Err(Refusal::invalid(Some("user_id"), "`user_id` is needed."));
        };
        if !call.caller.sees_all() && own != Some(id) {
            return Err(Refusal::not_found(User::WHAT, id));
        }
        let user = store.get::<User>(id).await?;
        let places = store.memberships(id).await?;
        Ok(rows::user(&user, &places))
    }
}

/// Which users are listed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ListQuery {
    role: Option<String>,
    user_ids: Option<String>,
    user_email: Option<String>,
    page: Option<Count>,
    page_size: Option<Count>,
    sort_by: Option<String>,
    sort_order: Option<Order>,
}

impl ListQuery {
    fn size(&self) -> u64 {
        self.page_size.map_or(25, |size| size.0)
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
            Some("user_id") => "id",
            Some("user_email") => "email",
            Some("user_alias") => "alias",
            Some("user_role") => "role",
            Some("spend") => "spend",
            _ => "created_at",
        };
        (column, self.sort_order.unwrap_or_default() == Order::Desc)
    }
}

/// Lists users.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get("/user/list", Reach::All, "Lists users.").of_litellm();
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
        if let Some(role) = &query.role {
            list = list.equals("role", role);
        }
        if let Some(ids) = &query.user_ids {
            let ids = ids.split(',').map(|id| id.trim().to_owned());
            list = list.any_of("id", ids.take(100).collect());
        }
        if let Some(part) = &query.user_email {
            list = list.contains("email", part);
        }
        let page: Page<User> = Page::read::<User>(&store, list, &query).await?;
        let mut users = Vec::new();
        for user in &page.data {
            let places = store.memberships(&user.id).await?;
            let keys = List::default().equals("user_id", &user.id);
            let mut row = rows::user(user, &places);
            row.insert("key_count".into(), store.count::<Key>(&keys).await?.into());
            users.push(row);
        }
        let size = i64::try_from(query.size()).unwrap_or(1);
        Ok(object(json!({
            "users": users, "total": page.total, "page": query.number(), "page_size": size,
            "total_pages": (page.total + size - 1) / size,
        })))
    }
}

/// Changes a user.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/user/update",
        Reach::All,
        "Changes a user, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = UserBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: UserBody) -> Result<Object, Refusal> {
        let (id, row) = update(&call, body).await?;
        Ok(object(json!({"user_id": id, "data": row})))
    }
}

/// Changes the user that a body names. Answers its id, and how it is then.
///
/// # Errors
/// 400, 404.
pub(super) async fn update(call: &Call, mut body: UserBody) -> Result<(String, Object), Refusal> {
    let store = call.store()?;
    let id = match (body.user_id.take(), body.user_email.value()) {
        (Some(id), _) => id,
        (None, Some(email)) => {
            let list = List::default().equals("email", email).page(1, 0);
            let found = store.list::<User>(&list).await?.pop();
            found
                .map(|user| user.id)
                .ok_or_else(|| Refusal::not_found("user", email))?
        }
        (None, None) => {
            let message = "`user_id` or `user_email` is needed.";
            return Err(Refusal::invalid(Some("user_id"), message));
        }
    };
    let spend = body.common.spend.value().copied();
    // Looked at before: the store's transaction asks nobody.
    body.clone().apply(&mut store.get::<User>(&id).await?)?;
    let changed = store.update::<User>(&id, call.by(), |user| {
        let refused = |refusal: Refusal| StoreError::invalid("user", refusal.message);
        body.apply(user).map_err(refused)
    });
    let mut user = changed.await?;
    if let Some(spend) = spend {
        call.gateway
            .set_spent(&store, Kind::User, &id, spend)
            .await?;
        user.stamps = store.get::<User>(&id).await?.stamps;
    }
    let places = store.memberships(&id).await?;
    Ok((id, rows::user(&user, &places)))
}

/// Which users.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct Named {
    user_ids: Vec<String>,
}

/// Deletes users and their keys.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post(
        "/user/delete",
        Reach::All,
        "Deletes users, and with them their keys and their places in teams.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Named;
    type Answer = i64;

    async fn run(call: Call, _: Anything, body: Named) -> Result<i64, Refusal> {
        let store = call.store()?;
        let ids = super::named("user_ids", body.user_ids)?;
        for id in &ids {
            store.get::<User>(id).await?;
        }
        let mut count = 0;
        for id in ids {
            for place in store.memberships(&id).await? {
                store.remove_member(&place.team_id, &id).await?;
            }
            store.delete_owner::<User>(&id, "user_id", true).await?;
            count += 1;
        }
        Ok(count)
    }
}
