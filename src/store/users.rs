//! Users: people, and LiteLLM's roles for them.

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::identity::Terms;

/// What a user may do on the admin port. LiteLLM's names.
pub const ROLES: [&str; 4] = [
    "proxy_admin",
    "proxy_admin_viewer",
    "internal_user",
    "internal_user_viewer",
];

/// A user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// Where mail reaches it.
    pub email: Option<String>,
    /// What it may do on the admin port.
    pub role: String,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// Under which terms its keys may be used.
    pub terms: Terms,
    /// Who made it and when, and what it has spent.
    pub stamps: Stamps,
}

impl User {
    /// A user of that id who may do nothing on the admin port.
    pub fn new(id: &str) -> Self {
        User {
            id: id.to_owned(),
            role: "internal_user".to_owned(),
            ..User::default()
        }
    }
}

impl Record for User {
    const TABLE: &'static str = "users";
    const WHAT: &'static str = "user";
    const KIND: Kind = Kind::User;
    const COLUMNS: &'static [&'static str] = &["id", "alias", "email", "role", "blocked", "terms"];
    const SCOPE: Option<&'static str> = Some("user");

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (terms, unreadable) = row.json_if_readable("terms");
        Ok(User {
            id: row.text("id")?,
            alias: row.optional_text("alias")?,
            email: row.optional_text("email")?,
            role: row.text("role")?,
            blocked: row.flag("blocked")?,
            terms,
            stamps: Stamps::unreadable(unreadable),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            self.alias.clone().into(),
            self.email.clone().into(),
            (&self.role).into(),
            self.blocked.into(),
            fields::json("metadata", &self.terms)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("user_id", &self.id)?;
        fields::optional_name("user_alias", self.alias.as_ref())?;
        fields::optional_name("user_email", self.email.as_ref())?;
        if !ROLES.contains(&self.role.as_str()) {
            let why = format!("is one of {}", ROLES.join(", "));
            return Err(StoreError::invalid("user_role", why));
        }
        fields::terms(&self.terms)
    }
}
