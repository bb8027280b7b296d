//! `/health` and its kin, as LiteLLM's clients read them. Nobody is asked for it: the answer is from the
//! last check and from how requests went.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, object};
use crate::{
    admin::{
        health::{self, ProviderReport},
        input::Anything,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    gateway::management::readiness,
};

/// Which model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct HealthQuery {
    /// Those alone that serve that model.
    model: Option<String>,
}

/// Answers whether the process is there, and for administrators how the providers are.
pub(in crate::admin) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/health",
        Reach::Public,
        "Whether the gateway is there; for a key with an `admin` grant, how its providers are.",
    )
    .of_litellm();
    type Query = HealthQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: HealthQuery, _: Anything) -> Result<Object, Refusal> {
        let mut answer = object(json!({"status": "ok"}));
        if !call.caller.sees_all() {
            return Ok(answer);
        }
        let report = health::report(&call.gateway);
        let serves = |name: &str| match &query.model {
            None => true,
            Some(model) => {
                let served = super::models::served(&call.snapshot, model);
                served.is_some_and(|(provider, _)| provider == name)
            }
        };
        let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
        for (name, provider) in report.providers.iter().filter(|(name, _)| serves(name)) {
            match provider.healthy {
                true => healthy.push(endpoint(name, provider)),
                false => unhealthy.push(endpoint(name, provider)),
            }
        }
        answer.extend(object(json!({
            "healthy_count": healthy.len(), "unhealthy_count": unhealthy.len(),
            "healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
        })));
        Ok(answer)
    }
}

fn endpoint(name: &str, provider: &ProviderReport) -> Value {
    let models: Vec<&String> = provider.targets.keys().collect();
    let mut endpoint = json!({
        "model": models.first(), "models": models, "provider": name, "api_base": provider.host,
    });
    if let (Value::Object(members), false) = (&mut endpoint, provider.healthy) {
        members.insert("error".into(), provider.problems.join("; ").into());
    }
    endpoint
}

/// Which service.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct ServiceQuery {
    /// Its name.
    service: Option<String>,
}

/// Answers how a service beside the gateway is.
pub(in crate::admin) struct Services;

impl Operation for Services {
    const ROUTE: Route = Route::get(
        "/health/services",
        Reach::All,
        "How a service beside the gateway is: `store`, the only one that there is.",
    )
    .of_litellm();
    type Query = ServiceQuery;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: ServiceQuery, _: Anything) -> Result<Object, Refusal> {
        match query.service.as_deref() {
            Some("store" | "database" | "db") => {
                call.store()?.revision().await?;
                Ok(object(
                    json!({"status": "success", "message": "The store answers."}),
                ))
            }
            _ => Err(Refusal::invalid(
                Some("service"),
                "`service` is `store`: there is no other service beside this gateway.",
            )),
        }
    }
}

/// Answers that the process lives.
pub(in crate::admin) struct Liveliness;

impl Operation for Liveliness {
    const ROUTE: Route = Route::get(
        "/health/liveliness",
        Reach::Public,
        "Whether the process lives.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = String;

    async fn run(_: Call, _: Anything, _: Anything) -> Result<String, Refusal> {
        Ok("I'm alive!".to_owned())
    }
}

/// The same by the word that orchestrators use.
pub(in crate::admin) struct Liveness;

impl Operation for Liveness {
    const ROUTE: Route = Route::get(
        "/health/liveness",
        Reach::Public,
        "Whether the process lives.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = String;

    async fn run(call: Call, query: Anything, body: Anything) -> Result<String, Refusal> {
        Liveliness::run(call, query, body).await
    }
}

/// Answers whether requests can be taken.
pub(in crate::admin) struct Readiness;

impl Operation for Readiness {
    const ROUTE: Route = Route::get(
        "/health/readiness",
        Reach::Public,
        "Whether requests can be taken.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        if call.gateway.is_draining() || !call.gateway.keys.is_loaded() {
            let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(Refusal {
                retry_after: Some(1),
                ..Refusal::new(status, "not_ready", "The gateway takes no requests now.")
            });
        }
        let settings = &call.snapshot.config.cache;
        Ok(object(readiness(&call.gateway, settings)))
    }
}

/// The same for those who have a key.
pub(in crate::admin) struct ReadinessDetails;

impl Operation for ReadinessDetails {
    const ROUTE: Route = Route::get(
        "/health/readiness/details",
        Reach::Anyone,
        "Whether requests can be taken, and by which version.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, query: Anything, body: Anything) -> Result<Object, Refusal> {
        let version = env!("CARGO_PKG_VERSION");
        let mut ready = Readiness::run(call, query, body).await?;
        ready.insert("gateway_version".into(), version.into());
        Ok(ready)
    }
}

/// Answers that the process is there, in older clients' words.
pub(in crate::admin) struct Test;

impl Operation for Test {
    const ROUTE: Route = Route::get(
        "/test",
        Reach::Public,
        "Whether the process is there; LiteLLM has `/health/liveliness` instead.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(_: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        Ok(object(json!({"route": "/test"})))
    }
}
