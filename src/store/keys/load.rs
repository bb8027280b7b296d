//! Keys as requests need them, read in bulk: a million of them at the start, one after a change.

use futures::{Stream, TryStreamExt};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{
    super::{Store, StoreError, postgres::timely},
    hash, pages,
};
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

/// How many keys are asked for at once.
const AT_ONCE: usize = 250;

/// What there is of some hashes: as they are, as they were, and what others of theirs were.
const OF_HASHES: [&str; 3] = [
    "SELECT k.hash, {} FROM keys k WHERE k.hash IN ({places})",
    "SELECT r.hash, {}, r.valid_until FROM retired_keys r JOIN keys k ON k.id = r.key_id \
     WHERE r.hash IN ({places})",
    "SELECT r.hash, {}, r.valid_until FROM keys k JOIN retired_keys r ON r.key_id = k.id \
     WHERE k.hash IN ({places})",
];

impl Store {
    /// Reads all keys, and what they were before they were rotated.
    ///
    /// # Errors
    /// `Away` and `Unreadable`; by then some have been given to `each`.
    pub async fn load_keys(&self, mut each: impl FnMut(LoadedKey<'_>)) -> Result<(), StoreError> {
        if !self.gives_pages(&mut each).await {
            let keys = "SELECT k.hash, {} FROM keys k";
            self.load(keys, &[], &mut each).await?;
        }
        let retired = "SELECT r.hash, {}, r.valid_until FROM retired_keys r \
                       JOIN keys k ON k.id = r.key_id";
        self.load(retired, &[], &mut each).await
    }

    /// Reads the keys of those hashes, and what they were before they were rotated. Nothing is given to
    /// `each` for a hash that is no key's.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn load_some_keys(
        &self,
        hashes: &[Hash],
        mut each: impl FnMut(LoadedKey<'_>),
    ) -> Result<(), StoreError> {
        for hashes in hashes.chunks(AT_ONCE) {
            // Of two lengths alone, so that the statements are prepared once.
            let length = if hashes.len() == 1 { 1 } else { AT_ONCE };
            let places: Vec<String> = (1..=length).map(|at| format!("${at}")).collect();
            let places = places.join(", ");
            let last = hashes.last().into_iter().cycle();
            let hashes: Vec<Hash> = hashes.iter().chain(last).take(length).copied().collect();
            for text in OF_HASHES {
                let text = text.replace("{places}", &places);
                self.load(&text, &hashes, &mut each).await?;
            }
        }
        Ok(())
    }

    /// Whether all keys could be read the fast way. Where they could not, the slow one tells which are
    /// damaged, and what is wrong with the store.
    async fn gives_pages(&self, each: &mut impl FnMut(LoadedKey<'_>)) -> bool {
        match self.sqlite() {
            Some(pool) => pages::load(pool, each).await.is_ok(),
            None => false,
        }
    }

    async fn load(
        &self,
        text: &str,
        of: &[Hash],
        each: &mut impl FnMut(LoadedKey<'_>),
    ) -> Result<(), StoreError> {
        let text = text.replace("{}", OF_KEY);
        let bytes: Vec<Vec<u8>> = of.iter().map(|hash| hash.to_vec()).collect();
        let bytes = bytes.into_iter();
        match (self.sqlite(), self.postgres()) {
            (Some(pool), _) => {
                let query = bytes.fold(sqlx::query(&text), sqlx::query::Query::bind);
                give(query.fetch(pool), each).await
            }
            (None, Some(pool)) => {
                let query = bytes.fold(sqlx::query(&text), sqlx::query::Query::bind);
                let given = give(query.fetch(&pool), each).await;
                self.judge(&pool, &given);
                given
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
    while let Some(row) = timely(async { Ok(rows.try_next().await?) }).await? {
        // One that cannot be read is nobody's: it holds up no other.
        match loaded(&row) {
            Ok(key) => each(key),
            Err(error) => log::error!("{error}; it is refused"),
        }
    }
    Ok(())
}

fn loaded<R>(row: &R) -> Result<LoadedKey<'_>, StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let read = || {
        let is_retired = row.len() > 13;
        let revoked: Option<i64> = row.try_get(11)?;
        let hash: &[u8] = row.try_get(0)?;
        let key = LoadedKey {
            hash: Hash::default(),
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
        };
        Ok((hash, key))
    };
    let (bytes, key) = read().map_err(|error: sqlx::Error| StoreError::Unreadable {
        what: "key",
        why: error.to_string(),
    })?;
    Ok(LoadedKey {
        hash: hash(bytes)?,
        ..key
    })
}
