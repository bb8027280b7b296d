//! The end of a key: revoked, it is kept and never taken again; deleted, nothing is known of it.

use super::{
    super::{Kind, Store, StoreError, Transaction, now, sql},
    Key, hash,
};
use crate::identity::virtual_key;

impl Store {
    /// Revokes a key, for good. One that is revoked already stays so.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_key(&self, id: &str, by: Option<&str>) -> Result<Key, StoreError> {
        self.update::<Key>(id, by, |key| {
            key.revoked_at.get_or_insert_with(now);
            Ok(())
        })
        .await
    }

    /// Blocks a key, or lets it be used again.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn block_key(
        &self,
        id: &str,
        is_blocked: bool,
        by: Option<&str>,
    ) -> Result<Key, StoreError> {
        self.update::<Key>(id, by, |key| {
            key.blocked = is_blocked;
            Ok(())
        })
        .await
    }

    /// Deletes a key, and answers what it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_key(&self, id: &str) -> Result<Key, StoreError> {
        let mut transaction = self.begin().await?;
        let key: Key = transaction.hold(id).await?;
        let mut changes = retired(&mut transaction, id).await?;
        changes.push(key.token());
        transaction.remove(&key).await?;
        transaction.changed(Kind::Key, &changes).await?;
        transaction.commit().await?;
        Ok(key)
    }
}

/// What a key was before it was rotated: with its record these go too.
async fn retired(transaction: &mut Transaction, id: &str) -> Result<Vec<String>, StoreError> {
    let read = "SELECT hash FROM retired_keys WHERE key_id = $1";
    let rows = transaction.all(sql(read).bind(id)).await?;
    let hex = |row: &super::super::Row| Ok(virtual_key::hex(&hash(&row.bytes("hash")?)?));
    rows.iter().map(hex).collect()
}
