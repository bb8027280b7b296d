//! Projects: applications with limits, models, provider keys and headers of their own.

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::identity::Terms;

/// A project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// What tells it from others.
    pub id: String,
    /// What people call it.
    pub alias: Option<String>,
    /// The team that it belongs to.
    pub team_id: Option<String>,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// Under which terms its keys may be used.
    pub terms: Terms,
    /// Who made it and when, and what it has spent.
    pub stamps: Stamps,
}

impl Project {
    /// A project of that id.
    pub fn new(id: &str) -> Self {
        Project {
            id: id.to_owned(),
            ..Project::default()
        }
    }
}

impl Record for Project {
    const TABLE: &'static str = "projects";
    const WHAT: &'static str = "project";
    const KIND: Kind = Kind::Project;
    const COLUMNS: &'static [&'static str] = &["id", "alias", "team_id", "blocked", "terms"];
    const SCOPE: Option<&'static str> = Some("project");

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (terms, unreadable) = row.json_if_readable("terms");
        Ok(Project {
            id: row.text("id")?,
            alias: row.optional_text("alias")?,
            team_id: row.optional_text("team_id")?,
            blocked: row.flag("blocked")?,
            terms,
            stamps: Stamps::unreadable(unreadable),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            self.alias.clone().into(),
            self.team_id.clone().into(),
            self.blocked.into(),
            fields::json("metadata", &self.terms)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("project_id", &self.id)?;
        fields::optional_name("project_alias", self.alias.as_ref())?;
        fields::optional_name("team_id", self.team_id.as_ref())?;
        fields::terms(&self.terms)
    }
}
