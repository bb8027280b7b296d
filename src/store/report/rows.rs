//! Rows of requests, the newest first, a page at a time. A page begins after the last row of the one
//! before, so that the thousandth is as cheap as the first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{Row, Store, StoreError, sql},
    Which,
};
use crate::{identity::virtual_key, price::Usd};

/// A finished request as the store has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestRow {
    /// Its id.
    pub id: String,
    /// When its head had arrived, in milliseconds since 1970.
    pub at: i64,
    /// What keys are told apart by.
    pub account: Option<String>,
    /// The key's hash in hexadecimal digits, where the store has the key.
    pub token: Option<String>,
    /// What people called the key.
    pub key_label: Option<String>,
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
    /// The attempts as JSON, where there is more to say than that one went well.
    pub tried: Option<String>,
    /// The status that the client saw.
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
    /// The other kinds of what was used; `None` where a row is from before they were kept.
    pub kinds: Kinds,
    /// How the provider says that it served.
    pub service: Option<String>,
    /// What the provider itself says that it cost.
    pub stated_cost: Option<Usd>,
    /// What each of several calls used, as JSON.
    pub parts: Option<String>,
    /// Whether the gateway counted the tokens itself.
    pub is_estimated: bool,
    /// What it cost, where that is known.
    pub cost: Option<Usd>,
    /// How long it took, in microseconds.
    pub latency_us: i64,
    /// How long its first byte took, in microseconds.
    pub first_byte_us: Option<i64>,
    /// What of that was the gateway's own time.
    pub overhead_us: i64,
    /// Bytes of its body.
    pub bytes_in: i64,
    /// Bytes of the answer's.
    pub bytes_out: i64,
}

/// Kinds of usage that most requests have nothing of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kinds {
    /// Those of the tokens written to the provider's cache that it keeps for an hour.
    pub cache_write_1h_tokens: Option<i64>,
    /// Tokens of the prompt that were heard.
    pub audio_input_tokens: Option<i64>,
    /// Those of them that the provider's cache had.
    pub cached_audio_tokens: Option<i64>,
    /// Tokens of the answer that were spoken.
    pub audio_output_tokens: Option<i64>,
    /// Tokens of the prompt that were seen.
    pub image_input_tokens: Option<i64>,
    /// Tokens of the answer that were drawn.
    pub image_output_tokens: Option<i64>,
    /// Searches that the provider made.
    pub searches: Option<i64>,
    /// Tokens of the prompt that the provider counts and does not bill.
    pub unbilled_input_tokens: Option<i64>,
    /// The same of the answer.
    pub unbilled_output_tokens: Option<i64>,
}

impl Kinds {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Kinds {
            cache_write_1h_tokens: row.optional_integer("cache_write_1h_tokens")?,
            audio_input_tokens: row.optional_integer("audio_input_tokens")?,
            cached_audio_tokens: row.optional_integer("cached_audio_tokens")?,
            audio_output_tokens: row.optional_integer("audio_output_tokens")?,
            image_input_tokens: row.optional_integer("image_input_tokens")?,
            image_output_tokens: row.optional_integer("image_output_tokens")?,
            searches: row.optional_integer("searches")?,
            unbilled_input_tokens: row.optional_integer("unbilled_input_tokens")?,
            unbilled_output_tokens: row.optional_integer("unbilled_output_tokens")?,
        })
    }
}

/// Which rows, and where the page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Which requests.
    pub which: Which,
    /// The one of that id alone.
    pub id: Option<String>,
    /// Those that ended with that status.
    pub status: Option<i64>,
    /// Those that failed, or those that did not.
    pub failed: Option<bool>,
    /// Those that came before: the time and the id of the last row of the page before.
    pub before: Option<(i64, String)>,
    /// How many at most.
    pub limit: i64,
}

impl Store {
    /// A page of rows.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn log(&self, rows: &Rows) -> Result<Vec<RequestRow>, StoreError> {
        let mut statement = sql("SELECT r.*, CAST(r.cost AS TEXT) AS cost_text, \
             CAST(r.stated_cost AS TEXT) AS stated_cost_text, k.hash AS key_hash FROM requests r \
             LEFT JOIN keys k ON k.id = r.account WHERE 1 = 1");
        rows.which.conditions(&mut statement, "at", "served_model");
        if let Some(id) = &rows.id {
            let at = statement.push(id);
            statement.append(&format!(" AND r.id = ${at}"));
        }
        if let Some(status) = rows.status {
            let at = statement.push(status);
            statement.append(&format!(" AND r.status = ${at}"));
        }
        match rows.failed {
            Some(true) => statement.append(" AND (r.status >= 400 OR r.error IS NOT NULL)"),
            Some(false) => statement.append(" AND r.status < 400 AND r.error IS NULL"),
            None => {}
        }
        if let Some((time, id)) = &rows.before {
            let (time, id) = (statement.push(*time), statement.push(id));
            statement.append(&format!(" AND (r.at, r.id) < (${time}, ${id})"));
        }
        let limit = statement.push(rows.limit);
        statement.append(&format!(" ORDER BY r.at DESC, r.id DESC LIMIT ${limit}"));
        self.all(statement).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<RequestRow, StoreError> {
    let tags = row.optional_text("tags")?;
    let tags = tags.and_then(|tags| serde_json::from_str(&tags).ok());
    let hash = row.optional_bytes("key_hash")?;
    let hash = hash.and_then(|bytes| bytes.try_into().ok());
    Ok(RequestRow {
        id: row.text("id")?,
        at: row.integer("at")?,
        account: row.optional_text("account")?,
        token: hash.map(|hash| virtual_key::hex(&hash)),
        key_label: row.optional_text("key_label")?,
        team_id: row.optional_text("team_id")?,
        user_id: row.optional_text("user_id")?,
        project_id: row.optional_text("project_id")?,
        organization_id: row.optional_text("organization_id")?,
        end_user: row.optional_text("end_user")?,
        tags: tags.unwrap_or_default(),
        path: row.text("path")?,
        dialect: row.text("dialect")?,
        model: row.optional_text("model")?,
        provider: row.optional_text("provider")?,
        served_model: row.optional_text("served_model")?,
        attempts: row.integer("attempts")?,
        tried: row.optional_text("tried")?,
        status: row.integer("status")?,
        error: row.optional_text("error")?,
        cache: row.optional_text("cache")?,
        stream: row.flag("stream")?,
        input_tokens: row.optional_integer("input_tokens")?,
        output_tokens: row.optional_integer("output_tokens")?,
        cached_tokens: row.optional_integer("cached_tokens")?,
        cache_write_tokens: row.optional_integer("cache_write_tokens")?,
        reasoning_tokens: row.optional_integer("reasoning_tokens")?,
        kinds: Kinds::read(row)?,
        service: row.optional_text("service")?,
        stated_cost: row.optional_amount("stated_cost_text")?,
        parts: row.optional_text("parts")?,
        is_estimated: row.flag("estimated")?,
        cost: row.optional_amount("cost_text")?,
        latency_us: row.integer("latency_us")?,
        first_byte_us: row.optional_integer("first_byte_us")?,
        overhead_us: row.integer("overhead_us")?,
        bytes_in: row.integer("bytes_in")?,
        bytes_out: row.integer("bytes_out")?,
    })
}
