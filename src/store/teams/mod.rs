//! Teams, and who is in them.

mod each;
mod members;

pub use each::Part;
pub use members::{Member, ROLES as MEMBER_ROLES};

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::identity::Terms;

/// A team.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Team {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// LiteLLM's organization that it belongs to.
    pub organization_id: Option<String>,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// Under which terms its keys may be used.
    pub terms: Terms,
    /// Who made it and when, and what it has spent.
    pub stamps: Stamps,
}

impl Team {
    /// A team of that id.
    pub fn new(id: &str) -> Self {
        Team {
            id: id.to_owned(),
            ..Team::default()
        }
    }
}

impl Record for Team {
    const TABLE: &'static str = "teams";
    const WHAT: &'static str = "team";
    const KIND: Kind = Kind::Team;
    const COLUMNS: &'static [&'static str] =
        &["id", "alias", "organization_id", "blocked", "terms"];
    const SCOPE: Option<&'static str> = Some("team");

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (terms, unreadable) = row.json_if_readable("terms");
        Ok(Team {
            id: row.text("id")?,
            alias: row.optional_text("alias")?,
            organization_id: row.optional_text("organization_id")?,
            blocked: row.flag("blocked")?,
            terms,
            stamps: Stamps::unreadable(unreadable),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            self.alias.clone().into(),
            self.organization_id.clone().into(),
            self.blocked.into(),
            fields::json("metadata", &self.terms)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("team_id", &self.id)?;
        fields::optional_name("team_alias", self.alias.as_ref())?;
        fields::optional_name("organization_id", self.organization_id.as_ref())?;
        fields::terms(&self.terms)
    }
}
