//! `POST /admin/route/test`: where a request would go, and why, without sending it. `gateway route test`
//! asks the same of a configuration that nobody serves.

use std::{sync::OnceLock, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    dialects::{Dialect, openai_chat::OpenAiChat},
    error::GatewayError,
    gateway::Snapshot,
    identity::Identity,
    routing::{explain::Decision, facts::Facts, policy::Asking},
};

const TAGS: HeaderName = HeaderName::from_static("x-gateway-tags");
const PROVIDER: &str = "x-gateway-provider";

/// The request that is asked about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// The model; else the body's.
    pub model: Option<String>,
    /// The name of the gateway key.
    pub key: Option<String>,
    /// The team; else the key's.
    pub team: Option<String>,
    /// Tags, besides those of headers and body.
    pub tags: Vec<String>,
    /// Headers.
    pub headers: IndexMap<String, String>,
    /// Whether the answer is to be streamed; else as the body says.
    pub stream: bool,
    /// The body, as a client would send it.
    pub body: Option<String>,
}

/// Answers who would be asked.
pub(super) struct Decide;

impl Operation for Decide {
    const ROUTE: Route = Route::post(
        "/admin/route/test",
        Reach::All,
        "Where a request would go, and why, without sending it.",
    )
    .reads();
    type Query = Nothing;
    type Body = Question;
    type Answer = Map<String, Value>;

    async fn run(call: Call, _: Nothing, question: Question) -> Result<Self::Answer, Refusal> {
        let decision = decide(&call.snapshot, &question)?;
        Ok(match serde_json::to_value(decision) {
            Ok(Value::Object(decision)) => decision,
            _ => Map::new(),
        })
    }
}

/// Decides about a request by the rules of `snapshot`, as for a client.
///
/// # Errors
/// `InvalidBody` where a header or the body cannot be one. What a client would be told else is in the
/// decision.
pub fn decide(snapshot: &Snapshot, question: &Question) -> Result<Decision, GatewayError> {
    let headers = headers(question)?;
    let body = question.body.as_deref().unwrap_or("{}").as_bytes();
    let body_says = OpenAiChat.inspect(body)?;
    let (identity, note) = identity(snapshot, question);
    let own_tags = identity.tags();
    let facts = Facts {
        own_tags: &own_tags,
        key: identity.key.as_deref(),
        team: identity.team.as_deref(),
        headers: Some(&headers),
        has_wishes: true,
        stream: question.stream || body_says.stream,
        body,
        prompt: &OnceLock::new(),
    };
    let model = question.model.as_deref().or(body_says.model.as_deref());
    let provider = body_says.provider.as_deref().or(facts.header(PROVIDER));
    let asking = Asking {
        router: &snapshot.router,
        rules: &snapshot.config.routing,
        facts: &facts,
        now: Instant::now(),
        deadline: None,
    };
    let plan = snapshot.plan(&identity, model, provider, &facts);
    let mut decision = asking.explain(model, provider, plan);
    decision.notes.extend(note);
    Ok(decision)
}

fn headers(question: &Question) -> Result<HeaderMap, GatewayError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &question.headers {
        let parsed = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        );
        let (Ok(name), Ok(value)) = parsed else {
            let message = format!("`{name}: {value}` is no header.");
            return Err(GatewayError::invalid(message, None));
        };
        headers.insert(name, value);
    }
    if !question.tags.is_empty() {
        let sent = headers.get(&TAGS).and_then(|value| value.to_str().ok());
        let tags = question.tags.iter().map(String::as_str).chain(sent);
        let tags = tags.collect::<Vec<_>>().join(",");
        let value = HeaderValue::try_from(tags.as_str());
        let message = format!("The tags `{tags}` fit no header.");
        headers.insert(
            TAGS,
            value.map_err(|_| GatewayError::invalid(message, None))?,
        );
    }
    Ok(headers)
}

/// Whoever has the key of that name; where nobody has, somebody whose key may do everything.
fn identity(snapshot: &Snapshot, question: &Question) -> (Identity, Option<String>) {
    let keys = &snapshot.config.auth.keys;
    let known = question
        .key
        .as_ref()
        .and_then(|name| keys.iter().find(|key| key.name == *name));
    let team = question.team.as_ref();
    let team = team.or_else(|| known?.team.as_ref());
    let identity = Identity {
        key: question.key.as_deref().map(Into::into),
        team: team.map(|team| team.as_str().into()),
        models: known
            .map(|key| key.models.clone())
            .unwrap_or_default()
            .into(),
        ..Identity::default()
    };
    let note = match (&question.key, known) {
        (Some(name), None) => Some(format!(
            "the configuration has no key `{name}`; one without limits is assumed"
        )),
        _ => None,
    };
    (identity, note)
}
