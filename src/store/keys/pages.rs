//! All keys of a SQLite store, a thousand in a row of the answer: what a row costs on its way out of the
//! database is more than what a key does.

use std::borrow::Cow;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use sqlx::SqlitePool;

use super::{super::StoreError, LoadedKey};
use crate::identity::virtual_key;

/// How many keys a row holds at most.
const PAGE: i64 = 1000;
/// How many pages are read at once, each over a connection of its own.
const READERS: usize = 2;

const LAST: &str = "SELECT coalesce(max(rowid), 0) FROM keys";
const KEYS: &str = "SELECT json_group_array(json_array(hex(hash), id, label, user_id, team_id, \
    project_id, organization_id, budget_id, terms, blocked, expires_at, revoked_at, created_at)) \
    FROM keys WHERE rowid > $1 AND rowid <= $2";

/// Text, borrowed from the page unless something in it was escaped.
#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

/// A key as its page has it, in the order of [`KEYS`].
#[derive(Deserialize)]
struct Line<'l> {
    hash: &'l str,
    #[serde(borrow)]
    id: Text<'l>,
    #[serde(borrow)]
    label: Option<Text<'l>>,
    #[serde(borrow)]
    user_id: Option<Text<'l>>,
    #[serde(borrow)]
    team_id: Option<Text<'l>>,
    #[serde(borrow)]
    project_id: Option<Text<'l>>,
    #[serde(borrow)]
    organization_id: Option<Text<'l>>,
    #[serde(borrow)]
    budget_id: Option<Text<'l>>,
    #[serde(borrow)]
    terms: Text<'l>,
    blocked: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl Line<'_> {
    fn key(&self) -> Option<LoadedKey<'_>> {
        fn text<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
            text.as_ref().map(|text| &*text.0)
        }
        Some(LoadedKey {
            hash: virtual_key::parse_hex(self.hash)?,
            id: &self.id.0,
            label: text(&self.label),
            user_id: text(&self.user_id),
            team_id: text(&self.team_id),
            project_id: text(&self.project_id),
            organization_id: text(&self.organization_id),
            budget_id: text(&self.budget_id),
            terms: &self.terms.0,
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
        query.fetch_one(pool).await
    });
    let mut pages = stream::iter(pages).buffer_unordered(READERS);
    while let Some(page) = pages.try_next().await? {
        let lines: Vec<Line<'_>> = serde_json::from_str(&page).map_err(unreadable)?;
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
