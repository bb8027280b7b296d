//! `/admin/requests`: the log of requests, a page at a time. What was said in them is not in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    input::{Nothing, Time},
    list::MAX_LIMIT,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
    usage::of_caller,
};
use crate::{
    price::Usd,
    store::{
        report::{Kinds, RequestRow, Rows, Which},
        usage::{Place, Scope},
    },
};

/// Which requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestQuery {
    /// Those from this time on.
    pub from: Option<Time>,
    /// Those from before this time.
    pub until: Option<Time>,
    /// Those of that key: the id of a stored one, the name of a configured one.
    pub key: Option<String>,
    /// Those of that team.
    pub team_id: Option<String>,
    /// Those of that user.
    pub user_id: Option<String>,
    /// Those of that project.
    pub project_id: Option<String>,
    /// Those that that provider served.
    pub provider: Option<String>,
    /// Those that that model served, by the provider's name of it.
    pub model: Option<String>,
    /// Those that ended with that status.
    pub status: Option<u16>,
    /// Those that failed, or those that did not.
    pub failed: Option<bool>,
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// Where the page begins: the `next` of the one before.
    pub after: Option<String>,
}

/// A finished request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RequestView {
    /// Its id, as in `X-Request-Id`.
    pub id: String,
    /// When it came.
    pub at: Time,
    /// The key: the id of a stored one, the name of a configured one.
    pub key: Option<String>,
    /// What people called the key.
    pub label: Option<String>,
    /// The key's team.
    pub team_id: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The key's project.
    pub project_id: Option<String>,
    /// The key's organization.
    pub organization_id: Option<String>,
    /// On whose behalf the client asked.
    pub end_user: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The route.
    pub path: String,
    /// The client's dialect.
    pub dialect: String,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The provider that served.
    pub provider: Option<String>,
    /// The model that served.
    pub served_model: Option<String>,
    /// How many attempts were made.
    pub attempts: i64,
    /// The attempts, where there is more to say than that one went well.
    pub tried: Option<Value>,
    /// The status that the client saw; 499 where it left.
    pub status: i64,
    /// A stable word for what went wrong.
    pub error: Option<String>,
    /// What the cache did.
    pub cache: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Tokens of the prompt.
    pub input_tokens: Option<i64>,
    /// Tokens of the answer.
    pub output_tokens: Option<i64>,
    /// Tokens read from the provider's cache.
    pub cached_tokens: Option<i64>,
    /// Tokens written to the provider's cache.
    pub cache_write_tokens: Option<i64>,
    /// Tokens thought.
    pub reasoning_tokens: Option<i64>,
    /// The other kinds of what was used.
    #[serde(flatten)]
    pub kinds: Kinds,
    /// How the provider says that it served: `flex`, `batch`, `priority`, `fast`, `standard`.
    pub service: Option<String>,
    /// What the provider itself says that it cost, in USD.
    pub stated_cost: Option<Usd>,
    /// What each of several calls used.
    pub parts: Option<Value>,
    /// Whether the gateway counted the tokens itself.
    pub estimated: bool,
    /// What it cost, in USD; none where that is not known.
    pub cost: Option<Usd>,
    /// How long it took, in milliseconds.
    pub latency_ms: f64,
    /// How long its first byte took, in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// What of that was the gateway's own time, in milliseconds.
    pub overhead_ms: f64,
    /// Bytes of its body.
    pub bytes_in: i64,
    /// Bytes of the answer's.
    pub bytes_out: i64,
}

/// Milliseconds, exact to the microsecond.
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

impl From<RequestRow> for RequestView {
    fn from(row: RequestRow) -> Self {
        RequestView {
            id: row.id,
            at: Time(row.at),
            key: row.account,
            label: row.key_label,
            team_id: row.team_id,
            user_id: row.user_id,
            project_id: row.project_id,
            organization_id: row.organization_id,
            end_user: row.end_user,
            tags: row.tags,
            path: row.path,
            dialect: row.dialect,
            model: row.model,
            provider: row.provider,
            served_model: row.served_model,
            attempts: row.attempts,
            tried: row
                .tried
                .and_then(|tried| serde_json::from_str(&tried).ok()),
            status: row.status,
            error: row.error,
            cache: row.cache,
            stream: row.stream,
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            cached_tokens: row.cached_tokens,
            cache_write_tokens: row.cache_write_tokens,
            reasoning_tokens: row.reasoning_tokens,
            kinds: row.kinds,
            service: row.service,
            stated_cost: row.stated_cost,
            parts: row
                .parts
                .and_then(|parts| serde_json::from_str(&parts).ok()),
            estimated: row.is_estimated,
            cost: row.cost,
            latency_ms: milliseconds(row.latency_us),
            first_byte_ms: row.first_byte_us.map(milliseconds),
            overhead_ms: milliseconds(row.overhead_us),
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
        }
    }
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// The newest first.
    pub data: Vec<RequestView>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<String>,
}

/// Lists requests.
pub(super) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/admin/requests",
        Reach::Anyone,
        "The log of requests, the newest first, a page at a time.",
    );
    type Query = RequestQuery;
    type Body = Nothing;
    type Answer = Requests;

    async fn run(call: Call, query: RequestQuery, _: Nothing) -> Result<Requests, Refusal> {
        let limit = query.limit.unwrap_or(100);
        if limit == 0 || limit > MAX_LIMIT {
            let message = format!("`limit` is a number from 1 to {MAX_LIMIT}.");
            return Err(Refusal::invalid(Some("limit"), message));
        }
        let before = query.after.as_deref().map(place).transpose()?;
        let mut which = Which {
            from: query.from.map(|time| time.0),
            until: query.until.map(|time| time.0),
            account: query.key,
            team: query.team_id,
            user: query.user_id,
            project: query.project_id,
            provider: query.provider,
            model: query.model,
        };
        of_caller(&call.caller, &mut which)?;
        let rows = Rows {
            which,
            id: None,
            status: query.status.map(i64::from),
            failed: query.failed,
            before,
            // One more says whether there is another page.
            limit: i64::from(limit) + 1,
        };
        let mut found = call.store()?.log(&rows).await?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| has_more);
        Ok(Requests {
            next: last.map(|last| format!("{}_{}", last.at, last.id)),
            data: found.into_iter().map(Into::into).collect(),
        })
    }
}

fn place(after: &str) -> Result<(i64, String), Refusal> {
    let parts = after.split_once('_');
    let parts = parts.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| {
        let message = "`after` is the `next` of the page before.";
        Refusal::invalid(Some("after"), message)
    })
}

/// Which requests are exported.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExportQuery {
    /// Those from this time on.
    pub from: Option<Time>,
    /// Those from before this time.
    pub until: Option<Time>,
    /// Those of that key: its id, what people called it, or the name of a configured one.
    pub key: Option<String>,
    /// Those of that team.
    pub team_id: Option<String>,
    /// Those of that user.
    pub user_id: Option<String>,
    /// Those of that project.
    pub project_id: Option<String>,
    /// Those that that provider served.
    pub provider: Option<String>,
    /// Those that that model served, by the provider's name of it.
    pub model: Option<String>,
    /// How many, 1 to 1000; 1000 unless said.
    pub limit: Option<u32>,
    /// Where the page begins: the `next` of the one before.
    pub after: Option<String>,
}

/// A page of the log as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Exported {
    /// The earliest first, each with all its columns; what is not known is left out.
    pub data: Vec<Map<String, Value>>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<String>,
}

/// Exports requests.
pub(super) struct Export;

impl Operation for Export {
    const ROUTE: Route = Route::get(
        "/admin/requests/export",
        Reach::All,
        "The log of requests with all its columns, the earliest first, a page at a time.",
    );
    type Query = ExportQuery;
    type Body = Nothing;
    type Answer = Exported;

    async fn run(call: Call, query: ExportQuery, _: Nothing) -> Result<Exported, Refusal> {
        let limit = query.limit.unwrap_or(MAX_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            let message = format!("`limit` is a number from 1 to {MAX_LIMIT}.");
            return Err(Refusal::invalid(Some("limit"), message));
        }
        let (at, id) = query.after.as_deref().map(place).transpose()?.unzip();
        let after = Place::new(at.unwrap_or_default(), id.unwrap_or_default());
        let scope = Scope {
            since: query.from.map_or(0, |time| time.0),
            until: query.until.map_or(i64::MAX, |time| time.0),
            key: query.key,
            team: query.team_id,
            user: query.user_id,
            project: query.project_id,
            provider: query.provider,
            model: query.model,
        };
        let (found, end) = call.store()?.requests(&scope, &after, limit).await?;
        let is_full = found.len() == limit as usize;
        let data = found.iter().map(|kept| match serde_json::to_value(kept) {
            Ok(Value::Object(columns)) => columns,
            _ => Map::new(),
        });
        Ok(Exported {
            data: data.collect(),
            next: is_full.then(|| end.to_string()),
        })
    }
}

/// Shows a request.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/requests/{id}",
        Reach::Anyone,
        "Shows a request, by its `X-Request-Id`.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = RequestView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<RequestView, Refusal> {
        let id = call.path("id");
        let mut rows = Rows {
            id: Some(id.to_owned()),
            limit: 1,
            ..Rows::default()
        };
        of_caller(&call.caller, &mut rows.which)?;
        let mut found = call.store()?.log(&rows).await?;
        found
            .pop()
            .map(Into::into)
            .ok_or_else(|| Refusal::not_found("request", id))
    }
}
