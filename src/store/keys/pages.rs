//! All keys of a SQLite store, a thousand in a row of the answer: what a row costs on its way out of the
//! database is more than what a key does.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::task;

use super::{super::StoreError, LoadedKey};
use crate::identity::virtual_key;

/// How many keys a row holds at most.
const PAGE: i64 = 1000;
/// How many pages are read at once, each over a connection of its own.
const READERS: usize = 3;

const LAST: &str = "SELECT coalesce(max(rowid), 0) FROM keys";
const KEYS: &str = "SELECT json_group_array(json_array(hex(hash), id, label, user_id, team_id, \
    project_id, organization_id, budget_id, terms, blocked, expires_at, revoked_at, created_at)) \
    FROM keys WHERE rowid > $1 AND rowid <= $2";

/// A key as its page has it, in the order of [`KEYS`].
#[derive(Deserialize)]
struct Line {
    hash: Box<str>,
    id: Box<str>,
    label: Option<Box<str>>,
    user_id: Option<Box<str>>,
    team_id: Option<Box<str>>,
    project_id: Option<Box<str>>,
    organization_id: Option<Box<str>>,
    budget_id: Option<Box<str>>,
    terms: Box<str>,
    blocked: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl Line {
    fn key(&self) -> Option<LoadedKey<'_>> {
        Some(LoadedKey {
            hash: virtual_key::parse_hex(&self.hash)?,
            id: &self.id,
            label: self.label.as_deref(),
            user_id: self.user_id.as_deref(),
            team_id: self.team_id.as_deref(),
            project_id: self.project_id.as_deref(),
            organization_id: self.organization_id.as_deref(),
            budget_id: self.budget_id.as_deref(),
            terms: &self.terms,
            blocked: self.blocked != 0,
            revoked: self.revoked_at.is_some(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            retires_at: None,
        })
    }
}

/// Gives all keys to `each`.
///
/// # Errors
/// `Away`; `Unreadable` where a page or one of its lines cannot be read, which those after it are not then.
pub(super) async fn load(
    pool: &SqlitePool,
    each: &mut impl FnMut(LoadedKey<'_>),
) -> Result<(), StoreError> {
    let last: i64 = sqlx::query_scalar(LAST).fetch_one(pool).await?;
    let starts = (0..last).step_by(PAGE as usize);
    let pages = starts.map(|start| async move {
        let query = sqlx::query_scalar::<_, String>(KEYS)
            .bind(start)
            .bind(start + PAGE);
        let page = query.fetch_one(pool).await?;
        // On another thread: what is left for this one is more than half of the work.
        let lines = task::spawn_blocking(move || serde_json::from_str::<Vec<Line>>(&page));
        match lines.await {
            Ok(lines) => lines.map_err(unreadable),
            Err(error) => Err(unreadable(error)),
        }
    });
    let mut pages = stream::iter(pages).buffer_unordered(READERS);
    while let Some(lines) = pages.try_next().await? {
        for line in &lines {
            each(line.key().ok_or_else(|| unreadable("a hash is none"))?);
        }
    }
    Ok(())
}

fn unreadable(why: impl ToString) -> StoreError {
    StoreError::Unreadable {
        what: "key",
        why: why.to_string(),
    }
}
