//! The terms under which a key, a user, a team or a project may call: what the store holds of them as
//! JSON, and what authentication, limits and budgets go by.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::period::Period;
use crate::{pattern, price::Usd};

/// The terms. Nothing in them means no restriction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Terms {
    /// The models that may be used, as globs. Empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Other names for models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// The routes that may be used, as globs over paths or names of groups. Empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// How much may be asked for in a time.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How much may be spent.
    #[serde(skip_serializing_if = "is_default")]
    pub budget: Budget,
    /// Tags of every request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Headers that providers get with every request, by provider; `*` is any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, BTreeMap<String, String>>,
    /// Whatever those who made it want to know.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What may be done on the admin port, and LiteLLM's `permissions`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub permissions: Map<String, Value>,
    /// Fields of LiteLLM's that mean nothing here. They are kept, and shown as they came.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub kept: Map<String, Value>,
}

/// How much may be asked for in a time. `None` means no limit of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Requests a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    /// Requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_requests: Option<u64>,
    /// Of single models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelLimits>,
}

/// How much may be asked of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelLimits {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
}

impl Limits {
    /// Whether nothing is said of requests and tokens.
    pub fn is_unlimited(&self) -> bool {
        let all = [
            self.requests_per_minute,
            self.tokens_per_minute,
            self.requests_per_day,
            self.parallel_requests,
        ];
        all.iter().all(Option::is_none) && self.models.is_empty()
    }
}

/// How much may be spent. `None` means no budget of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Budget {
    /// At most, in a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Usd>,
    /// Beyond which it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft: Option<Usd>,
    /// After which it begins anew; never without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// On top of `max` for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increase: Option<Increase>,
    /// For single models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelBudget>,
}

/// More to spend, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Increase {
    /// So much more.
    pub by: Usd,
    /// Until then, in milliseconds since 1970.
    pub until: i64,
}

/// How much may be spent on one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelBudget {
    /// At most, in a period.
    pub max: Usd,
    /// After which it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

/// Groups of routes that LiteLLM's keys name.
const MODEL_ROUTES: [&str; 4] = [
    "llm_api_routes",
    "openai_routes",
    "anthropic_routes",
    "google_routes",
];
const INFO_ROUTES: &str = "info_routes";

impl Terms {
    /// What requests need of them. What is merely kept for those who made it may be long, and there may be a
    /// million. What a key may do is among its permissions.
    #[must_use]
    pub fn for_requests(self) -> Self {
        Terms {
            metadata: Map::new(),
            kept: Map::new(),
            ..self
        }
    }

    /// Whether a model may be used. LiteLLM's names for all models are understood; its names for none
    /// match none.
    pub fn allows_model(&self, model: &str) -> bool {
        let allows = |glob: &String| is_all(glob) || pattern::matches(glob, model);
        self.models.is_empty() || self.models.iter().any(allows)
    }

    /// The models that may be used, where those are not all.
    pub fn model_list(&self) -> Option<Vec<String>> {
        let is_list = !self.models.is_empty() && !self.models.iter().any(|glob| is_all(glob));
        is_list.then(|| self.models.clone())
    }

    /// Whether a route of the clients' port may be used. `lists` tells one that lists models from one
    /// that calls them. A path is known with `/v1` and without.
    pub fn allows_route(&self, path: &str, lists: bool) -> bool {
        let short = path.strip_prefix("/v1").unwrap_or(path);
        let allows = |route: &String| {
            let route = route.as_str();
            MODEL_ROUTES.contains(&route)
                || (lists && route == INFO_ROUTES)
                || pattern::matches(route, path)
                || pattern::matches(route, short)
        };
        self.routes.is_empty() || self.routes.iter().any(allows)
    }
}

/// LiteLLM's names for all models.
fn is_all(name: &str) -> bool {
    matches!(name, "all-team-models" | "all-proxy-models")
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_say_nothing_are_short() {
        assert_eq!(serde_json::to_string(&Terms::default()).unwrap(), "{}");
        assert_eq!(
            serde_json::from_str::<Terms>("{}").unwrap(),
            Terms::default()
        );
    }

    #[test]
    fn models_are_allowed_by_glob_and_by_litellms_words() {
        let terms = |models: &[&str]| Terms {
            models: models.iter().map(ToString::to_string).collect(),
            ..Terms::default()
        };
        assert!(terms(&[]).allows_model("m"));
        assert!(terms(&["gpt-*"]).allows_model("gpt-4o"));
        assert!(!terms(&["gpt-*"]).allows_model("o3"));
        assert!(terms(&["all-team-models"]).allows_model("o3"));
        assert!(!terms(&["no-default-models"]).allows_model("o3"));
    }

    #[test]
    fn routes_are_allowed_by_path_by_glob_and_by_group() {
        let allows = |route: &str, path: &str, lists| {
            let terms = Terms {
                routes: vec![route.to_owned()],
                ..Terms::default()
            };
            terms.allows_route(path, lists)
        };
        assert!(Terms::default().allows_route("/v1/messages", false));
        assert!(allows("/chat/completions", "/v1/chat/completions", false));
        assert!(allows("/v1/chat/*", "/v1/chat/completions", false));
        assert!(allows("llm_api_routes", "/v1/messages", false));
        assert!(allows("info_routes", "/v1/models", true));
        assert!(!allows("info_routes", "/v1/messages", false));
        assert!(!allows("management_routes", "/v1/messages", false));
        assert!(!allows("/v1/embeddings", "/v1/messages", false));
    }
}
