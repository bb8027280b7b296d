//! Providers beside those of the configuration. They hold what the configuration's hold, but no secret:
//! those are credentials.

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::config;

/// A provider of the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredProvider {
    /// Its name, by which routes and clients know it.
    pub name: String,
    /// What the configuration would say of it.
    pub settings: config::Provider,
    /// Who made it and when.
    pub stamps: Stamps,
}

impl Record for StoredProvider {
    const TABLE: &'static str = "providers";
    const WHAT: &'static str = "provider";
    const KIND: Kind = Kind::Provider;
    const COLUMNS: &'static [&'static str] = &["name", "settings"];
    const SCOPE: Option<&'static str> = None;

    fn id(&self) -> &str {
        &self.name
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(StoredProvider {
            name: row.text("name")?,
            settings: row.json("settings")?,
            stamps: Stamps::default(),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.name).into(),
            fields::json("settings", &self.settings)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("provider", &self.name)?;
        if self.name.contains('/') {
            return Err(StoreError::invalid("provider", "cannot hold a `/`"));
        }
        // A secret would be written as `***`, and lost.
        let settings = &self.settings;
        if settings.has_key() || !settings.headers.is_empty() {
            let why = "keys and headers of a provider are credentials of it";
            return Err(StoreError::invalid("provider", why));
        }
        Ok(())
    }
}
