//! `/model/*`, `/model_group/info`, `/models`: deployments, and what is known of each.

mod change;
mod info;
mod names;
mod said;

pub(in crate::admin) use change::{Delete, New, Patch, Update};
pub(in crate::admin) use info::{Groups, Info, InfoV1, InfoV2};
pub(in crate::admin) use names::{ListAll, ListAllV1, Show, ShowV1};
pub(in crate::admin) use said::ours;

use serde_json::{Value, json};

use super::{Object, object};
use crate::{admin::address, gateway::Snapshot, price::Price, store::models::Model};

/// Among a deployment's details: what LiteLLM's clients said of it.
const PARAMS: &str = "litellm_params";
const INFO: &str = "model_info";

/// A name for clients, and one who serves it.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    /// The name for clients.
    name: String,
    /// The provider, and the model's name there.
    target: (String, String),
    /// What tells it from others.
    id: String,
    is_stored: bool,
    params: Object,
    info: Object,
}

impl Deployment {
    fn stored(model: &Model) -> Self {
        let said = |name: &str| match model.details.get(name) {
            Some(Value::Object(said)) => said.clone(),
            _ => Object::new(),
        };
        let (mut params, settings) = (said(PARAMS), &model.settings);
        for (name, value) in [
            (
                "api_base",
                settings
                    .base_url
                    .as_deref()
                    .map(|url| json!(address::shown(url))),
            ),
            ("weight", settings.weight.map(|weight| json!(weight))),
            ("order", settings.priority.map(|order| json!(order))),
            ("rpm", settings.rpm.map(|rpm| json!(rpm))),
            ("tpm", settings.tpm.map(|tpm| json!(tpm))),
            (
                "litellm_credential_name",
                model.credential_id.as_ref().map(|id| json!(id)),
            ),
        ] {
            if let Some(value) = value {
                params.insert(name.to_owned(), value);
            }
        }
        let mut info = said(INFO);
        info.extend(object(json!({
            "blocked": model.blocked, "created_by": model.stamps.created_by,
            "created_at": super::rows::time(Some(model.stamps.created_at)),
            "updated_by": model.stamps.updated_by,
            "updated_at": super::rows::time(Some(model.stamps.updated_at)),
        })));
        Deployment {
            name: model.name.clone(),
            target: (model.provider.clone(), model.model.clone()),
            id: model.id.clone(),
            is_stored: true,
            params,
            info,
        }
    }

    fn configured(name: &str, provider: &str, model: &str) -> Self {
        Deployment {
            name: name.to_owned(),
            target: (provider.to_owned(), model.to_owned()),
            id: format!("{name}:{provider}/{model}"),
            is_stored: false,
            params: Object::new(),
            info: Object::new(),
        }
    }

    /// As `/model/info` has it.
    fn row(&self, snapshot: &Snapshot) -> Object {
        let (provider, model) = &self.target;
        let mut params = self.params.clone();
        params.insert("model".into(), format!("{provider}/{model}").into());
        let mut info = object(json!({
            "id": self.id, "db_model": self.is_stored, "key": model,
            "litellm_provider": provider, "mode": "chat",
        }));
        info.extend(costs(snapshot, provider, model));
        info.extend(self.info.clone());
        object(json!({"model_name": self.name, "litellm_params": params, "model_info": info}))
    }
}

/// What a model costs and takes, in LiteLLM's words.
fn costs(snapshot: &Snapshot, provider: &str, model: &str) -> Object {
    let price = price(snapshot, provider, model);
    let rate = |rate: fn(&Price) -> u64| price.map(|price| rate(price) as f64 / 1e12);
    object(json!({
        "input_cost_per_token": rate(|price| price.tariff.rates.input),
        "output_cost_per_token": rate(|price| price.tariff.rates.output),
        "cache_read_input_token_cost": rate(|price| price.tariff.rates.cache_read),
        "cache_creation_input_token_cost": rate(|price| price.tariff.rates.cache_write),
        "max_tokens": price.and_then(|price| price.max_output_tokens),
        "max_output_tokens": price.and_then(|price| price.max_output_tokens),
        "max_input_tokens": price.and_then(|price| price.context_tokens),
    }))
}

/// The price of a model at a provider, which may be one of the catalog.
pub(super) fn price<'s>(snapshot: &'s Snapshot, provider: &str, model: &str) -> Option<&'s Price> {
    match snapshot.router.members.get(provider) {
        Some(member) => member.provider.price(model),
        None => snapshot.config.pricing.prices.price(provider, model),
    }
}

/// Who serves a name first, and under which.
pub(super) fn served(snapshot: &Snapshot, name: &str) -> Option<(String, String)> {
    let router = &snapshot.router;
    let name = router.aliases.get(name).map_or(name, |target| target);
    if let Some(pool) = router.pools.get(name) {
        let target = pool.tiers.first()?.targets.first()?;
        let model = target.model.as_deref().unwrap_or(name);
        return Some((target.provider.name.to_string(), model.to_owned()));
    }
    if let Some((provider, model)) = name.split_once('/')
        && router.members.contains_key(provider)
    {
        return Some((provider.to_owned(), model.to_owned()));
    }
    let mut members = router.members.iter();
    let serves = |globs: &[String]| globs.iter().any(|glob| crate::pattern::matches(glob, name));
    let found = members.find(|(_, member)| serves(&member.models) || serves(member.patterns));
    found.map(|(provider, _)| (provider.to_string(), name.to_owned()))
}
