//! `/health/latest`, `/health/test_connection`: what checks have found, and one made now; and
//! the questions of those who want to know only what they may ask.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, models, object};
use crate::{
    admin::{
        health::{self, ProviderReport},
        input::{Anything, Time},
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    store::{models::Model, now},
    upstream::{client::Client, probe},
};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Shows what is known of every model now.
pub(in crate::admin) struct Latest;

impl Operation for Latest {
    const ROUTE: Route = Route::get(
        "/health/latest",
        Reach::All,
        "How every model does that was asked since the process began, by its last check and its requests.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let report = health::report(&call.gateway);
        let mut checks = Object::new();
        for (name, provider) in &report.providers {
            for model in provider.targets.keys() {
                let id = format!("{name}/{model}");
                checks.insert(id.clone(), row(&id, name, model, provider));
            }
        }
        Ok(object(
            json!({"total_models": checks.len(), "latest_health_checks": checks}),
        ))
    }
}

fn row(id: &str, name: &str, model: &str, provider: &ProviderReport) -> Value {
    let target = provider.targets.get(model);
    let is_open = target.is_some_and(|target| target.breaker != "closed");
    let is_well = provider.healthy && !is_open;
    let problems = (!is_well).then(|| provider.problems.join("; "));
    json!({
        "health_check_id": id, "model_name": model, "model_id": id,
        "status": if is_well { "healthy" } else { "unhealthy" },
        "healthy_count": u8::from(is_well), "unhealthy_count": u8::from(!is_well),
        "error_message": problems, "response_time_ms": target.and_then(|target| target.first_byte_ms),
        "details": {"provider": name, "check": provider.check}, "checked_by": "gateway",
        "checked_at": Time(now()), "created_at": Time(now()),
    })
}

/// What is to be tried.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct Trial {
    litellm_params: Object,
    model_info: Object,
}

/// Tries whether a provider answers.
pub(in crate::admin) struct TestConnection;

impl Operation for TestConnection {
    const ROUTE: Route = Route::post(
        "/health/test_connection",
        Reach::All,
        "Asks the provider of a model that is known here for the list of its models, with each of its keys: \
         that spends nothing.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Trial;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: Trial) -> Result<Object, Refusal> {
        for name in ["api_key", "api_base", "base_url", "litellm_credential_name"] {
            if body.litellm_params.contains_key(name) {
                let message = format!(
                    "Only what is known here is tried: make the model by `/model/new` first, and leave `{name}` out."
                );
                return Err(Refusal::invalid(Some("litellm_params"), message));
            }
        }
        let (model, provider, served) = target(&call, &body).await?;
        let mut result =
            object(json!({"model": model, "provider": provider, "served_model": served}));
        let tried = tried(&call, &provider).await?;
        let status = match &tried {
            Ok(milliseconds) => {
                result.insert("response_time_ms".into(), json!(milliseconds));
                "success"
            }
            Err(why) => {
                result.insert("error".into(), json!(why));
                "error"
            }
        };
        Ok(object(json!({"status": status, "result": result})))
    }
}

/// The model's name for clients, the provider that is asked for it, and its name there.
async fn target(call: &Call, body: &Trial) -> Result<(String, String, String), Refusal> {
    let text = |from: &Object, name: &str| from.get(name)?.as_str().map(str::to_owned);
    if let Some(id) = text(&body.model_info, "id") {
        let model: Model = call.store()?.get(&id).await?;
        // One with an address or a key of its own is asked as a provider of its own.
        let own = format!("{}-{id}", model.provider).replace('/', "-");
        let provider = match call.snapshot.router.members.contains_key(own.as_str()) {
            true => own,
            false => model.provider,
        };
        return Ok((model.name, provider, model.model));
    }
    let Some(model) = text(&body.litellm_params, "model") else {
        let message = "`litellm_params.model` is needed.";
        return Err(Refusal::invalid(Some("litellm_params"), message));
    };
    match models::served(&call.snapshot, &model) {
        Some((provider, served)) => Ok((model, provider, served)),
        None => Err(Refusal::not_found("model", &model)),
    }
}

/// How many milliseconds a provider took to answer with each of its keys, or what is wrong.
async fn tried(call: &Call, name: &str) -> Result<Result<u64, String>, Refusal> {
    let Some(member) = call.snapshot.router.members.get(name) else {
        return Err(Refusal::not_found("provider", name));
    };
    let (provider, client, began) = (&member.provider, Client::default(), Instant::now());
    for key in 0..provider.credential.key_count().max(1) {
        match probe::status(&client, provider, PATIENCE, key).await {
            Ok(Some(status)) if status.is_success() || status.as_u16() == 429 => {}
            Ok(Some(status)) => {
                let number = key + 1;
                return Ok(Err(format!(
                    "it answers {} to the key {number}",
                    status.as_u16()
                )));
            }
            Ok(None) => {
                return Ok(Err(
                    "it lists no models, so that nothing was asked".to_owned()
                ));
            }
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(
        u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
    ))
}

/// Makes an operation that tells load balancers what they may ask.
macro_rules! options {
    ($name:ident, $path:literal) => {
        /// Answers what may be asked.
        pub(in crate::admin) struct $name;

        impl Operation for $name {
            const ROUTE: Route =
                Route::options($path, Reach::Public, "What may be asked; in `Allow`.").of_litellm();
            type Query = Anything;
            type Body = Anything;
            type Answer = Object;

            async fn run(_: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
                Ok(Object::new())
            }
        }
    };
}

options!(OfReadiness, "/health/readiness");
options!(OfLiveliness, "/health/liveliness");
options!(OfLiveness, "/health/liveness");
