//! Virtual keys. What is stored is their SHA-256; the key itself is seen once, by whoever makes it.

mod belong;
mod create;
mod find;
mod load;
mod pages;
mod revoke;

pub(super) use create::no_random;
pub use create::{Created, NewKey};
pub use load::LoadedKey;

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields, now};
use crate::identity::{
    Terms,
    virtual_key::{self, Hash},
};

/// A virtual key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Key {
    /// What tells it from others, and stays when it is rotated.
    pub id: String,
    /// SHA-256 of its text.
    pub hash: Hash,
    /// What may be shown of its text.
    pub masked: String,
    /// What people call it. Several may be called the same.
    pub label: Option<String>,
    /// Whose it is.
    pub user_id: Option<String>,
    /// The team that it belongs to.
    pub team_id: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// LiteLLM's organization that it belongs to.
    pub organization_id: Option<String>,
    /// Terms that it shares with others.
    pub budget_id: Option<String>,
    /// Whether it may not be used for now.
    pub blocked: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// When it was revoked, for good.
    pub revoked_at: Option<i64>,
    /// When it was rotated last.
    pub rotated_at: Option<i64>,
    /// How often it was rotated.
    pub rotation_count: i64,
    /// Under which terms it may be used.
    pub terms: Terms,
    /// Who made it and when, and what it has spent.
    pub stamps: Stamps,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It may be used.
    Active,
    /// Not for now.
    Blocked,
    /// Its time is over.
    Expired,
    /// Never again.
    Revoked,
}

impl KeyState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::Blocked => "blocked",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        }
    }
}

impl Key {
    /// How it stands now.
    pub fn state(&self) -> KeyState {
        let is_over = self.expires_at.is_some_and(|at| at <= now());
        let is_blocked = self.blocked || self.stamps.unreadable.is_some();
        match (self.revoked_at, is_blocked) {
            (Some(_), _) => KeyState::Revoked,
            (None, true) => KeyState::Blocked,
            (None, false) if is_over => KeyState::Expired,
            (None, false) => KeyState::Active,
        }
    }

    /// Its hash in hexadecimal digits: LiteLLM's `token`.
    pub fn token(&self) -> String {
        virtual_key::hex(&self.hash)
    }
}

impl Record for Key {
    const TABLE: &'static str = "keys";
    const WHAT: &'static str = "key";
    const KIND: Kind = Kind::Key;
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "hash",
        "masked",
        "label",
        "user_id",
        "team_id",
        "project_id",
        "organization_id",
        "budget_id",
        "blocked",
        "expires_at",
        "revoked_at",
        "rotated_at",
        "rotation_count",
        "terms",
    ];
    const SCOPE: Option<&'static str> = Some("key");

    fn id(&self) -> &str {
        &self.id
    }

    fn owners(&self) -> Vec<(&'static str, String)> {
        let owners = [
            ("teams", &self.team_id),
            ("users", &self.user_id),
            ("projects", &self.project_id),
            ("budgets", &self.budget_id),
        ];
        let named = |(table, id): (_, &Option<String>)| Some((table, id.clone()?));
        owners.into_iter().filter_map(named).collect()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (terms, unreadable) = row.json_if_readable("terms");
        Ok(Key {
            id: row.text("id")?,
            hash: hash(&row.bytes("hash")?)?,
            masked: row.text("masked")?,
            label: row.optional_text("label")?,
            user_id: row.optional_text("user_id")?,
            team_id: row.optional_text("team_id")?,
            project_id: row.optional_text("project_id")?,
            organization_id: row.optional_text("organization_id")?,
            budget_id: row.optional_text("budget_id")?,
            blocked: row.flag("blocked")?,
            expires_at: row.optional_integer("expires_at")?,
            revoked_at: row.optional_integer("revoked_at")?,
            rotated_at: row.optional_integer("rotated_at")?,
            rotation_count: row.integer("rotation_count")?,
            terms,
            stamps: Stamps::unreadable(unreadable),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            self.hash.into(),
            (&self.masked).into(),
            self.label.clone().into(),
            self.user_id.clone().into(),
            self.team_id.clone().into(),
            self.project_id.clone().into(),
            self.organization_id.clone().into(),
            self.budget_id.clone().into(),
            self.blocked.into(),
            self.expires_at.into(),
            self.revoked_at.into(),
            self.rotated_at.into(),
            self.rotation_count.into(),
            fields::json("metadata", &self.terms)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        for (field, value) in [
            ("key_alias", &self.label),
            ("user_id", &self.user_id),
            ("team_id", &self.team_id),
            ("project_id", &self.project_id),
            ("organization_id", &self.organization_id),
            ("budget_id", &self.budget_id),
        ] {
            fields::optional_name(field, value.as_ref())?;
        }
        fields::terms(&self.terms)
    }

    fn changes(&self) -> Vec<String> {
        vec![self.token()]
    }
}

/// The bytes of a hash.
fn hash(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Unreadable {
        what: "key",
        why: "its hash is not 32 bytes long".to_owned(),
    })
}

#[cfg(test)]
mod tests;
