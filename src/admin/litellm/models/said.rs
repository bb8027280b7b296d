//! What LiteLLM's clients say of a deployment, read: `litellm_params` says who serves and with which key, which is
//! taken out.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{super::Object, INFO, PARAMS};
use crate::{
    admin::{address, operation::Call, providers::credentials::known, refusal::Refusal},
    providers::catalog,
    secret::Secret,
    store::{
        Store,
        credentials::{API_KEY, HEADER, Secrets},
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
    pub(super) model_name: Option<String>,
    pub(super) litellm_params: Option<Params>,
    pub(super) model_info: Option<Object>,
    blocked: Option<bool>,
    /// Older clients say here which one is changed.
    pub(super) id: Option<String>,
}

/// LiteLLM's parameters of a deployment.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Params {
    /// `provider/model`.
    pub(super) model: Option<String>,
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

/// What of LiteLLM's information is the record's own.
const OURS: [&str; 7] = [
    "id",
    "db_model",
    "blocked",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
];

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

/// Our name for a provider of LiteLLM's.
pub(in crate::admin) fn ours(name: &str) -> String {
    let renamed = PROVIDERS.iter().find(|(theirs, _)| *theirs == name);
    renamed.map_or(name, |(_, ours)| ours).to_owned()
}

/// The provider and its model's name in `provider/model`.
async fn target(call: &Call, store: &Store, params: &Params) -> Result<(String, String), Refusal> {
    let model = params.model.as_deref().unwrap_or_default();
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

/// What was said of a deployment, with all that it names looked up: it can be put into one without asking
/// anybody.
pub(super) struct Said {
    name: Option<String>,
    blocked: Option<bool>,
    info: Option<Object>,
    /// The provider, and the model's name there.
    target: Option<(String, String)>,
    base_url: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) secrets: Secrets,
    params: Option<Params>,
}

impl Said {
    /// Looks up what a body names.
    ///
    /// # Errors
    /// 400.
    pub(super) async fn read(call: &Call, store: &Store, body: ModelBody) -> Result<Self, Refusal> {
        let in_info = |info: &Object| info.get("blocked").and_then(Value::as_bool);
        let mut said = Said {
            name: body.model_name,
            blocked: body.blocked.or(body.model_info.as_ref().and_then(in_info)),
            info: body.model_info,
            target: None,
            base_url: None,
            credential: None,
            secrets: Secrets::new(),
            params: None,
        };
        if let Some(mut params) = body.litellm_params {
            said.secrets = params.secrets()?;
            if params.model.is_some() {
                said.target = Some(target(call, store, &params).await?);
            }
            said.base_url = params.api_base.take().or(params.base_url.take());
            if let Some(base_url) = &said.base_url {
                address::check("api_base", base_url)?;
            }
            said.credential = params.litellm_credential_name.take();
            said.params = Some(params);
        }
        Ok(said)
    }

    /// Puts it into a deployment.
    pub(super) fn apply(self, model: &mut Model) {
        if let Some(name) = self.name {
            model.name = name;
        }
        model.blocked = self.blocked.unwrap_or(model.blocked);
        if let Some(mut info) = self.info {
            OURS.iter().for_each(|name| drop(info.remove(*name)));
            info.retain(|name, _| !is_secret(name) || name.contains("cost"));
            merge(&mut model.details, INFO, info);
        }
        let settings = &mut model.settings;
        if let Some((provider, name)) = self.target {
            if provider != model.provider {
                // An address is its provider's: no other's keys go there.
                settings.base_url = None;
            }
            (model.provider, model.model) = (provider, name);
        }
        settings.base_url = self.base_url.or(settings.base_url.take());
        model.credential_id = self.credential.or(model.credential_id.take());
        if let Some(params) = self.params {
            settings.weight = params.weight.or(settings.weight);
            settings.priority = params.order.or(settings.priority);
            settings.rpm = params.rpm.or(settings.rpm);
            settings.tpm = params.tpm.or(settings.tpm);
            merge(&mut model.details, PARAMS, params.rest);
        }
    }
}

fn merge(details: &mut Object, name: &str, said: Object) {
    let before = details.entry(name).or_insert_with(|| json!({}));
    if let Value::Object(members) = before {
        members.extend(said);
        members.retain(|_, value| !value.is_null());
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
