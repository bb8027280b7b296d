//! `POST /admin/providers/{id}/test`: asks a provider for its list of models, once with each of its keys. That
//! spends nothing.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{
        input::Nothing,
        operation::{Call, Operation, Reach, Route},
        refusal::Refusal,
    },
    upstream::{client::Client, probe, provider::Provider},
};

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many keys are tried at once.
const AT_ONCE: usize = 8;

/// How a key did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// The provider.
    pub provider: String,
    /// Which of the provider's, from 1; 0 where it has none.
    pub key: usize,
    /// Whether it works.
    pub ok: bool,
    /// The status that was answered.
    pub status: Option<u16>,
    /// What that means.
    pub said: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// How a provider's keys did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TriedKeys {
    /// Each of them, in their order.
    pub data: Vec<Tried>,
}

/// Tries a provider.
pub(in crate::admin) struct Try;

impl Operation for Try {
    const ROUTE: Route = Route::post(
        "/admin/providers/{id}/test",
        Reach::All,
        "Asks a provider for its list of models with each of its keys: that spends nothing.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = TriedKeys;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<TriedKeys, Refusal> {
        let name = call.path("id");
        let member = call.snapshot.router.members.get(name);
        let provider = member.map(|member| member.provider.clone());
        let provider = provider.ok_or_else(|| Refusal::not_found("provider", name))?;
        let client = &*call.gateway.client;
        let keys = 0..provider.credential.key_count().max(1);
        let tried = stream::iter(keys).map(|key| attempt(client, &provider, key));
        Ok(TriedKeys {
            data: tried.buffered(AT_ONCE).collect().await,
        })
    }
}

async fn attempt(client: &Client, provider: &Provider, key: usize) -> Tried {
    let began = Instant::now();
    let answered = probe::status(client, provider, PATIENCE, key).await;
    let (ok, status, said) = match answered {
        Ok(None) => (
            true,
            None,
            "it lists no models: nothing was asked".to_owned(),
        ),
        Ok(Some(status)) => (
            is_well(status),
            Some(status.as_u16()),
            words(status).to_owned(),
        ),
        Err(word) => (false, None, word),
    };
    Tried {
        provider: provider.name.to_string(),
        key: match provider.credential.key_count() {
            0 => 0,
            _ => key + 1,
        },
        ok,
        status,
        said,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn is_well(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::TOO_MANY_REQUESTS
}

fn words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "it works",
        401 | 403 => "the key is refused",
        404 => "there is no list of models there: is the base URL right?",
        429 => "the key works, and has asked too often of late",
        500..=599 => "the provider has a problem",
        _ => "it does not understand the question",
    }
}
