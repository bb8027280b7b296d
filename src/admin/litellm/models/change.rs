//! Deployments by LiteLLM's fields: `litellm_params` says who serves and with which key, which is taken out
//! and sealed.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{super::Object, Deployment, INFO, PARAMS, object};
use crate::{
    admin::{
        address,
        entity::new_id,
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        providers::credentials::{known, sealer},
        refusal::Refusal,
    },
    providers::catalog,
    secret::Secret,
    store::{
        Store, StoreError,
        credentials::{API_KEY, Credential, HEADER, RESERVED, Secrets},
        models::Model,
    },
};

/// LiteLLM's names for providers that are called otherwise here.
const PROVIDERS: [(&str, &str); 12] = [
    ("azure_ai", "azure"),
    ("azure_text", "azure"),
    ("cohere_chat", "cohere"),
    ("fireworks_ai", "fireworks"),
    ("google", "gemini"),
    ("hosted_vllm", "vllm"),
    ("lm_studio", "lmstudio"),
    ("nvidia_nim", "nvidia"),
    ("ollama_chat", "ollama"),
    ("text-completion-openai", "openai"),
    ("together_ai", "together"),
    ("vertex_ai", "vertex"),
];

/// What is said of a deployment.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ModelBody {
    /// The name for clients.
    model_name: Option<String>,
    litellm_params: Option<Params>,
    model_info: Option<Object>,
    blocked: Option<bool>,
    /// Older clients say here which one is changed.
    id: Option<String>,
}

/// LiteLLM's parameters of a deployment.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Params {
    /// `provider/model`.
    model: Option<String>,
    custom_llm_provider: Option<String>,
    api_key: Option<Secret>,
    api_base: Option<String>,
    base_url: Option<String>,
    litellm_credential_name: Option<String>,
    weight: Option<u16>,
    order: Option<i32>,
    rpm: Option<u32>,
    tpm: Option<u32>,
    extra_headers: Option<std::collections::BTreeMap<String, Secret>>,
    #[serde(flatten)]
    rest: Object,
}

/// Whether a parameter's value is a secret, by its name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["key", "secret", "token", "password", "credential"];
    let is_count = name.contains("tokens") || name.contains("per_token") || name.ends_with("_tpm");
    words.iter().any(|word| name.contains(word)) && !is_count
}

impl Params {
    /// Whose key it is, as secrets.
    fn secrets(&mut self) -> Result<Secrets, Refusal> {
        let mut secrets = Secrets::new();
        if let Some(key) = self.api_key.take() {
            secrets.insert(API_KEY.to_owned(), key);
        }
        for (name, value) in self.extra_headers.take().unwrap_or_default() {
            secrets.insert(format!("{HEADER}{name}"), value);
        }
        let names: Vec<String> = self
            .rest
            .keys()
            .filter(|name| is_secret(name))
            .cloned()
            .collect();
        for name in names {
            let Some(value) = self.rest.remove(&name) else {
                continue;
            };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                other => other.to_string(),
            };
            secrets.insert(name, Secret::new(&text));
        }
        let from_environment = |secret: &Secret| secret.expose().starts_with("os.environ/");
        if secrets.values().any(from_environment) {
            let message =
                "`os.environ/` is for the configuration: the environment is read from there alone.";
            return Err(Refusal::invalid(Some("litellm_params"), message));
        }
        Ok(secrets)
    }
}

/// The provider and its model's name in `provider/model`.
async fn target(call: &Call, store: &Store, params: &Params) -> Result<(String, String), Refusal> {
    let model = params.model.as_deref().unwrap_or_default();
    let ours = |name: &str| {
        let renamed = PROVIDERS.iter().find(|(theirs, _)| *theirs == name);
        renamed.map_or(name, |(_, ours)| ours).to_owned()
    };
    if let Some(provider) = &params.custom_llm_provider {
        let provider = ours(provider);
        let own = model.strip_prefix(&format!("{provider}/"));
        known(call, store, &provider).await?;
        return Ok((provider, own.unwrap_or(model).to_owned()));
    }
    if let Some((provider, rest)) = model.split_once('/') {
        let provider = ours(provider);
        if known(call, store, &provider).await.is_ok() {
            return Ok((provider, rest.to_owned()));
        }
    }
    // A model without a provider's name is its by custom: `gpt-*` is OpenAI's.
    let owner = catalog().iter().find(|(_, entry)| {
        let mut globs = entry.patterns.iter();
        globs.any(|glob| crate::pattern::matches(glob, model))
    });
    match owner {
        Some((provider, _)) => Ok((provider.clone(), model.to_owned())),
        None => Err(Refusal::invalid(
            Some("litellm_params"),
            format!("`{model}` names no provider that is known; write it as `provider/model`."),
        )),
    }
}

/// Puts what was said into a deployment. Answers its secrets.
async fn put(
    call: &Call,
    store: &Store,
    model: &mut Model,
    body: ModelBody,
) -> Result<Secrets, Refusal> {
    if let Some(name) = body.model_name {
        model.name = name;
    }
    let in_info = |info: &Object| info.get("blocked").and_then(Value::as_bool);
    let blocked = body.blocked.or(body.model_info.as_ref().and_then(in_info));
    model.blocked = blocked.unwrap_or(model.blocked);
    if let Some(mut info) = body.model_info {
        for ours in [
            "id",
            "db_model",
            "blocked",
            "created_at",
            "created_by",
            "updated_at",
            "updated_by",
        ] {
            info.remove(ours);
        }
        info.retain(|name, _| !is_secret(name) || name.contains("cost"));
        merge(&mut model.details, INFO, info);
    }
    let Some(mut params) = body.litellm_params else {
        return Ok(Secrets::new());
    };
    let secrets = params.secrets()?;
    if params.model.is_some() {
        (model.provider, model.model) = target(call, store, &params).await?;
    }
    let settings = &mut model.settings;
    if let Some(base_url) = params.api_base.take().or(params.base_url.take()) {
        address::check("api_base", &base_url)?;
        settings.base_url = Some(base_url);
    }
    settings.weight = params.weight.or(settings.weight);
    settings.priority = params.order.or(settings.priority);
    settings.rpm = params.rpm.or(settings.rpm);
    settings.tpm = params.tpm.or(settings.tpm);
    if let Some(name) = params.litellm_credential_name {
        if store.find::<Credential>(&name).await?.is_none() {
            let message = format!("There is no credential `{name}`; make it first.");
            return Err(Refusal::invalid(Some("litellm_credential_name"), message));
        }
        model.credential_id = Some(name);
    }
    merge(&mut model.details, PARAMS, params.rest);
    Ok(secrets)
}

fn merge(details: &mut Object, name: &str, said: Object) {
    let before = details.entry(name).or_insert_with(|| json!({}));
    if let Value::Object(members) = before {
        members.extend(said);
        members.retain(|_, value| !value.is_null());
    }
}

/// Seals a deployment's secrets in a credential of its own.
async fn seal(
    call: &Call,
    store: &Store,
    model: &mut Model,
    secrets: &Secrets,
) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Ok(());
    }
    let sealer = sealer(call)?;
    let own = own_credential(&model.id);
    if store.find::<Credential>(&own).await?.is_some() {
        let changed = store.update::<Credential>(&own, call.by(), |credential| {
            let mut all = credential.secrets(&sealer)?;
            all.extend(secrets.clone());
            credential.seal(&all, &sealer)
        });
        changed.await?;
    } else {
        let mut credential = Credential::new(&model.provider);
        credential.id.clone_from(&own);
        credential.label = Some(format!("of the model {}", model.id));
        credential.details.insert(RESERVED.to_owned(), true.into());
        credential.seal(secrets, &sealer)?;
        store.create(credential, call.by()).await?;
    }
    model.credential_id = Some(own);
    Ok(())
}

fn own_credential(model: &str) -> String {
    format!("of_{model}")
}

fn row(model: &Model, call: &Call) -> Object {
    let mut row = Deployment::stored(model).row(&call.snapshot);
    row.insert("model_id".into(), model.id.clone().into());
    row
}

/// Makes a deployment.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/model/new",
        Reach::All,
        "Makes a deployment, by LiteLLM's fields. Its key is sealed.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ModelBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: ModelBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let wants = |field: &str| {
            let message = format!("`{field}` is needed.");
            Refusal::invalid(Some(field), message)
        };
        if body.model_name.is_none() {
            return Err(wants("model_name"));
        }
        let params = body.litellm_params.as_ref();
        if params.is_none_or(|params| params.model.is_none()) {
            return Err(wants("litellm_params.model"));
        }
        let id = body
            .model_info
            .as_ref()
            .and_then(|info| info.get("id")?.as_str());
        let mut model = Model {
            id: new_id("model", id.map(str::to_owned))?,
            ..Model::default()
        };
        if store.find::<Model>(&model.id).await?.is_some() {
            return Err(StoreError::Exists {
                what: "model",
                reference: model.id,
            }
            .into());
        }
        let secrets = put(&call, &store, &mut model, body).await?;
        seal(&call, &store, &mut model, &secrets).await?;
        let model = store.create(model, call.by()).await?;
        Ok(row(&model, &call))
    }
}

/// Changes a deployment.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/model/update",
        Reach::All,
        "Changes a deployment, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ModelBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: ModelBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let in_info = |info: &Object| info.get("id")?.as_str().map(str::to_owned);
        let id = body
            .id
            .take()
            .or(body.model_info.as_ref().and_then(in_info));
        let Some(id) = id else {
            return Err(Refusal::invalid(
                Some("model_info"),
                "`model_info.id` is needed.",
            ));
        };
        let mut model = store.get::<Model>(&id).await?;
        let secrets = put(&call, &store, &mut model, body).await?;
        seal(&call, &store, &mut model, &secrets).await?;
        let changed = store.update::<Model>(&id, call.by(), |before| {
            *before = model;
            Ok(())
        });
        Ok(row(&changed.await?, &call))
    }
}

/// Which deployment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct One {
    id: String,
}

/// Deletes a deployment.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post(
        "/model/delete",
        Reach::All,
        "Deletes a deployment, and the key that came with it.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        let store = call.store()?;
        let model = store.delete::<Model>(&body.id).await?;
        let own = own_credential(&model.id);
        if model.credential_id.as_ref() == Some(&own) {
            match store.delete::<Credential>(&own).await {
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let message = format!("Model: {} deleted successfully", body.id);
        Ok(object(json!({ "message": message })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_among_the_parameters_are_told_by_their_names() {
        for secret in [
            "aws_secret_access_key",
            "vertex_credentials",
            "azure_ad_token",
            "client_secret",
            "azure_password",
            "API_KEY",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in [
            "model",
            "max_tokens",
            "input_cost_per_token",
            "temperature",
            "aws_region_name",
            "api_version",
        ] {
            assert!(!is_secret(plain), "{plain}");
        }
    }

    #[test]
    fn secrets_are_taken_out() {
        let params = json!({
            "model": "azure/x", "api_key": "canary-1", "azure_ad_token": "canary-2", "api_version": "v1",
            "extra_headers": {"X-Token": "canary-3"}, "vertex_credentials": {"private_key": "canary-4"},
        });
        let mut params = Params::deserialize(params).unwrap();
        let secrets = params.secrets().unwrap();
        assert_eq!(secrets.len(), 4);
        assert!(!format!("{params:?}").contains("canary"));
        assert_eq!(params.rest.len(), 1, "{:?}", params.rest);
        let outside = json!({"api_key": "os.environ/GATEWAY_MASTER_KEY"});
        assert!(Params::deserialize(outside).unwrap().secrets().is_err());
    }
}
