//! The end of a key: revoked, it is kept and never taken again; deleted, nothing is known of it.

use super::{
    super::{Kind, Record, Row, Store, StoreError, Transaction, now, sql},
    Key, hash,
};
use crate::identity::virtual_key;

impl Store {
    /// Revokes a key, for good. One that is revoked already stays so.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_key(&self, id: &str, by: Option<&str>) -> Result<Key, StoreError> {
        let mut transaction = self.begin().await?;
        let key = transaction.revoke_key(id, by).await?;
        transaction.commit().await?;
        Ok(key)
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
        let mut transaction = self.begin().await?;
        let mut key: Key = transaction.hold(id).await?;
        key.blocked = is_blocked;
        transaction.put_end(&mut key, by).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Deletes a key, and answers what it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_key(&self, id: &str) -> Result<Key, StoreError> {
        let mut transaction = self.begin().await?;
        let key = transaction.delete_key(id).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Forgets some texts that keys had until they were rotated away, and that have not been taken since
    /// that time; answers how many.
    ///
    /// # Errors
    /// `Away`.
    pub async fn forget_retired(&self, before: i64, most: u32) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        let look = "SELECT hash FROM retired_keys WHERE valid_until < $1 LIMIT $2";
        let look = sql(look).bind(before).bind(i64::from(most));
        let rows = transaction.all(look).await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let retired = row.bytes("hash")?;
            changes.push(virtual_key::hex(&hash(&retired)?));
            let forget = "DELETE FROM retired_keys WHERE hash = $1";
            transaction.run(sql(forget).bind(retired)).await?;
        }
        let count = changes.len();
        transaction.changed(Kind::Key, changes);
        transaction.commit().await?;
        Ok(count)
    }
}

impl Transaction {
    /// Revokes a key, for good. One that is revoked already stays so.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_key(&mut self, id: &str, by: Option<&str>) -> Result<Key, StoreError> {
        let mut key: Key = self.hold(id).await?;
        if key.revoked_at.is_none() {
            key.revoked_at = Some(now());
            self.put_end(&mut key, by).await?;
        }
        Ok(key)
    }

    /// Deletes a key, and what it was before it was rotated; answers what it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_key(&mut self, id: &str) -> Result<Key, StoreError> {
        let key: Key = self.hold(id).await?;
        let read = "SELECT hash FROM retired_keys WHERE key_id = $1";
        let rows = self.all(sql(read).bind(id)).await?;
        let hex = |row: &Row| Ok(virtual_key::hex(&hash(&row.bytes("hash")?)?));
        let mut changes: Vec<String> = rows.iter().map(hex).collect::<Result<_, StoreError>>()?;
        changes.push(key.token());
        self.remove(&key).await?;
        self.changed(Kind::Key, changes);
        Ok(key)
    }

    /// Writes whether a key may be used, and nothing else: its terms may be such as cannot be read.
    async fn put_end(&mut self, key: &mut Key, by: Option<&str>) -> Result<(), StoreError> {
        key.stamps.updated_at = now();
        if let Some(by) = by {
            key.stamps.updated_by = Some(by.to_owned());
        }
        let put = "UPDATE keys SET blocked = $2, revoked_at = $3, updated_at = $4, updated_by = $5 \
                   WHERE id = $1";
        let put = sql(put).bind(&key.id).bind(key.blocked);
        let put = put.bind(key.revoked_at).bind(key.stamps.updated_at);
        self.run(put.bind(key.stamps.updated_by.clone())).await?;
        self.changed(Kind::Key, key.changes());
        Ok(())
    }
}
