//! Making a key, and making it anew.

use super::{
    super::{Kind, Record, Store, StoreError, now, sql},
    Key,
};
use crate::{
    identity::virtual_key::{self, Hash},
    secret::Secret,
};

/// How a key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// All but what the store fills in: id, hash, stamps.
    pub key: Key,
    /// Its text, where somebody wants a certain one.
    pub custom: Option<Secret>,
}

/// A key that has been made, and its text: the only time that it is seen.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its text.
    pub secret: Secret,
    /// Its record.
    pub key: Key,
}

/// A new key's text.
fn secret(custom: Option<Secret>) -> Result<Secret, StoreError> {
    let Some(custom) = custom else {
        return virtual_key::generate().map_err(|_| no_random());
    };
    match virtual_key::refuse_custom(custom.expose()) {
        Some(why) => Err(StoreError::invalid("key", why)),
        None => Ok(custom),
    }
}

pub(in crate::store) fn no_random() -> StoreError {
    StoreError::Refused("the system gives no random numbers".to_owned())
}

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// `Exists` where a custom text is taken, `Invalid`.
    pub async fn create_key(&self, new: NewKey, by: Option<&str>) -> Result<Created, StoreError> {
        let secret = secret(new.custom)?;
        let id = virtual_key::word(16).map_err(|_| no_random())?;
        let mut key = Key {
            id: format!("key_{id}"),
            hash: virtual_key::hash(secret.expose()),
            masked: virtual_key::masked(secret.expose()),
            ..new.key
        };
        let mut transaction = self.begin().await?;
        // Not one that was rotated away either: who still holds it would hold this one.
        taken(&mut transaction, &key.hash, &key.masked).await?;
        transaction.insert(&mut key, by).await?;
        transaction.changed(Kind::Key, key.changes());
        transaction.commit().await?;
        Ok(Created { secret, key })
    }

    /// Gives a key another text. Those before are taken for `grace_milliseconds` longer at most.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it has been revoked.
    pub async fn rotate_key(
        &self,
        id: &str,
        grace_milliseconds: i64,
        custom: Option<Secret>,
        by: Option<&str>,
    ) -> Result<Created, StoreError> {
        let secret = secret(custom)?;
        let at = now();
        let mut transaction = self.begin().await?;
        let mut key: Key = transaction.hold(id).await?;
        if key.revoked_at.is_some() {
            let why = "it has been revoked; make a new one";
            return Err(StoreError::invalid("key", why));
        }
        let before = key.hash;
        key.hash = virtual_key::hash(secret.expose());
        key.masked = virtual_key::masked(secret.expose());
        key.rotated_at = Some(at);
        key.rotation_count += 1;
        taken(&mut transaction, &key.hash, &key.masked).await?;
        transaction.write(&mut key, by).await?;
        let until = at.saturating_add(grace_milliseconds.max(0));
        // Those from before earlier rotations are not taken for longer than this one.
        let cap = "UPDATE retired_keys SET valid_until = $2 WHERE key_id = $1 AND valid_until > $2";
        transaction.run(sql(cap).bind(&key.id).bind(until)).await?;
        let retire = "INSERT INTO retired_keys (hash, key_id, valid_until) VALUES ($1, $2, $3)";
        let retire = sql(retire).bind(before).bind(&key.id).bind(until);
        transaction.run(retire).await?;
        let changes = [virtual_key::hex(&before), key.token()];
        transaction.changed(Kind::Key, changes);
        transaction.commit().await?;
        Ok(Created { secret, key })
    }
}

/// Refuses a text that is a key already, or was one.
async fn taken(
    transaction: &mut super::super::Transaction,
    hash: &Hash,
    masked: &str,
) -> Result<(), StoreError> {
    let look = "SELECT 1 AS found FROM keys WHERE hash = $1 \
                UNION ALL SELECT 1 AS found FROM retired_keys WHERE hash = $1";
    match transaction.first(sql(look).bind(*hash)).await? {
        Some(_) => Err(StoreError::Exists {
            what: "key",
            reference: masked.to_owned(),
        }),
        None => Ok(()),
    }
}
