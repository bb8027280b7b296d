//! `/admin/models`: deployments, which are names for clients and who serves them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    address,
    entity::{Entity, Routes, new_id},
    input::{Nothing, Patch},
    list::Paging,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
    terms::StampsView,
};
use crate::{
    auth,
    store::{
        List, Store,
        credentials::Credential,
        models::{Model, ModelSettings},
    },
};

/// What is shown of a deployment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ModelView {
    /// What tells it from others.
    pub id: String,
    /// The name that clients use. Several of one name share its requests.
    pub name: String,
    /// The provider that serves it.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// The credential that it is asked with, where it is not one of the provider's in turn.
    pub credential_id: Option<String>,
    /// Whether it is not asked for now.
    pub blocked: bool,
    /// How it shares in its name's requests.
    #[serde(flatten)]
    pub settings: ModelSettings,
    /// What is said of it.
    pub details: Map<String, Value>,
    /// Who made it.
    #[serde(flatten)]
    pub stamps: StampsView,
}

impl From<Model> for ModelView {
    fn from(model: Model) -> Self {
        let mut settings = model.settings;
        settings.base_url = settings.base_url.as_deref().map(address::shown);
        ModelView {
            id: model.id,
            name: model.name,
            provider: model.provider,
            model: model.model,
            credential_id: model.credential_id,
            blocked: model.blocked,
            settings,
            details: model.details,
            stamps: model.stamps.into(),
        }
    }
}

/// What is said of a deployment. What is not said stays; `null` is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelChange {
    /// The name that clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The provider that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model's name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The credential that it is asked with.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub credential_id: Patch<String>,
    /// Whether it is not asked for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Its base URL, where it is not its provider's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub base_url: Patch<String>,
    /// Its share beside the others'.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub weight: Patch<u16>,
    /// Which are asked first: the smallest number.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub priority: Patch<i32>,
    /// Requests a minute that it takes.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub rpm: Patch<u32>,
    /// Tokens a minute that it takes.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub tpm: Patch<u32>,
    /// What is said of it. No secrets.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub details: Patch<Map<String, Value>>,
}

/// A new deployment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewModel {
    /// What tells it from others; made up unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that clients use.
    pub name: String,
    /// The provider that serves it.
    pub provider: String,
    /// The model's name there; the clients' unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The credential that it is asked with.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub credential_id: Patch<String>,
    /// Whether it is not asked for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Its base URL, where it is not its provider's. It needs a credential then: a provider's keys go to no
    /// address but its own.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub base_url: Patch<String>,
    /// Its share beside the others'.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub weight: Patch<u16>,
    /// Which are asked first: the smallest number.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub priority: Patch<i32>,
    /// Requests a minute that it takes.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub rpm: Patch<u32>,
    /// Tokens a minute that it takes.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub tpm: Patch<u32>,
    /// What is said of it. No secrets.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub details: Patch<Map<String, Value>>,
}

/// Which deployments are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelQuery {
    /// How many, 1 to 1000; 100 unless said.
    pub limit: Option<u32>,
    /// After how many.
    pub offset: Option<u32>,
    /// Those of that name.
    pub name: Option<String>,
    /// Those of that provider.
    pub provider: Option<String>,
    /// Those that are blocked, or are not.
    pub blocked: Option<bool>,
}

impl Paging for ModelQuery {
    fn page(&self) -> (Option<u32>, Option<u32>) {
        (self.limit, self.offset)
    }
}

impl Entity for Model {
    const ROUTES: Routes = Routes {
        list: Route::get(
            "/admin/models",
            Reach::All,
            "Lists the store's deployments.",
        ),
        make: Route::post("/admin/models", Reach::All, "Makes a deployment.").makes(),
        show: Route::get("/admin/models/{id}", Reach::All, "Shows a deployment."),
        change: Route::patch(
            "/admin/models/{id}",
            Reach::All,
            "Changes a deployment. What is not said stays; `null` is none.",
        ),
        delete: Route::delete("/admin/models/{id}", Reach::All, "Deletes a deployment."),
    };
    const KEYS: Option<&'static str> = None;
    type View = ModelView;
    type New = NewModel;
    type Change = ModelChange;
    type Query = ModelQuery;

    fn make(new: NewModel) -> Result<Self, Refusal> {
        let mut model = Model {
            id: new_id("model", new.id)?,
            ..Model::default()
        };
        model.change(ModelChange {
            model: Some(new.model.unwrap_or_else(|| new.name.clone())),
            name: Some(new.name),
            provider: Some(new.provider),
            credential_id: new.credential_id,
            blocked: new.blocked,
            base_url: new.base_url,
            weight: new.weight,
            priority: new.priority,
            rpm: new.rpm,
            tpm: new.tpm,
            details: new.details,
        })?;
        Ok(model)
    }

    fn change(&mut self, change: ModelChange) -> Result<(), Refusal> {
        if let Some(base_url) = change.base_url.value() {
            address::check("base_url", base_url)?;
        }
        for (field, said) in [
            (&mut self.name, change.name),
            (&mut self.provider, change.provider),
            (&mut self.model, change.model),
        ] {
            if let Some(said) = said {
                *field = said;
            }
        }
        change.credential_id.apply(&mut self.credential_id);
        self.blocked = change.blocked.unwrap_or(self.blocked);
        let settings = &mut self.settings;
        change.base_url.apply(&mut settings.base_url);
        change.weight.apply(&mut settings.weight);
        change.priority.apply(&mut settings.priority);
        change.rpm.apply(&mut settings.rpm);
        change.tpm.apply(&mut settings.tpm);
        change.details.apply_or_default(&mut self.details);
        Ok(())
    }

    fn filter(query: &ModelQuery, mut list: List) -> List {
        if let Some(name) = &query.name {
            list = list.equals("name", name);
        }
        if let Some(provider) = &query.provider {
            list = list.equals("provider", provider);
        }
        match query.blocked {
            Some(blocked) => list.equals("blocked", blocked),
            None => list,
        }
    }

    async fn check(store: &Store, model: &Self) -> Result<(), Refusal> {
        let Some(id) = &model.credential_id else {
            return Ok(());
        };
        match store.find::<Credential>(id).await? {
            Some(credential) => fits("credential_id", model, &credential),
            None => Err(no_credential("credential_id", id)),
        }
    }
}

/// Looks whether a deployment may be asked with a credential: no provider gets another's key, and nobody uses
/// a project's.
///
/// # Errors
/// 400.
pub(super) fn fits(
    field: &'static str,
    model: &Model,
    credential: &Credential,
) -> Result<(), Refusal> {
    let (id, provider) = (&credential.id, &credential.provider);
    let why = match &credential.project_id {
        Some(project) => format!("of the project `{project}`, which alone uses it"),
        None if *provider != model.provider => format!("for `{provider}`"),
        None => return Ok(()),
    };
    let message = format!(
        "The credential `{id}` is {why}, and is not sent to `{}`; say which one is, or give a new key.",
        model.provider
    );
    Err(Refusal::invalid(Some(field), message))
}

/// The credential that a deployment names is not there.
pub(super) fn no_credential(field: &'static str, id: &str) -> Refusal {
    let message = format!("There is no credential `{id}`; make it first.");
    Refusal::invalid(Some(field), message)
}

/// A name that clients may use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ServedModel {
    /// The name.
    pub name: String,
    /// Who serves it: a provider's name, or that of a pool.
    pub owned_by: String,
    /// Who is asked, in order, as `provider/model`; for those who see everything.
    #[serde(default)]
    pub served_by: Vec<String>,
    /// What a million tokens of prompt cost at the first of them, in USD, where that is known.
    #[serde(default)]
    pub input_price: Option<f64>,
    /// What a million tokens of answer cost there.
    #[serde(default)]
    pub output_price: Option<f64>,
    /// How many tokens fit there.
    #[serde(default)]
    pub context_tokens: Option<u64>,
}

/// The names that clients may use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ServedModels {
    /// Aliases, pools and models.
    pub data: Vec<ServedModel>,
}

/// Lists the names that clients may use, wherever they are from.
pub(super) struct Served;

impl Operation for Served {
    const ROUTE: Route = Route::get(
        "/admin/served-models",
        Reach::Anyone,
        "Lists the names that clients may use: those of the configuration and of the store.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = ServedModels;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<ServedModels, Refusal> {
        let names = call.snapshot.router.models().into_iter();
        let identity = call.caller.identity.as_deref();
        let may_use = |name: &str| {
            call.caller.sees_all() || identity.is_some_and(|identity| auth::may_use(identity, name))
        };
        let data = names
            .filter(|(name, _)| may_use(name))
            .map(|(name, owner)| served(&call, name, owner.to_string()));
        Ok(ServedModels {
            data: data.collect(),
        })
    }
}

fn served(call: &Call, name: String, owned_by: String) -> ServedModel {
    let stage = call.snapshot.router.fallback(&name, None);
    let candidates = stage.map(|stage| stage.candidates()).unwrap_or_default();
    let first = candidates.first();
    let price = first.and_then(|first| first.provider.price(&first.model));
    // A millionth of a dollar per token is a dollar per million tokens.
    let dollars = |pico: u64| pico as f64 / 1e6;
    let rates = price.as_ref().map(|price| &price.tariff.rates);
    let asked = candidates.iter().filter(|_| call.caller.sees_all());
    ServedModel {
        name,
        owned_by,
        input_price: rates.map(|rates| dollars(rates.input)),
        output_price: rates.map(|rates| dollars(rates.output)),
        context_tokens: price.as_ref().and_then(|price| price.context_tokens),
        served_by: asked
            .map(|candidate| format!("{}/{}", candidate.provider.name, candidate.model))
            .collect(),
    }
}
