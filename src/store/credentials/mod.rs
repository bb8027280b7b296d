//! Keys for providers, sealed. A provider may have several; a project may have its own.

pub mod seal;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{Kind, Record, Row, Stamps, Store, StoreError, Value, fields, keys::no_random, sql};
use crate::{identity::virtual_key, secret::Secret};
use seal::{Sealed, Sealer};

/// The name of the value that is the provider's key.
pub const API_KEY: &str = "api_key";
/// What the names of values begin with that are headers.
pub const HEADER: &str = "header:";

/// What its details say where only deployments use it that name it.
pub const RESERVED: &str = "reserved";

/// What a credential holds, by name: [`API_KEY`], headers, and whatever LiteLLM's clients store.
pub type Secrets = BTreeMap<String, Secret>;

/// A credential. Its secrets are sealed in it; `store.secrets` opens them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credential {
    /// What tells it from others: LiteLLM's `credential_name`.
    pub id: String,
    /// The provider that it is for.
    pub provider: String,
    /// What people call it.
    pub label: Option<String>,
    /// The project whose requests use it; everybody's where there is none.
    pub project_id: Option<String>,
    /// Whether it is not used for now.
    pub blocked: bool,
    /// What may be shown of its key.
    pub masked: String,
    /// What is said of it and is no secret.
    pub details: Map<String, Json>,
    /// Who made it and when.
    pub stamps: Stamps,
    sealed: Sealed,
}

impl Credential {
    /// A credential for a provider.
    pub fn new(provider: &str) -> Self {
        Credential {
            provider: provider.to_owned(),
            ..Credential::default()
        }
    }

    /// Seals what it holds from now on.
    ///
    /// # Errors
    /// `Invalid` where nothing is in it or a value fits no header, `Refused` without random numbers.
    pub fn seal(&mut self, secrets: &Secrets, sealer: &Sealer) -> Result<(), StoreError> {
        if self.id.is_empty() {
            let id = virtual_key::word(16).map_err(|_| no_random())?;
            self.id = format!("cred_{id}");
        }
        if secrets.is_empty() || secrets.values().any(Secret::is_empty) {
            return Err(StoreError::invalid("credential", "holds no secret"));
        }
        for (name, value) in secrets {
            fields::name("credential", name)?;
            let header = name.strip_prefix(HEADER);
            if header.is_some_and(|header| http::HeaderName::try_from(header).is_err()) {
                let why = format!("`{name}` names no header");
                return Err(StoreError::invalid("credential", why));
            }
            let is_header = name == API_KEY || header.is_some();
            if is_header && http::HeaderValue::from_str(value.expose()).is_err() {
                let why = format!("`{name}` holds characters that no HTTP header can carry");
                return Err(StoreError::invalid("credential", why));
            }
        }
        let key = secrets.get(API_KEY);
        self.masked = key.map_or("…".to_owned(), |key| virtual_key::masked(key.expose()));
        let plain: BTreeMap<&str, &str> = secrets
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        let plain = fields::json("credential", &plain)?;
        self.sealed = sealer.seal(plain.as_bytes(), &self.context())?;
        Ok(())
    }

    /// What it holds.
    ///
    /// # Errors
    /// `Sealed` where the encryption key is not there under which it was sealed.
    pub fn secrets(&self, sealer: &Sealer) -> Result<Secrets, StoreError> {
        let plain = sealer.open(&self.sealed, &self.context())?;
        serde_json::from_slice(&plain).map_err(|_| StoreError::Unreadable {
            what: "credential",
            why: format!("`{}` holds something else", self.id),
        })
    }

    /// Whether only deployments use it that name it: it takes no turn among its provider's keys.
    pub fn is_reserved(&self) -> bool {
        self.details.get(RESERVED) == Some(&Json::Bool(true))
    }

    /// Which encryption key it is sealed under.
    pub fn sealed_by(&self) -> &str {
        &self.sealed.key
    }

    /// Changes it. What it holds is sealed anew where somebody else is to use it from then on.
    ///
    /// # Errors
    /// `Sealed` where it does not open, and those of [`Credential::seal`].
    pub fn change(
        &mut self,
        sealer: &Sealer,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), StoreError> {
        let before = self.clone();
        change(self);
        match self.context() == before.context() {
            true => Ok(()),
            false => self.seal(&before.secrets(sealer)?, sealer),
        }
    }

    /// What is sealed is this credential's, for whom it is now: in another's place it does not open. Each
    /// part is told by its length, so that no two credentials have the same.
    fn context(&self) -> String {
        let part = |text: &str| format!("{}:{text}", text.len());
        let project = self.project_id.as_deref();
        format!(
            "credential {} of {} for {} {}",
            part(&self.id),
            part(&self.provider),
            project.map_or("all".to_owned(), part),
            if self.is_reserved() {
                "who name it"
            } else {
                "in turn"
            }
        )
    }
}

impl Record for Credential {
    const TABLE: &'static str = "credentials";
    const WHAT: &'static str = "credential";
    const KIND: Kind = Kind::Credential;
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "provider",
        "label",
        "project_id",
        "blocked",
        "sealed_by",
        "sealed",
        "masked",
        "details",
    ];
    const SCOPE: Option<&'static str> = None;

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (details, unreadable) = row.json_if_readable("details");
        Ok(Credential {
            id: row.text("id")?,
            provider: row.text("provider")?,
            label: row.optional_text("label")?,
            project_id: row.optional_text("project_id")?,
            blocked: row.flag("blocked")?,
            masked: row.text("masked")?,
            details,
            stamps: Stamps::unreadable(unreadable),
            sealed: Sealed {
                key: row.text("sealed_by")?,
                bytes: row.bytes("sealed")?,
            },
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            (&self.provider).into(),
            self.label.clone().into(),
            self.project_id.clone().into(),
            self.blocked.into(),
            (&self.sealed.key).into(),
            self.sealed.bytes.clone().into(),
            (&self.masked).into(),
            fields::json("details", &self.details)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("credential_name", &self.id)?;
        fields::name("provider", &self.provider)?;
        fields::optional_name("label", self.label.as_ref())?;
        fields::optional_name("project_id", self.project_id.as_ref())?;
        match self.sealed.bytes.is_empty() {
            true => Err(StoreError::invalid("credential", "holds no secret")),
            false => Ok(()),
        }
    }
}

impl Store {
    /// Seals every credential anew that is not sealed under the current encryption key, and answers how
    /// many those were.
    ///
    /// # Errors
    /// `Sealed` where the encryption key is not there under which one was sealed; those before are done.
    pub async fn reencrypt(&self, sealer: &Sealer) -> Result<usize, StoreError> {
        let mut count = 0;
        loop {
            let look = "SELECT id FROM credentials WHERE sealed_by <> $1 ORDER BY id LIMIT 500";
            let rows = self.all(sql(look).bind(sealer.current())).await?;
            if rows.is_empty() {
                return Ok(count);
            }
            for row in rows {
                let id = row.text("id")?;
                let sealed = self.update::<Credential>(&id, None, |credential| {
                    let secrets = credential.secrets(sealer)?;
                    credential.seal(&secrets, sealer)
                });
                match sealed.await {
                    Ok(_) => count += 1,
                    // Somebody has deleted it meanwhile.
                    Err(StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// How many credentials are sealed under another encryption key than the current one.
    ///
    /// # Errors
    /// `Away`.
    pub async fn sealed_by_others(&self, sealer: &Sealer) -> Result<i64, StoreError> {
        let look = "SELECT COUNT(*) AS count FROM credentials WHERE sealed_by <> $1";
        let row = self.first(sql(look).bind(sealer.current())).await?;
        row.map_or(Ok(0), |row| row.integer("count"))
    }
}

#[cfg(test)]
mod tests;
