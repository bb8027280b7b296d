//! Keys as requests need them, read in bulk: a million of them at the start, one after a change.

use futures::{Stream, TryStreamExt};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{super::Store, super::StoreError, hash};
use crate::identity::virtual_key::Hash;

/// What requests need of a key. Borrowed from the row, for most of it is said of other keys too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedKey<'r> {
    /// SHA-256 of its text.
    pub hash: Hash,
    /// Its id.
    pub id: &'r str,
    /// What people call it.
    pub label: Option<&'r str>,
    /// Whose it is.
    pub user_id: Option<&'r str>,
    /// Its team.
    pub team_id: Option<&'r str>,
    /// Its project.
    pub project_id: Option<&'r str>,
    /// Its organization.
    pub organization_id: Option<&'r str>,
    /// Terms that it shares.
    pub budget_id: Option<&'r str>,
    /// Its terms, as JSON.
    pub terms: &'r str,
    /// Whether it may not be used for now.
    pub blocked: bool,
    /// Whether it may never be used again.
    pub revoked: bool,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When the text of before a rotation ends.
    pub retires_at: Option<i64>,
}

const OF_KEY: &str = "k.id, k.label, k.user_id, k.team_id, k.project_id, k.organization_id, \
    k.budget_id, k.terms, k.blocked, k.expires_at, k.revoked_at, k.created_at";

impl Store {
    /// Reads all keys, and what they were before they were rotated.
    ///
    /// # Errors
    /// `Away` and `Unreadable`; by then some have been given to `each`.
    pub async fn load_keys(&self, mut each: impl FnMut(LoadedKey<'_>)) -> Result<(), StoreError> {
        self.load("SELECT k.hash, {} FROM keys k", None, &mut each)
            .await?;
        let retired = "SELECT r.hash, {}, r.valid_until FROM retired_keys r \
                       JOIN keys k ON k.id = r.key_id";
        self.load(retired, None, &mut each).await
    }

    /// Reads the key of that hash, and what it was before it was rotated. Nothing is given to `each`
    /// where there is none.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn load_key(
        &self,
        hash: &Hash,
        mut each: impl FnMut(LoadedKey<'_>),
    ) -> Result<(), StoreError> {
        let current = "SELECT k.hash, {} FROM keys k WHERE k.hash = $1";
        self.load(current, Some(hash), &mut each).await?;
        let retired = "SELECT r.hash, {}, r.valid_until FROM retired_keys r \
                       JOIN keys k ON k.id = r.key_id WHERE r.hash = $1 OR k.hash = $1";
        self.load(retired, Some(hash), &mut each).await
    }

    async fn load(
        &self,
        text: &str,
        of: Option<&Hash>,
        each: &mut impl FnMut(LoadedKey<'_>),
    ) -> Result<(), StoreError> {
        let text = text.replace("{}", OF_KEY);
        let bytes = of.map(|hash| hash.to_vec());
        match (self.sqlite(), self.postgres()) {
            (Some(pool), _) => {
                let query = sqlx::query(&text);
                let query = bytes.into_iter().fold(query, sqlx::query::Query::bind);
                give(query.fetch(pool), each).await
            }
            (None, Some(pool)) => {
                let query = sqlx::query(&text);
                let query = bytes.into_iter().fold(query, sqlx::query::Query::bind);
                give(query.fetch(pool), each).await
            }
            (None, None) => Ok(()),
        }
    }
}

async fn give<R>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    each: &mut impl FnMut(LoadedKey<'_>),
) -> Result<(), StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    while let Some(row) = rows.try_next().await? {
        let is_retired = row.len() > 13;
        let revoked: Option<i64> = row.try_get(11)?;
        each(LoadedKey {
            hash: hash(row.try_get::<&[u8], _>(0)?)?,
            id: row.try_get(1)?,
            label: row.try_get(2)?,
            user_id: row.try_get(3)?,
            team_id: row.try_get(4)?,
            project_id: row.try_get(5)?,
            organization_id: row.try_get(6)?,
            budget_id: row.try_get(7)?,
            terms: row.try_get(8)?,
            blocked: row.try_get(9)?,
            expires_at: row.try_get(10)?,
            revoked: revoked.is_some(),
            created_at: row.try_get(12)?,
            retires_at: match is_retired {
                true => row.try_get(13)?,
                false => None,
            },
        });
    }
    Ok(())
}
