//! `/admin/credentials`: keys for providers. They come in once, are sealed, and are never shown again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{
    input::{Nothing, Patch},
    list::{Page, Paging},
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
    terms::StampsView,
};
use crate::{
    providers::catalog,
    secret::Secret,
    store::{
        List, Store,
        credentials::{API_KEY, Credential, HEADER, RESERVED, Secrets, seal::Sealer},
        providers::StoredProvider,
    },
};

/// What is shown of a credential.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CredentialView {
    /// What tells it from others.
    pub id: String,
    /// The provider that it is for.
    pub provider: String,
    /// What people call it.
    pub label: Option<String>,
    /// The project whose requests use it; everybody's where there is none.
    pub project_id: Option<String>,
    /// What may be shown of its key.
    pub masked: String,
    /// Whether it is not used for now.
    pub blocked: bool,
    /// Whether only deployments use it that name it.
    pub reserved: bool,
    /// The id of the encryption key that it is sealed under.
    pub sealed_by: String,
    /// What is said of it.
    pub details: Map<String, Value>,
    /// Who made it.
    #[serde(flatten)]
    pub stamps: StampsView,
}

impl From<Credential> for CredentialView {
    fn from(credential: Credential) -> Self {
        CredentialView {
            reserved: credential.is_reserved(),
            sealed_by: credential.sealed_by().to_owned(),
            id: credential.id,
            provider: credential.provider,
            label: credential.label,
            project_id: credential.project_id,
            masked: credential.masked,
            blocked: credential.blocked,
            details: credential.details,
            stamps: credential.stamps.into(),
        }
    }
}

/// What a credential holds. At least one of them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Held {
    /// The provider's key.
    pub api_key: Option<Secret>,
    /// Headers that go with each request, such as Cloudflare Access tokens.
    pub headers: BTreeMap<String, Secret>,
}

impl Held {
    pub(in crate::admin) fn secrets(self) -> Secrets {
        let headers = self.headers.into_iter();
        let headers = headers.map(|(name, value)| (format!("{HEADER}{name}"), value));
        let key = self.api_key.map(|key| (API_KEY.to_owned(), key));
        headers.chain(key).collect()
    }
}

/// A new credential.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct NewCredential {
    /// What tells it from others; made up unless said.
    #[serde(default)]
    pub id: Option<String>,
    /// The provider that it is for.
    pub provider: String,
    /// What people call it.
    #[serde(default)]
    pub label: Option<String>,
    /// The project whose requests use it.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Whether only deployments use it that name it.
    #[serde(default)]
    pub reserved: bool,
    /// What is said of it. No secrets.
    #[serde(default)]
    pub details: Map<String, Value>,
    /// What it holds.
    #[serde(flatten)]
    pub held: Held,
}

/// What is said of a credential. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CredentialChange {
    /// What people call it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub label: Patch<String>,
    /// The project whose requests use it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub project_id: Patch<String>,
    /// Whether it is not used for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Whether only deployments use it that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<bool>,
    /// What is said of it. No secrets.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub details: Patch<Map<String, Value>>,
}

/// Which credentials are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those for that provider.
    pub provider: Option<String>,
    /// Those of that project.
    pub project_id: Option<String>,
}

impl Paging for CredentialQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

/// What seals credentials, by the configuration.
///
/// # Errors
/// 400 where the encryption key is none.
pub(in crate::admin) fn sealer(call: &Call) -> Result<Sealer, Refusal> {
    let key = &call.snapshot.config.store.encryption_key;
    Ok(Sealer::new(key.as_ref())?)
}

/// Looks whether there is a provider of that name.
///
/// # Errors
/// 400 where there is none.
pub(in crate::admin) async fn known(
    call: &Call,
    store: &Store,
    provider: &str,
) -> Result<(), Refusal> {
    let is_known = catalog().contains_key(provider)
        || call.gateway.written.load().providers.contains_key(provider)
        || store.find::<StoredProvider>(provider).await?.is_some();
    match is_known {
        true => Ok(()),
        false => Err(Refusal::invalid(
            Some("provider"),
            format!(
                "There is no provider `{provider}`; make it first, or take a name of the catalog."
            ),
        )),
    }
}

fn reserve(is_reserved: bool, details: &mut Map<String, Value>) {
    match is_reserved {
        true => drop(details.insert(RESERVED.to_owned(), Value::Bool(true))),
        false => drop(details.remove(RESERVED)),
    }
}

/// Lists credentials.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/admin/credentials",
        Reach::All,
        "Lists keys for providers, without the keys.",
    );
    type Query = CredentialQuery;
    type Body = Nothing;
    type Answer = Page<CredentialView>;

    async fn run(call: Call, query: CredentialQuery, _: Nothing) -> Result<Self::Answer, Refusal> {
        let mut list = List::default();
        if let Some(provider) = &query.provider {
            list = list.equals("provider", provider);
        }
        if let Some(project) = &query.project_id {
            list = list.equals("project_id", project);
        }
        Page::read::<Credential>(&*call.store()?, list, &query).await
    }
}

/// Makes a credential.
pub(in crate::admin) struct Make;

impl Operation for Make {
    const ROUTE: Route = Route::post(
        "/admin/credentials",
        Reach::All,
        "Takes a key for a provider and seals it. It is never shown again.",
    )
    .makes();
    type Query = Nothing;
    type Body = NewCredential;
    type Answer = CredentialView;

    async fn run(call: Call, _: Nothing, new: NewCredential) -> Result<CredentialView, Refusal> {
        let store = call.store()?;
        known(&call, &store, &new.provider).await?;
        let mut credential = Credential::new(&new.provider);
        credential.id = new.id.unwrap_or_default();
        credential.label = new.label;
        credential.project_id = new.project_id;
        credential.details = new.details;
        reserve(new.reserved, &mut credential.details);
        credential.seal(&new.held.secrets(), &sealer(&call)?)?;
        Ok(store.create(credential, call.by()).await?.into())
    }
}

/// Shows a credential.
pub(in crate::admin) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/credentials/{id}",
        Reach::All,
        "Shows what is known of a credential, without its key.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = CredentialView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<CredentialView, Refusal> {
        let credential = call.store()?.get::<Credential>(call.path("id")).await?;
        Ok(credential.into())
    }
}

/// Changes what is said of a credential.
pub(in crate::admin) struct Change;

impl Operation for Change {
    const ROUTE: Route = Route::patch(
        "/admin/credentials/{id}",
        Reach::All,
        "Changes what is said of a credential. Its key stays; `rotate` replaces that.",
    );
    type Query = Nothing;
    type Body = CredentialChange;
    type Answer = CredentialView;

    async fn run(
        call: Call,
        _: Nothing,
        said: CredentialChange,
    ) -> Result<CredentialView, Refusal> {
        let (store, sealer) = (call.store()?, sealer(&call)?);
        let change = |credential: &mut Credential| {
            said.label.apply(&mut credential.label);
            said.project_id.apply(&mut credential.project_id);
            credential.blocked = said.blocked.unwrap_or(credential.blocked);
            let is_reserved = said.reserved.unwrap_or(credential.is_reserved());
            said.details.apply_or_default(&mut credential.details);
            reserve(is_reserved, &mut credential.details);
        };
        let changed = store.update::<Credential>(call.path("id"), call.by(), |credential| {
            credential.change(&sealer, change)
        });
        Ok(changed.await?.into())
    }
}

/// Gives a credential another key.
pub(in crate::admin) struct Rotate;

impl Operation for Rotate {
    const ROUTE: Route = Route::post(
        "/admin/credentials/{id}/rotate",
        Reach::All,
        "Replaces what a credential holds. Requests use the new key from then on.",
    );
    type Query = Nothing;
    type Body = Held;
    type Answer = CredentialView;

    async fn run(call: Call, _: Nothing, held: Held) -> Result<CredentialView, Refusal> {
        let (store, sealer) = (call.store()?, sealer(&call)?);
        let secrets = held.secrets();
        let changed = store.update::<Credential>(call.path("id"), call.by(), |credential| {
            credential.seal(&secrets, &sealer)
        });
        Ok(changed.await?.into())
    }
}

/// Deletes a credential.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::delete(
        "/admin/credentials/{id}",
        Reach::All,
        "Deletes a credential, and what it holds.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = CredentialView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<CredentialView, Refusal> {
        let (store, id) = (call.store()?, call.path("id"));
        super::whole::unused(&store, id).await?;
        Ok(store.delete::<Credential>(id).await?.into())
    }
}
