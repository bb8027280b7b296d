//! Finding a key by whatever people have of it: its id, its text, its hash, its label.

use super::{
    super::{List, Store, StoreError, sql},
    Key,
};
use crate::identity::virtual_key::{self, Form, Hash};

impl Store {
    /// The key that is meant.
    ///
    /// # Errors
    /// `NotFound`, and `Ambiguous` where several keys have that label.
    pub async fn find_key(&self, reference: &str) -> Result<Key, StoreError> {
        if let Some(key) = self.find::<Key>(reference).await? {
            return Ok(key);
        }
        if let Some(hash) = virtual_key::parse_hex(reference)
            && let Some(key) = self.find_key_by_hash(&hash).await?
        {
            return Ok(key);
        }
        let of_text = virtual_key::hash(reference);
        if let Some(key) = self.find_key_by_hash(&of_text).await? {
            return Ok(key);
        }
        let labelled = List::default().equals("label", reference).page(20, 0);
        let mut keys = self.list::<Key>(&labelled).await?;
        // Of several one that may still be used is meant.
        if keys.len() > 1 && keys.iter().any(|key| key.revoked_at.is_none()) {
            keys.retain(|key| key.revoked_at.is_none());
        }
        let ids = || {
            let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
            ids.join(", ")
        };
        match keys.len() {
            0 => Err(StoreError::not_found("key", &shown(reference))),
            1 => keys
                .pop()
                .ok_or_else(|| StoreError::not_found("key", &shown(reference))),
            _ => Err(StoreError::Ambiguous {
                what: "key",
                reference: reference.to_owned(),
                ids: ids(),
            }),
        }
    }

    /// The key of that hash, be it one from before a rotation.
    ///
    /// # Errors
    /// `Away`.
    pub async fn find_key_by_hash(&self, hash: &Hash) -> Result<Option<Key>, StoreError> {
        let look = "SELECT id FROM keys WHERE hash = $1 \
                    UNION ALL SELECT key_id AS id FROM retired_keys WHERE hash = $1";
        match self.first(sql(look).bind(*hash)).await? {
            Some(row) => self.find(&row.text("id")?).await,
            None => Ok(None),
        }
    }
}

/// What was asked for, where it cannot be a key.
fn shown(reference: &str) -> String {
    let is_name = virtual_key::form(reference) == Form::Foreign && !reference.starts_with("sk-");
    match is_name {
        true => reference.to_owned(),
        false => virtual_key::masked(reference),
    }
}
