//! `/spend/logs`: the log of requests as LiteLLM has it, by day or row by row.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Object,
    fields::Count,
    object, rows,
    spend::{DAY, Days},
};
use crate::{
    admin::{
        input::{Anything, Time},
        keys::reach,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
        usage::of_caller,
    },
    identity::virtual_key,
    store::{
        List,
        keys::Key,
        report::{By, RequestRow, Rows, Which},
    },
};

/// Which requests, and how they are shown.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct LogQuery {
    /// A key's text, hash or id.
    api_key: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    start_date: Option<Time>,
    end_date: Option<Time>,
    /// Whether days are summed up, where both dates are given; they are unless said.
    summarize: Option<bool>,
    /// How many rows, 1 to 1000; 100 unless said.
    page_size: Option<Count>,
    /// Which page of rows; the first unless said.
    page: Option<Count>,
}

/// How many rows a page holds at most.
const MAX_ROWS: u64 = 1000;
/// How deep pages go: further back one says dates.
const MAX_PAGES: u64 = 100;
/// How many sums a summary is made from.
const MAX_SUMS: i64 = 50_000;

/// What requests of a key are counted under; what is not known is taken as it is.
pub(super) async fn account(call: &Call, key: &str) -> Result<String, Refusal> {
    let store = call.store()?;
    match reach::find(&store, &call.caller, key).await {
        Ok(key) => Ok(key.id),
        // A configured key has a name and no record. A text that may be a key is none.
        Err(refusal) if refusal.status == 404 && virtual_key::parse_hex(key).is_none() => {
            Ok(key.to_owned())
        }
        Err(refusal) => Err(refusal),
    }
}

/// Shows the log.
pub(in crate::admin) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/spend/logs",
        Reach::Anyone,
        "The log of requests: summed up by day between two dates, else rows, the newest first.",
    )
    .of_litellm();
    type Query = LogQuery;
    type Body = Anything;
    type Answer = Vec<Object>;

    async fn run(call: Call, query: LogQuery, _: Anything) -> Result<Vec<Object>, Refusal> {
        let days = Days {
            start_date: query.start_date,
            end_date: query.end_date,
        };
        let mut which = days.which();
        which.user = query.user_id;
        if let Some(key) = &query.api_key {
            which.account = Some(account(&call, key).await?);
        }
        of_caller(&call.caller, &mut which)?;
        let has_both = query.start_date.is_some() && query.end_date.is_some();
        if has_both && query.summarize.unwrap_or(true) && query.request_id.is_none() {
            return by_day(&call, &which, &days).await;
        }
        let size = query.page_size.map_or(100, |size| size.0);
        let page = query.page.map_or(1, |page| page.0);
        if !(1..=MAX_ROWS).contains(&size) || !(1..=MAX_PAGES).contains(&page) {
            let message = format!(
                "`page_size` is a number from 1 to {MAX_ROWS}, `page` one from 1 to {MAX_PAGES}; further back \
                 say `end_date`."
            );
            return Err(Refusal::invalid(Some("page_size"), message));
        }
        let mut rows = Rows {
            which,
            id: query.request_id,
            limit: i64::try_from(size).unwrap_or(100),
            ..Rows::default()
        };
        let store = call.store()?;
        let mut found = store.log(&rows).await?;
        for _ in 1..page {
            let Some(last) = found.last() else { break };
            rows.before = Some((last.at, last.id.clone()));
            found = store.log(&rows).await?;
        }
        Ok(found.iter().map(row).collect())
    }
}

/// A request: `LiteLLM_SpendLogs`.
fn row(row: &RequestRow) -> Object {
    let status = match row.status < 400 && row.error.is_none() {
        true => "success",
        false => "failure",
    };
    let (input, output) = (
        row.input_tokens.unwrap_or(0),
        row.output_tokens.unwrap_or(0),
    );
    let first_byte = row.first_byte_us.map(|us| row.at + us / 1000);
    let is_hit = matches!(row.cache.as_deref(), Some("hit" | "coalesced" | "semantic"));
    object(json!({
        "request_id": row.id, "call_type": call_type(&row.path), "api_key": row.token.as_ref().or(row.account.as_ref()),
        "spend": row.cost.map(rows::dollars).unwrap_or(json!(0.0)),
        "total_tokens": input + output, "prompt_tokens": input, "completion_tokens": output,
        "startTime": Time(row.at), "endTime": Time(row.at + row.latency_us / 1000),
        "request_duration_ms": row.latency_us / 1000, "completionStartTime": first_byte.map(Time),
        "model": row.served_model.as_ref().or(row.model.as_ref()), "model_id": null,
        "model_group": row.model, "custom_llm_provider": row.provider, "api_base": "",
        "user": row.user_id.as_deref().unwrap_or(""), "metadata": {
            "user_api_key_alias": row.key_label, "user_api_key_team_id": row.team_id,
            "attempts": row.attempts, "error": row.error, "status_code": row.status,
            "usage_object": usage(row), "service_tier": row.service, "estimated": row.is_estimated,
            "stated_cost": row.stated_cost.map(rows::dollars), "cost_known": row.cost.is_some(),
        },
        "cache_hit": if is_hit { "True" } else { "False" }, "cache_key": null,
        "request_tags": row.tags, "team_id": row.team_id, "organization_id": row.organization_id,
        "end_user": row.end_user, "requester_ip_address": null, "messages": {}, "response": {},
        "session_id": null, "status": status, "mcp_namespaced_tool_name": null, "agent_id": null,
        "proxy_server_request": {},
    }))
}

/// What the request used, as OpenAI's dialect has it with LiteLLM's members for the rest; `null` where that is not
/// known.
fn usage(row: &RequestRow) -> Value {
    let (Some(input), Some(output)) = (row.input_tokens, row.output_tokens) else {
        return Value::Null;
    };
    let kinds = &row.kinds;
    let written = row.cache_write_tokens.unwrap_or(0);
    let for_an_hour = kinds.cache_write_1h_tokens.unwrap_or(0);
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "cache_read_input_tokens": row.cached_tokens, "cache_creation_input_tokens": written,
        "prompt_tokens_details": {
            "cached_tokens": row.cached_tokens, "audio_tokens": kinds.audio_input_tokens,
            "cached_audio_tokens": kinds.cached_audio_tokens, "image_tokens": kinds.image_input_tokens,
            "unbilled_tokens": kinds.unbilled_input_tokens,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": written - for_an_hour,
                "ephemeral_1h_input_tokens": for_an_hour,
            },
        },
        "completion_tokens_details": {
            "reasoning_tokens": row.reasoning_tokens, "audio_tokens": kinds.audio_output_tokens,
            "image_tokens": kinds.image_output_tokens, "unbilled_tokens": kinds.unbilled_output_tokens,
        },
        "server_tool_use": {"web_search_requests": kinds.searches},
    })
}

/// LiteLLM's name for what a route does.
pub(super) fn call_type(path: &str) -> &'static str {
    let tail = path.strip_prefix("/v1").unwrap_or(path);
    match tail {
        "/chat/completions" => "acompletion",
        "/completions" => "atext_completion",
        "/embeddings" => "aembedding",
        "/responses" => "aresponses",
        "/messages" => "anthropic_messages",
        _ => "acompletion",
    }
}

/// A day's sums.
#[derive(Default)]
struct DaySum {
    spend: f64,
    keys: BTreeMap<String, f64>,
    users: BTreeMap<String, f64>,
    models: BTreeMap<String, f64>,
}

async fn by_day(call: &Call, which: &Which, days: &Days) -> Result<Vec<Object>, Refusal> {
    let store = call.store()?;
    let by = [By::Day, By::Key, By::User, By::Model];
    let sums = store.report(which, &by, MAX_SUMS).await?;
    let mut by_day: BTreeMap<i64, DaySum> = BTreeMap::new();
    for sum in &sums {
        let [day, key, user, model] = sum.of.as_slice() else {
            continue;
        };
        let spend = sum.cost.dollars();
        let of_day = by_day.entry(day.parse().unwrap_or(0)).or_default();
        of_day.spend += spend;
        *of_day.keys.entry(key.clone()).or_default() += spend;
        *of_day.users.entry(user.clone()).or_default() += spend;
        *of_day.models.entry(model.clone()).or_default() += spend;
    }
    let tokens = tokens(call, by_day.values().flat_map(|day| day.keys.keys())).await?;
    let mut rows: Vec<Object> = by_day
        .iter()
        .map(|(day, sum)| {
            let mut row = object(json!({
                "startTime": Time(*day).day(), "spend": sum.spend, "users": sum.users,
                "models": sum.models,
            }));
            for (key, spend) in &sum.keys {
                let name = tokens.get(key).unwrap_or(key);
                row.insert(name.clone(), json!(spend));
            }
            row
        })
        .collect();
    // Days without requests after the last one that has some.
    if let (Some((last, _)), Some(end)) = (by_day.last_key_value(), days.end_date) {
        let mut day = last + DAY;
        while day <= end.0 && rows.len() < 4000 {
            rows.push(object(json!({
                "startTime": Time(day).day(), "spend": 0, "users": {}, "models": {},
            })));
            day += DAY;
        }
    }
    Ok(rows)
}

/// The hashes of keys, by their ids.
pub(super) async fn tokens(
    call: &Call,
    ids: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut ids: Vec<String> = ids.filter(|id| !id.is_empty()).cloned().collect();
    ids.sort_unstable();
    ids.dedup();
    let store = call.store()?;
    let mut tokens = BTreeMap::new();
    for some in ids.chunks(500) {
        let list = List::default().any_of("id", some.to_vec());
        for key in store.list::<Key>(&list).await? {
            tokens.insert(key.id.clone(), key.token());
        }
    }
    Ok(tokens)
}

/// The labels and masked texts of keys, by their ids.
pub(super) async fn keys(call: &Call, ids: Vec<String>) -> Result<BTreeMap<String, Key>, Refusal> {
    let list = List::default().any_of("id", ids);
    let keys = call.store()?.list::<Key>(&list).await?;
    Ok(keys.into_iter().map(|key| (key.id.clone(), key)).collect())
}

/// A value, or null where it is empty.
pub(super) fn or_null(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => text.into(),
    }
}
