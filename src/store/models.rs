//! Deployments: a name that clients use, and who serves it. Several of one name share its requests, as
//! LiteLLM's `model_list` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Kind, Record, Row, Stamps, StoreError, Value, fields};

/// A deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// What tells it from others.
    pub id: String,
    /// The name that clients use: LiteLLM's `model_name`.
    pub name: String,
    /// The provider that serves it.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// The key that it is asked with, where it is not one of the provider's in turn.
    pub credential_id: Option<String>,
    /// Whether it is not asked for now.
    pub blocked: bool,
    /// How it shares in its name's requests.
    pub settings: ModelSettings,
    /// What is said of it: LiteLLM's `litellm_params` and `model_info`, without secrets.
    pub details: Map<String, Json>,
    /// Who made it and when.
    pub stamps: Stamps,
}

/// How a deployment shares in its name's requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelSettings {
    /// Its base URL, where it is not its provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its share beside the others'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Which are asked first: the smallest number. LiteLLM's `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Requests a minute that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u32>,
    /// Tokens a minute that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u32>,
}

impl Record for Model {
    const TABLE: &'static str = "models";
    const WHAT: &'static str = "model";
    const KIND: Kind = Kind::Model;
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "provider",
        "model",
        "credential_id",
        "blocked",
        "settings",
        "details",
    ];
    const SCOPE: Option<&'static str> = None;

    fn id(&self) -> &str {
        &self.id
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let (settings, of_settings) = row.json_if_readable("settings");
        let (details, of_details) = row.json_if_readable("details");
        Ok(Model {
            id: row.text("id")?,
            name: row.text("name")?,
            provider: row.text("provider")?,
            model: row.text("model")?,
            credential_id: row.optional_text("credential_id")?,
            blocked: row.flag("blocked")?,
            settings,
            details,
            stamps: Stamps::unreadable(of_settings.or(of_details)),
        })
    }

    fn values(&self) -> Result<Vec<Value>, StoreError> {
        Ok(vec![
            (&self.id).into(),
            (&self.name).into(),
            (&self.provider).into(),
            (&self.model).into(),
            self.credential_id.clone().into(),
            self.blocked.into(),
            fields::json("settings", &self.settings)?.into(),
            fields::json("details", &self.details)?.into(),
        ])
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn check(&self) -> Result<(), StoreError> {
        fields::name("id", &self.id)?;
        fields::name("model_name", &self.name)?;
        fields::name("provider", &self.provider)?;
        fields::name("model", &self.model)?;
        fields::optional_name("credential_name", self.credential_id.as_ref())
    }
}
