//! Budgets: terms that several keys share by naming them.

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::identity::Terms;

/// A budget.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// What tells it from others.
    pub id: String,
    /// What those who name it may spend and ask for, together.
    pub terms: Terms,
    /// Who made it and when, and what has been spent.
    pub stamps: Stamps,
}

impl Budget {
    /// A budget of that id.
    pub fn new(id: &str) -> Self {
        Budget {
            id: id.to_owned(),
            ..Budget::default()
        }
    }
}

impl Record for Budget {
    const TABLE: &'static str = "budgets";
    const WHAT: &'static str = "budget";
    const KIND: Kind = Kind::Budget;
    const COLUMNS: &'static [&'static str] = &["id", "terms"];
    const SCOPE: Option<&'static str> = Some("budget");

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (terms, unreadable) = row.json_if_readable("terms");
        Ok(Budget {
            id: row.text("id")?,
            terms,
            stamps: Stamps::unreadable(unreadable),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            fields::json("metadata", &self.terms)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("budget_id", &self.id)?;
        fields::terms(&self.terms)
    }
}
