//! Providers beside those of the configuration. They hold what the configuration's hold, but no secret:
//! those are credentials.

use serde_json::Value as Json;

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};
use crate::config;

/// A provider of the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredProvider {
    /// Its name, by which routes and clients know it.
    pub name: String,
    /// What the configuration would say of it.
    pub settings: config::Provider,
    /// Settings that a later version wrote, and this one does not know.
    pub unknown: Vec<String>,
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
        let (written, mut why) = row.json_if_readable::<Json>("settings");
        let (mut known, mut unknown) = (written, Vec::new());
        if let Ok(all) = serde_json::to_value(config::Provider::default()) {
            unknown = take_unknown(&mut known, &all);
        }
        let settings = match (&why, serde_json::from_value(known)) {
            (None, Ok(settings)) => settings,
            (_, read) => {
                why = why.or(read.err().map(|error| format!("`settings`: {error}")));
                config::Provider::default()
            }
        };
        Ok(StoredProvider {
            name: row.text("name")?,
            settings,
            unknown,
            stamps: Stamps::unreadable(why),
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
        if !self.unknown.is_empty() {
            let unknown = self.unknown.join(", ");
            let why = format!(
                "has settings of a later version, which this one would lose: {unknown}; change it by that version"
            );
            return Err(StoreError::invalid("provider", why));
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

/// Takes members away that `like` does not have, and those of its members that have members. Answers their
/// names. Where `like` has none at all, they are names that people choose.
fn take_unknown(value: &mut Json, like: &Json) -> Vec<String> {
    let (Some(members), Some(known)) = (value.as_object_mut(), like.as_object()) else {
        return Vec::new();
    };
    if known.is_empty() {
        return Vec::new();
    }
    let mut unknown = Vec::new();
    members.retain(|name, value| match known.get(name) {
        Some(like) => {
            let within = take_unknown(value, like).into_iter();
            unknown.extend(within.map(|inner| format!("{name}.{inner}")));
            true
        }
        None => {
            unknown.push(name.clone());
            false
        }
    });
    unknown
}
