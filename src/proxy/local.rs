//! Routes that the gateway answers itself: health and models.

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::{
    context::Context,
    endpoints::{Kind, model_id},
    next, prepare, respond,
};
use crate::{
    auth, chat, dialects::ollama, error::GatewayError, gateway::management::readiness,
    upstream::provider::Provider,
};

/// LiteLLM's date for models whose own is not known; clients want a number there.
const MODEL_CREATED: u64 = 1_677_610_602;

/// Whether the route needs no key.
pub(super) fn is_public(kind: Kind) -> bool {
    matches!(kind, Kind::Health | Kind::Alive | Kind::Ready)
}

/// Whether the route says which models there are, and calls none.
pub(super) fn lists_models(kind: Kind) -> bool {
    use Kind::{GeminiModels, Model, Models, Tags, Version};
    matches!(kind, Models | Model | Tags | GeminiModels | Version)
}

/// Answers one of the gateway's own routes.
///
/// # Errors
/// `UnknownModel`, `Draining`, `Starting`, and `ClientGone` where the answer could not be sent.
pub(super) async fn answer(
    session: &mut Session,
    context: &mut Context,
    kind: Kind,
) -> Result<(), GatewayError> {
    let body = match kind {
        Kind::Alive => json!("I'm alive!"),
        Kind::Ready if context.gateway().is_draining() => return Err(GatewayError::Draining),
        Kind::Ready if !context.gateway().keys.is_loaded() => return Err(GatewayError::Starting),
        Kind::Ready => readiness(context.gateway(), &context.snapshot.config.cache),
        Kind::Models => models(context),
        Kind::Tags => ollama::tags(visible(context)),
        Kind::Version => json!({"version": ollama::VERSION}),
        Kind::GeminiModels => gemini_models(context),
        Kind::Model => model(session, context)?,
        _ => health(session, context),
    };
    let body = Bytes::from(body.to_string());
    let sent = respond::json(session, context, StatusCode::OK, body).await;
    sent.map_err(|_| GatewayError::ClientGone)
}

/// Answers a count of tokens for a provider that does not count.
///
/// # Errors
/// `InvalidBody`, and `ClientGone` where the answer could not be sent.
pub(super) async fn estimate(
    session: &mut Session,
    context: &mut Context,
) -> Result<(), GatewayError> {
    let asked = prepare::read(context)?;
    let body = context
        .caller
        .write_count(chat::estimate::tokens(&asked.request));
    let sent = respond::json(session, context, StatusCode::OK, body).await;
    sent.map_err(|_| GatewayError::ClientGone)
}

/// `{status}`, and for who holds the master key LiteLLM's four fields as well.
fn health(session: &Session, context: &Context) -> Value {
    let head = session.req_header();
    let key = auth::client_key(&head.headers, head.uri.query());
    let is_master = key
        .and_then(|key| context.snapshot.keys.find(&key).ok())
        .is_some_and(|identity| identity.master);
    if !is_master {
        return json!({"status": "ok"});
    }
    let members = context.snapshot.router.members.values();
    let (healthy, unhealthy): (Vec<_>, Vec<_>) = members
        .map(|member| &member.provider)
        .partition(|provider| provider.has_address());
    let entries = |providers: Vec<&std::sync::Arc<Provider>>| -> Vec<Value> {
        let entry = |provider: &&std::sync::Arc<Provider>| json!({"provider": &*provider.name, "api_base": provider.host_name()});
        providers.iter().map(entry).collect()
    };
    json!({
        "status": "ok", "healthy_count": healthy.len(), "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": entries(healthy), "unhealthy_endpoints": entries(unhealthy),
    })
}

fn models(context: &Context) -> Value {
    let data: Vec<Value> = visible(context)
        .map(|(name, owner)| entry(&name, &owner))
        .collect();
    json!({"object": "list", "data": data})
}

/// The list as Gemini's clients want it.
fn gemini_models(context: &Context) -> Value {
    let models: Vec<Value> = visible(context)
        .map(|(name, _)| {
            json!({
                "name": format!("models/{name}"), "displayName": name,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            })
        })
        .collect();
    json!({ "models": models })
}

fn model(session: &Session, context: &Context) -> Result<Value, GatewayError> {
    let id = model_id(session.req_header().uri.path()).unwrap_or_default();
    let id = &*percent_decode_str(id).decode_utf8_lossy();
    if let Some((name, owner)) = visible(context).find(|(name, _)| name == id) {
        return Ok(entry(&name, &owner));
    }
    // A name that no list holds may still lead somewhere: `openai/…`, or a provider of any name.
    let router = &context.snapshot.router;
    let plan = router.plan(Some(id), None, &next::facts(context))?;
    match plan
        .candidates()
        .first()
        .filter(|_| auth::may_use(&context.identity, id))
    {
        Some(candidate) => Ok(entry(id, &candidate.provider.name)),
        None => Err(GatewayError::UnknownModel {
            model: id.to_owned(),
            nearest: Vec::new(),
        }),
    }
}

fn visible(context: &Context) -> impl Iterator<Item = (String, std::sync::Arc<str>)> {
    let names = context.snapshot.router.models().into_iter();
    names.filter(|(name, _)| auth::may_use(&context.identity, name))
}

fn entry(name: &str, owner: &str) -> Value {
    json!({"id": name, "object": "model", "created": MODEL_CREATED, "owned_by": owner})
}
