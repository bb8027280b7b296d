//! What is known of each deployment. Nothing that could be a secret is in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{super::Object, Deployment, costs, object};
use crate::{
    admin::{
        access::Caller,
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    auth,
    store::{List, models::Model},
};

/// Which deployments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct InfoQuery {
    /// The one of that id.
    litellm_model_id: Option<String>,
}

/// Whether the caller may use a name.
pub(super) fn may_use(caller: &Caller, name: &str) -> bool {
    let identity = caller.identity.as_deref();
    caller.sees_all() || identity.is_some_and(|identity| auth::may_use(identity, name))
}

/// All deployments whose name the caller may use: the store's, then the configuration's.
async fn all(call: &Call) -> Result<Vec<Deployment>, Refusal> {
    let list = List::default().sorted("name", false);
    let stored = call.store()?.list::<Model>(&list).await?;
    let mut all: Vec<Deployment> = stored.iter().map(Deployment::stored).collect();
    let written = call.gateway.written.load_full();
    for (name, pool) in &written.pools {
        for target in &pool.targets {
            let model = target.model.as_deref().unwrap_or(name);
            all.push(Deployment::configured(name, &target.provider, model));
        }
    }
    for (alias, target) in &written.aliases {
        let (provider, model) =
            super::served(&call.snapshot, alias).unwrap_or_else(|| (String::new(), target.clone()));
        all.push(Deployment::configured(alias, &provider, &model));
    }
    let is_more = |name: &str| {
        !written.pools.contains_key(name)
            && !written.aliases.contains_key(name)
            && !stored.iter().any(|model| model.name == name)
    };
    for (name, owner) in call.snapshot.router.models() {
        if is_more(&name) {
            let owner = owner.to_string();
            all.push(Deployment::configured(&name, &owner, &name));
        }
    }
    all.retain(|deployment| may_use(&call.caller, &deployment.name));
    // How a name is served is not everybody's business.
    if !call.caller.sees_all() {
        for deployment in &mut all {
            deployment.params.clear();
        }
    }
    Ok(all)
}

async fn info(call: &Call, query: &InfoQuery) -> Result<Object, Refusal> {
    let mut all = all(call).await?;
    if let Some(id) = &query.litellm_model_id {
        all.retain(|deployment| deployment.id == *id);
        if all.is_empty() {
            return Err(Refusal::not_found("model", id));
        }
    }
    let rows: Vec<Object> = all
        .iter()
        .map(|deployment| deployment.row(&call.snapshot))
        .collect();
    Ok(object(json!({ "data": rows })))
}

/// Shows deployments.
pub(in crate::admin) struct Info;

impl Operation for Info {
    const ROUTE: Route = Route::get(
        "/model/info",
        Reach::Anyone,
        "What is known of each deployment whose name the key may use.",
    )
    .of_litellm();
    type Query = InfoQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: InfoQuery, _: Anything) -> Result<Object, Refusal> {
        info(&call, &query).await
    }
}

/// The same, where newer clients ask for it.
pub(in crate::admin) struct InfoV1;

impl Operation for InfoV1 {
    const ROUTE: Route = Route::get(
        "/v1/model/info",
        Reach::Anyone,
        "What is known of each deployment whose name the key may use.",
    )
    .of_litellm();
    type Query = InfoQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: InfoQuery, _: Anything) -> Result<Object, Refusal> {
        info(&call, &query).await
    }
}

/// The same, where the dashboard asks for it.
pub(in crate::admin) struct InfoV2;

impl Operation for InfoV2 {
    const ROUTE: Route = Route::get(
        "/v2/model/info",
        Reach::Anyone,
        "What is known of each deployment whose name the key may use.",
    )
    .of_litellm();
    type Query = InfoQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: InfoQuery, _: Anything) -> Result<Object, Refusal> {
        let mut answer = info(&call, &query).await?;
        let count = answer
            .get("data")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        answer.extend(object(json!({
            "total_count": count, "current_page": 1, "total_pages": 1, "size": count,
        })));
        Ok(answer)
    }
}

/// Which groups.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct GroupQuery {
    /// The one of that name.
    model_group: Option<String>,
}

/// Shows names and who serves them.
pub(in crate::admin) struct Groups;

impl Operation for Groups {
    const ROUTE: Route = Route::get(
        "/model_group/info",
        Reach::Anyone,
        "Each name that the key may use: who serves it, what it costs at most.",
    )
    .of_litellm();
    type Query = GroupQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: GroupQuery, _: Anything) -> Result<Object, Refusal> {
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for deployment in all(&call).await? {
            if query
                .model_group
                .as_ref()
                .is_none_or(|name| deployment.name == *name)
            {
                let targets = groups.entry(deployment.name).or_default();
                targets.push(deployment.target);
            }
        }
        let rows: Vec<Object> = groups
            .into_iter()
            .map(|(name, targets)| {
                let mut row = object(json!({
                    "model_group": name, "mode": "chat", "tpm": null, "rpm": null,
                    "supported_openai_params": [],
                }));
                let mut providers: Vec<&str> = targets
                    .iter()
                    .map(|(provider, _)| provider.as_str())
                    .collect();
                providers.sort_unstable();
                providers.dedup();
                row.insert("providers".into(), json!(providers));
                for (provider, model) in &targets {
                    for (name, value) in costs(&call.snapshot, provider, model) {
                        let larger = |old: &Value| old.as_f64() < value.as_f64();
                        if row.get(&name).is_none_or(larger) {
                            row.insert(name, value);
                        }
                    }
                }
                row
            })
            .collect();
        Ok(object(json!({ "data": rows })))
    }
}
