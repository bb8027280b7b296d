//! `/admin/providers`: whom the gateway calls: the configuration's, which are shown, and the store's, which
//! are made and changed here. Their keys are credentials.

mod attempt;
pub mod credentials;
mod whole;

pub(super) use attempt::Try;
pub use attempt::{Tried, TriedKeys};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    address,
    input::{Nothing, Patch, Time},
    list::{MAX_LIMIT, Page},
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    config,
    store::{
        Store,
        credentials::{Credential, Secrets},
        providers::StoredProvider,
    },
};
use credentials::Held;

/// What is shown of a provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProviderView {
    /// Its name, by which routes and clients know it.
    pub name: String,
    /// Where it is from: `configuration`, `environment`, or `store`.
    pub source: String,
    /// The catalog's entry that it starts from.
    pub kind: Option<String>,
    /// Where its API lives, where that is not the catalog's.
    pub base_url: Option<String>,
    /// The models that it is said to serve. Empty means those of the catalog.
    pub models: Vec<String>,
    /// The only models that it may be asked for. Empty means all.
    pub allowed_models: Vec<String>,
    /// The model of a request that names the provider and no model.
    pub default_model: Option<String>,
    /// Which provider is asked first when several list the same model: the smallest number.
    pub priority: i32,
    /// Whether requests may go to it now. One without a key, or with a mistake in it, is left out.
    pub in_use: bool,
    /// How many keys it has, those of the configuration included.
    pub keys: usize,
    /// What is wrong with what the store has for it.
    #[serde(default)]
    pub problems: Vec<String>,
    /// When it was made, if it is the store's.
    pub created_at: Option<Time>,
    /// When it was changed last, if it is the store's.
    pub updated_at: Option<Time>,
}

/// What is said of a provider of the store. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderChange {
    /// The catalog's entry to start from, where it is not the provider's own name.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub kind: Patch<String>,
    /// Where its API lives, up to and with `/v1`.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub base_url: Patch<String>,
    /// Values for the placeholders of its catalog entry: `region`, `api_version`, `project`, `location`.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub settings: Patch<indexmap::IndexMap<String, String>>,
    /// The models that it serves, as names or globs.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub models: Patch<Vec<String>>,
    /// The only models that it may be asked for, as globs.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub allowed_models: Patch<Vec<String>>,
    /// The model of a request that names the provider and no model.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub default_model: Patch<String>,
    /// Which provider is asked first when several list the same model: the smallest number.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub priority: Patch<i32>,
    /// The version of HTTP to speak.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub http_version: Patch<config::HttpVersion>,
    /// How long to wait for it. Replaced as a whole.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub timeouts: Patch<config::Timeouts>,
}

/// A new provider. A name of the catalog brings its own base URL and rules.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewProvider {
    /// Its name, by which routes and clients know it.
    pub name: String,
    /// Its first key, which is stored with it or not at all.
    #[serde(default, skip_serializing)]
    pub credential: Option<FirstCredential>,
    /// What else is said of it.
    #[serde(flatten)]
    pub rest: ProviderChange,
}

/// A provider's first key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FirstCredential {
    /// What people call it.
    pub label: Option<String>,
    /// The project whose requests use it.
    pub project_id: Option<String>,
    /// What it holds.
    #[serde(flatten)]
    pub held: Held,
}

impl FirstCredential {
    fn sealed(self, call: &Call, provider: &str) -> Result<Credential, Refusal> {
        let mut credential = Credential::new(provider);
        credential.label = self.label;
        credential.project_id = self.project_id;
        let secrets: Secrets = self.held.secrets();
        credential.seal(&secrets, &credentials::sealer(call)?)?;
        Ok(credential)
    }
}

impl ProviderChange {
    fn apply(self, call: &Call, provider: &mut StoredProvider) -> Result<(), Refusal> {
        let settings = &mut provider.settings;
        if let Some(base_url) = self.base_url.value() {
            address::check("base_url", base_url)?;
        }
        // Which files are read is for whoever starts the process.
        let names_a_file = |values: &indexmap::IndexMap<String, String>| {
            values.keys().any(|name| name.ends_with("_file"))
        };
        let may_name_files = call.caller.is_console();
        if !may_name_files && self.settings.value().is_some_and(names_a_file) {
            let message = "Files are named in the configuration, not here.";
            return Err(Refusal::invalid(Some("settings"), message));
        }
        self.kind.apply(&mut settings.kind);
        self.base_url.apply(&mut settings.base_url);
        self.settings.apply_or_default(&mut settings.settings);
        self.models.apply_or_default(&mut settings.models);
        self.allowed_models
            .apply_or_default(&mut settings.allowed_models);
        self.default_model.apply(&mut settings.default_model);
        self.priority.apply_or_default(&mut settings.priority);
        self.http_version
            .apply_or_default(&mut settings.http_version);
        self.timeouts.apply_or_default(&mut settings.timeouts);
        if settings.kind.is_some() && settings.entry(&provider.name).is_none() {
            let message = "The catalog has no such entry; `gateway config catalog` lists them.";
            return Err(Refusal::invalid(Some("kind"), message));
        }
        if settings.base_url.is_none() && settings.entry(&provider.name).is_none() {
            let message = "A provider that the catalog does not know needs a `base_url`, or the `kind` of one \
                           that it knows.";
            return Err(Refusal::invalid(Some("base_url"), message));
        }
        Ok(())
    }
}

fn view(call: &Call, name: &str, settings: &config::Provider, of_store: bool) -> ProviderView {
    let source = match (of_store, settings.is_found) {
        (true, _) => "store",
        (false, true) => "environment",
        (false, false) => "configuration",
    };
    let named = format!("`{name}`");
    let serving = call.gateway.serving.load();
    let problems = serving.problems.iter();
    let member = call.snapshot.router.members.get(name);
    let credential = member.map(|member| &member.provider.credential);
    ProviderView {
        name: name.to_owned(),
        source: source.to_owned(),
        kind: settings.kind.clone(),
        base_url: settings.base_url.as_deref().map(address::shown),
        models: settings.models.clone(),
        allowed_models: settings.allowed_models.clone(),
        default_model: settings.default_model.clone(),
        priority: settings.priority,
        in_use: member.is_some(),
        problems: problems
            .filter(|problem| problem.contains(&named))
            .cloned()
            .collect(),
        keys: credential.map_or(0, |credential| credential.key_count()),
        created_at: None,
        updated_at: None,
    }
}

fn stored(call: &Call, provider: &StoredProvider) -> ProviderView {
    let mut view = view(call, &provider.name, &provider.settings, true);
    view.created_at = Some(Time(provider.stamps.created_at));
    view.updated_at = Some(Time(provider.stamps.updated_at));
    view
}

/// All that the gateway knows, by name: the configuration's, the store's, and those of the catalog that a
/// credential has brought in.
async fn all(call: &Call, store: &Store) -> Result<Vec<ProviderView>, Refusal> {
    let written = call.gateway.written.load_full();
    let mut views: Vec<ProviderView> = written
        .providers
        .iter()
        .map(|(name, settings)| view(call, name, settings, false))
        .collect();
    let list = crate::store::List::default().sorted("created_at", false);
    for provider in store.list::<StoredProvider>(&list).await? {
        if !written.providers.contains_key(&provider.name) {
            views.push(stored(call, &provider));
        }
    }
    for (name, settings) in &call.snapshot.config.providers {
        let is_listed = views.iter().any(|view| view.name == *name);
        if !is_listed && !settings.is_deployment {
            views.push(view(call, name, settings, true));
        }
    }
    Ok(views)
}

async fn seen(call: &Call, store: &Store) -> Result<StoredProvider, Refusal> {
    let name = call.path("id");
    if call.gateway.written.load().providers.contains_key(name) {
        let message =
            format!("`{name}` is the configuration's: change it there, and `gateway reload`.");
        let status = axum::http::StatusCode::CONFLICT;
        return Err(Refusal::new(status, "of_configuration", message));
    }
    Ok(store.get::<StoredProvider>(name).await?)
}

/// Which providers are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
}

/// Lists providers.
pub(super) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get("/admin/providers", Reach::All, "Lists providers.");
    type Query = ProviderQuery;
    type Body = Nothing;
    type Answer = Page<ProviderView>;

    async fn run(call: Call, query: ProviderQuery, _: Nothing) -> Result<Self::Answer, Refusal> {
        let views = all(&call, &*call.store()?).await?;
        let limit = query.limit.unwrap_or(100);
        if limit == 0 || limit > MAX_LIMIT {
            let message = format!("`limit` is a number from 1 to {MAX_LIMIT}.");
            return Err(Refusal::invalid(Some("limit"), message));
        }
        let offset = query.offset.unwrap_or(0);
        let total = i64::try_from(views.len()).unwrap_or(i64::MAX);
        let page = views.into_iter().skip(offset as usize).take(limit as usize);
        Ok(Page {
            data: page.collect(),
            total,
            limit,
            offset,
        })
    }
}

/// Shows a provider.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get("/admin/providers/{id}", Reach::All, "Shows a provider.");
    type Query = Nothing;
    type Body = Nothing;
    type Answer = ProviderView;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<ProviderView, Refusal> {
        let name = call.path("id");
        let mut views = all(&call, &*call.store()?).await?.into_iter();
        views
            .find(|view| view.name == name)
            .ok_or_else(|| Refusal::not_found("provider", name))
    }
}

/// Makes a provider.
pub(super) struct Make;

impl Operation for Make {
    const ROUTE: Route = Route::post(
        "/admin/providers",
        Reach::All,
        "Makes a provider. Its keys are credentials, which are made next.",
    )
    .makes();
    type Query = Nothing;
    type Body = NewProvider;
    type Answer = ProviderView;

    async fn run(call: Call, _: Nothing, new: NewProvider) -> Result<ProviderView, Refusal> {
        let mut provider = StoredProvider {
            name: new.name,
            ..StoredProvider::default()
        };
        new.rest.apply(&call, &mut provider)?;
        let exists = call
            .gateway
            .written
            .load()
            .providers
            .contains_key(&provider.name);
        if exists {
            return Err(crate::store::StoreError::Exists {
                what: "provider",
                reference: provider.name,
            }
            .into());
        }
        let credential = new.credential;
        let credential = credential.map(|one| one.sealed(&call, &provider.name));
        let provider = whole::make(&call, provider, credential.transpose()?).await?;
        Ok(stored(&call, &provider))
    }
}

/// Changes a provider.
pub(super) struct Change;

impl Operation for Change {
    const ROUTE: Route = Route::patch(
        "/admin/providers/{id}",
        Reach::All,
        "Changes a provider of the store. What is not said stays; `null` is none.",
    );
    type Query = Nothing;
    type Body = ProviderChange;
    type Answer = ProviderView;

    async fn run(call: Call, _: Nothing, change: ProviderChange) -> Result<ProviderView, Refusal> {
        let store = call.store()?;
        let provider = seen(&call, &store).await?;
        // Looked at before: the store's transaction asks nobody.
        change.clone().apply(&call, &mut provider.clone())?;
        let changed = store.update::<StoredProvider>(&provider.name, call.by(), |provider| {
            let refused =
                |refusal: Refusal| crate::store::StoreError::invalid("provider", refusal.message);
            change.apply(&call, provider).map_err(refused)
        });
        Ok(stored(&call, &changed.await?))
    }
}

/// How a provider is deleted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeleteQuery {
    /// Whether its credentials are deleted with it; of a provider of the configuration they alone are.
    with_credentials: bool,
}

/// Deletes a provider.
pub(super) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::delete(
        "/admin/providers/{id}",
        Reach::All,
        "Deletes a provider of the store. Its credentials stay, unless told to delete them too.",
    );
    type Query = DeleteQuery;
    type Body = Nothing;
    type Answer = ProviderView;

    async fn run(call: Call, query: DeleteQuery, _: Nothing) -> Result<ProviderView, Refusal> {
        let store = call.store()?;
        if query.with_credentials {
            let name = call.path("id");
            let mut views = all(&call, &store).await?.into_iter();
            let view = views.find(|view| view.name == name);
            let view = view.ok_or_else(|| Refusal::not_found("provider", name))?;
            let stored = store.find::<StoredProvider>(name).await?;
            whole::delete(&store, name, stored.as_ref()).await?;
            return Ok(view);
        }
        let provider = seen(&call, &store).await?;
        let deleted = store.delete::<StoredProvider>(&provider.name).await?;
        Ok(stored(&call, &deleted))
    }
}
