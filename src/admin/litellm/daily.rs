//! `/user/daily/activity`, `/team/daily/activity`, `/tag/daily/activity`: what each day came to, and by which models,
//! providers and keys.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    fields::Count,
    global::team_names,
    logs::{account, keys},
    object, rows,
    spend::Days,
};
use crate::{
    admin::{
        input::{Anything, Time},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
        usage::of_caller,
    },
    price::Usd,
    store::{
        keys::Key,
        report::{By, Sum, Which},
    },
};

/// How many sums an answer is made from.
const MAX_SUMS: i64 = 50_000;
/// Days of a page, unless said, and at most.
const USUAL_DAYS: u64 = 50;
const MAX_DAYS: u64 = 1000;

/// Which days, and whose.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ActivityQuery {
    /// The first day: `2026-01-01`.
    start_date: Option<Time>,
    /// The last one.
    end_date: Option<Time>,
    /// Those that this model served.
    model: Option<String>,
    /// A key's text, hash or id.
    api_key: Option<String>,
    /// Of `/user/daily/activity`: this user's alone.
    user_id: Option<String>,
    /// Of `/team/daily/activity`: these teams alone, with commas between.
    team_ids: Option<String>,
    /// All teams but these.
    exclude_team_ids: Option<String>,
    /// Of `/tag/daily/activity`: these tags alone, with commas between.
    tags: Option<String>,
    /// Which page; the first unless said.
    page: Option<Count>,
    /// Days of a page; 50 unless said.
    page_size: Option<Count>,
}

/// What days are told apart by besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entity {
    User,
    Team,
    Tag,
}

/// What some requests come to.
#[derive(Debug, Clone, Copy, Default)]
struct Metrics {
    spend: Usd,
    input: i64,
    output: i64,
    cached: i64,
    cache_write: i64,
    requests: i64,
    failures: i64,
}

impl Metrics {
    fn add(&mut self, sum: &Sum) {
        self.spend += sum.cost;
        self.input = self.input.saturating_add(sum.input_tokens);
        self.output = self.output.saturating_add(sum.output_tokens);
        self.cached = self.cached.saturating_add(sum.cached_tokens);
        self.cache_write = self.cache_write.saturating_add(sum.cache_write_tokens);
        self.requests = self.requests.saturating_add(sum.requests);
        self.failures = self.failures.saturating_add(sum.failures);
    }

    /// `SpendMetrics`; each name with `prefix` before it.
    fn object(&self, prefix: &str) -> Object {
        let fields = [
            ("spend", rows::dollars(self.spend)),
            ("prompt_tokens", self.input.into()),
            ("completion_tokens", self.output.into()),
            (
                "total_tokens",
                self.input.saturating_add(self.output).into(),
            ),
            ("cache_read_input_tokens", self.cached.into()),
            ("cache_creation_input_tokens", self.cache_write.into()),
            ("api_requests", self.requests.into()),
            (
                "successful_requests",
                (self.requests - self.failures).into(),
            ),
            ("failed_requests", self.failures.into()),
        ];
        let named = fields.map(|(name, value)| (format!("{prefix}{name}"), value));
        named.into_iter().collect()
    }
}

/// By name, with the keys that have a part in it.
#[derive(Debug, Default)]
struct Group(BTreeMap<String, (Metrics, BTreeMap<String, Metrics>)>);

impl Group {
    fn add(&mut self, name: &str, key: &str, sum: &Sum) {
        let (metrics, keys) = self.0.entry(name.to_owned()).or_default();
        metrics.add(sum);
        if !key.is_empty() {
            keys.entry(key.to_owned()).or_default().add(sum);
        }
    }

    fn json(&self, known: &Known, metadata: impl Fn(&str) -> Value) -> Value {
        let one = |(name, (metrics, keys)): (&String, &(Metrics, BTreeMap<String, Metrics>))| {
            let value = json!({
                "metrics": metrics.object(""), "metadata": metadata(name),
                "api_key_breakdown": known.keys(keys),
            });
            (name.clone(), value)
        };
        Value::Object(self.0.iter().map(one).collect())
    }
}

/// A day.
#[derive(Debug, Default)]
struct Day {
    metrics: Metrics,
    models: Group,
    providers: Group,
    entities: Group,
    keys: BTreeMap<String, Metrics>,
}

/// What people call keys and teams.
struct Known {
    keys: BTreeMap<String, Key>,
    teams: BTreeMap<String, String>,
}

impl Known {
    fn keys(&self, keys: &BTreeMap<String, Metrics>) -> Value {
        let one = |(id, metrics): (&String, &Metrics)| {
            let key = self.keys.get(id);
            let value = json!({
                "metrics": metrics.object(""),
                "metadata": {
                    "key_alias": key.and_then(|key| key.label.as_ref()),
                    "team_id": key.and_then(|key| key.team_id.as_ref()),
                },
            });
            (key.map_or_else(|| id.clone(), Key::token), value)
        };
        Value::Object(keys.iter().map(one).collect())
    }
}

async fn answer(
    call: &Call,
    query: ActivityQuery,
    entity: Entity,
    is_paged: bool,
) -> Result<Object, Refusal> {
    let which = which(call, &query).await?;
    let by: &[By] = match entity {
        Entity::Tag => &[By::Day, By::Tag],
        Entity::User => &[By::Day, By::User, By::Key, By::Provider, By::Model],
        Entity::Team => &[By::Day, By::Team, By::Key, By::Provider, By::Model],
    };
    let mut sums = call.store()?.report(&which, by, MAX_SUMS).await?;
    let (wanted, unwanted) = match entity {
        Entity::Team => (names(&query.team_ids), names(&query.exclude_team_ids)),
        Entity::Tag => (names(&query.tags), BTreeSet::new()),
        Entity::User => Default::default(),
    };
    sums.retain(|sum| {
        let name = sum.of.get(1).map_or("", String::as_str);
        (wanted.is_empty() || wanted.contains(name)) && !unwanted.contains(name)
    });
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for sum in &sums {
        put(&mut days, sum, entity);
    }
    let known = known(call, &days, entity).await?;
    let (page, size) = page(&query)?;
    let size = if is_paged { size } else { usize::MAX };
    let pages = days.len().div_ceil(size).max(1);
    let mut total = Metrics::default();
    let shown: Vec<(&i64, &Day)> = days
        .iter()
        .rev()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .collect();
    let on_page: BTreeSet<i64> = shown.iter().map(|(day, _)| **day).collect();
    let is_shown = |sum: &&Sum| on_page.contains(&at(sum));
    sums.iter().filter(is_shown).for_each(|sum| total.add(sum));
    let results: Vec<Value> = shown
        .iter()
        .map(|(at, day)| result(**at, day, &known, entity))
        .collect();
    let mut metadata = total.object("total_");
    metadata.extend(object(json!({
        "page": page, "total_pages": pages, "has_more": page < pages,
    })));
    Ok(object(json!({"results": results, "metadata": metadata})))
}

fn result(at: i64, day: &Day, known: &Known, entity: Entity) -> Value {
    let none = |_: &str| json!({});
    let of_entity = |id: &str| match entity {
        Entity::Team => json!({"team_alias": known.teams.get(id)}),
        _ => json!({}),
    };
    json!({
        "date": Time(at).day(),
        "metrics": day.metrics.object(""),
        "breakdown": {
            "models": day.models.json(known, none), "model_groups": day.models.json(known, none),
            "providers": day.providers.json(known, none), "mcp_servers": {}, "endpoints": {},
            "entities": day.entities.json(known, of_entity), "api_keys": known.keys(&day.keys),
        },
    })
}

fn at(sum: &Sum) -> i64 {
    sum.of.first().and_then(|day| day.parse().ok()).unwrap_or(0)
}

fn put(days: &mut BTreeMap<i64, Day>, sum: &Sum, entity: Entity) {
    let of = |at: usize| sum.of.get(at).map_or("", String::as_str);
    let day = days.entry(at(sum)).or_default();
    day.metrics.add(sum);
    let key = of(2);
    if !of(1).is_empty() {
        day.entities.add(of(1), key, sum);
    }
    if entity == Entity::Tag {
        return;
    }
    if !key.is_empty() {
        day.keys.entry(key.to_owned()).or_default().add(sum);
    }
    for (group, name) in [(&mut day.providers, of(3)), (&mut day.models, of(4))] {
        if !name.is_empty() {
            group.add(name, key, sum);
        }
    }
}

async fn which(call: &Call, query: &ActivityQuery) -> Result<Which, Refusal> {
    let days = Days {
        start_date: query.start_date,
        end_date: query.end_date,
    };
    let mut which = days.needed()?;
    which.model.clone_from(&query.model);
    which.user.clone_from(&query.user_id);
    if let Some(key) = &query.api_key {
        which.account = Some(account(call, key).await?);
    }
    of_caller(&call.caller, &mut which)?;
    Ok(which)
}

async fn known(call: &Call, days: &BTreeMap<i64, Day>, entity: Entity) -> Result<Known, Refusal> {
    let ids: BTreeSet<&String> = days.values().flat_map(|day| day.keys.keys()).collect();
    let mut known = BTreeMap::new();
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    for some in ids.chunks(500) {
        known.extend(keys(call, some.to_vec()).await?);
    }
    let teams = match entity {
        Entity::Team => {
            let ids = days.values().flat_map(|day| day.entities.0.keys());
            team_names(call, ids.map(String::as_str)).await?
        }
        _ => BTreeMap::new(),
    };
    Ok(Known { keys: known, teams })
}

fn names(list: &Option<String>) -> BTreeSet<&str> {
    let list = list.as_deref().unwrap_or_default().split(',');
    list.map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

fn page(query: &ActivityQuery) -> Result<(usize, usize), Refusal> {
    let page = query.page.map_or(1, |page| page.0);
    let size = query.page_size.map_or(USUAL_DAYS, |size| size.0);
    if page == 0 || !(1..=MAX_DAYS).contains(&size) {
        let message = format!("`page` is a number from 1, `page_size` one from 1 to {MAX_DAYS}.");
        return Err(Refusal::invalid(Some("page_size"), message));
    }
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((number(page), number(size)))
}

macro_rules! activity {
    ($($name:ident $path:literal $reach:ident $entity:ident $is_paged:literal $what:literal;)*) => {
        $(
            #[doc = $what]
            pub(in crate::admin) struct $name;

            impl Operation for $name {
                const ROUTE: Route = Route::get($path, Reach::$reach, $what).of_litellm();
                type Query = ActivityQuery;
                type Body = Anything;
                type Answer = Object;

                async fn run(call: Call, query: ActivityQuery, _: Anything) -> Result<Object, Refusal> {
                    answer(&call, query, Entity::$entity, $is_paged).await
                }
            }
        )*
    };
}

activity! {
    OfUsers "/user/daily/activity" Anyone User true
        "What each day came to, by model, provider, key and user; the newest first, a page of days at a time.";
    OfUsersAtOnce "/user/daily/activity/aggregated" Anyone User false
        "The same, all days at once.";
    OfTeams "/team/daily/activity" Anyone Team true
        "What each day came to, by model, provider, key and team.";
    OfTags "/tag/daily/activity" All Tag true
        "What each day came to by tag; a request of several tags counts for each.";
}
