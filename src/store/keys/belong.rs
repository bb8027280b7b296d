//! The keys that belong to a record, and the end of that record: without it they would be free of its limits.

use super::{
    super::{Record, Store, StoreError, Transaction, sql},
    Key,
};

/// How many keys are looked for at once.
const MAX_AT_ONCE: i64 = 10_000;

impl Store {
    /// Deletes a record to which keys belong by `column`. Those that may still be used are deleted with it,
    /// or keep it from being deleted. Answers what it was, and how many keys went.
    ///
    /// # Errors
    /// `NotFound`; `Used` where keys belong to it that are not to go.
    pub async fn delete_owner<R: Record>(
        &self,
        id: &str,
        column: &'static str,
        with_keys: bool,
    ) -> Result<(R, usize), StoreError> {
        let mut transaction = self.begin().await?;
        let record: R = transaction.hold(id).await?;
        let mut count = 0;
        loop {
            let keys = transaction.keys_of(column, id, with_keys).await?;
            if keys.is_empty() {
                break;
            }
            if !with_keys {
                return Err(StoreError::Used {
                    what: R::WHAT,
                    reference: id.to_owned(),
                    count: keys.len(),
                });
            }
            count += keys.len();
            for key in &keys {
                transaction.delete_key(key).await?;
            }
        }
        transaction.remove(&record).await?;
        transaction.changed(R::KIND, record.changes());
        transaction.commit().await?;
        Ok((record, count))
    }
}

impl Transaction {
    /// The ids of the keys that belong to a record; of those that may still be used, or of all.
    async fn keys_of(
        &mut self,
        column: &'static str,
        id: &str,
        revoked_too: bool,
    ) -> Result<Vec<String>, StoreError> {
        let which = match revoked_too {
            true => "",
            false => " AND revoked_at IS NULL",
        };
        let table = Key::TABLE;
        let look =
            format!("SELECT id FROM {table} WHERE {column} = $1{which} ORDER BY id LIMIT $2");
        let rows = self.all(sql(look).bind(id).bind(MAX_AT_ONCE)).await?;
        rows.iter().map(|row| row.text("id")).collect()
    }
}

#[cfg(test)]
mod tests;
