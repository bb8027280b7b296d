//! What LiteLLM's clients say of keys, users, teams and budgets alike, and what it means here.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::super::{
    input::{Patch, Time},
    refusal::Refusal,
};
use crate::{
    identity::{
        Terms,
        period::Period,
        terms::{Increase, ModelBudget},
    },
    price::Usd,
};

/// Fields that mean nothing here. They are kept, and shown as they came.
const KEPT: [&str; 34] = [
    "access_group_ids",
    "agent_id",
    "allow_team_guardrail_config",
    "allowed_cache_controls",
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "auto_rotate",
    "budget_fallbacks",
    "budget_limits",
    "config",
    "default_estimated_output_tokens",
    "default_team_member_models",
    "denied_passthrough_routes",
    "disable_global_guardrails",
    "enable_prompt_caching",
    "enforced_params",
    "guardrails",
    "mcp_rpm_limit",
    "object_permission",
    "policies",
    "prompts",
    "rotation_interval",
    "router_settings",
    "rpm_limit_type",
    "sso_user_id",
    "tag_rpm_limit",
    "team_member_budget",
    "team_member_budget_duration",
    "team_member_key_duration",
    "team_member_permissions",
    "team_member_rpm_limit",
    "team_member_tpm_limit",
    "tpd_limit",
    "tpm_limit_type",
];

/// What is said of keys, users, teams and budgets alike. What is not said stays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct Common {
    models: Patch<Vec<String>>,
    aliases: Patch<BTreeMap<String, String>>,
    model_aliases: Patch<BTreeMap<String, String>>,
    max_budget: Patch<Usd>,
    soft_budget: Patch<Usd>,
    budget_duration: Patch<Period>,
    model_max_budget: Patch<BTreeMap<String, ModelAmount>>,
    max_parallel_requests: Patch<Count>,
    tpm_limit: Patch<Count>,
    rpm_limit: Patch<Count>,
    model_rpm_limit: Patch<BTreeMap<String, Count>>,
    model_tpm_limit: Patch<BTreeMap<String, Count>>,
    allowed_routes: Patch<Vec<String>>,
    permissions: Patch<Map<String, Value>>,
    metadata: Patch<Map<String, Value>>,
    tags: Patch<Vec<String>>,
    temp_budget_increase: Patch<Usd>,
    temp_budget_expiry: Patch<Time>,
    /// Whether it may not be used.
    pub(super) blocked: Patch<bool>,
    /// What it has spent from now on.
    pub(super) spend: Patch<Usd>,
    /// What is not known here.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl Common {
    /// Carries it out.
    ///
    /// # Errors
    /// 400 where a part is missing that another needs.
    pub(super) fn apply(mut self, terms: &mut Terms) -> Result<(), Refusal> {
        self.out_of_metadata()?;
        self.models.apply_or_default(&mut terms.models);
        self.aliases.apply_or_default(&mut terms.aliases);
        self.model_aliases.apply_or_default(&mut terms.aliases);
        self.allowed_routes.apply_or_default(&mut terms.routes);
        self.metadata.apply_or_default(&mut terms.metadata);
        self.tags.apply_or_default(&mut terms.tags);
        self.permissions.apply_or_default(&mut terms.permissions);
        let limits = &mut terms.limits;
        let plain = |count: Count| count.0;
        let parallel = self.max_parallel_requests.map(plain);
        parallel.apply(&mut limits.parallel_requests);
        self.tpm_limit
            .map(plain)
            .apply(&mut limits.tokens_per_minute);
        self.rpm_limit
            .map(plain)
            .apply(&mut limits.requests_per_minute);
        for (said, is_tokens) in [(self.model_rpm_limit, false), (self.model_tpm_limit, true)] {
            let mut said = match said {
                Patch::Absent => continue,
                Patch::Empty => BTreeMap::new(),
                Patch::Is(said) => said,
            };
            for name in said.keys() {
                limits.models.entry(name.clone()).or_default();
            }
            for (name, limit) in &mut limits.models {
                let place = match is_tokens {
                    true => &mut limit.tokens_per_minute,
                    false => &mut limit.requests_per_minute,
                };
                *place = said.remove(name).map(plain);
            }
            let says_nothing = crate::identity::terms::ModelLimits::default();
            limits.models.retain(|_, limit| *limit != says_nothing);
        }
        let budget = &mut terms.budget;
        self.max_budget.apply(&mut budget.max);
        self.soft_budget.apply(&mut budget.soft);
        self.budget_duration.apply(&mut budget.period);
        let amounts = |amounts: BTreeMap<String, ModelAmount>| {
            let budget = |(name, amount): (String, ModelAmount)| (name, amount.0);
            amounts.into_iter().map(budget).collect()
        };
        self.model_max_budget
            .map(amounts)
            .apply_or_default(&mut budget.models);
        match (self.temp_budget_increase, self.temp_budget_expiry) {
            (Patch::Is(by), Patch::Is(until)) => {
                let until = until.0;
                budget.increase = Some(Increase { by, until });
            }
            (Patch::Absent, Patch::Absent) => {}
            (Patch::Empty, Patch::Empty) => budget.increase = None,
            _ => {
                let message = "`temp_budget_increase` and `temp_budget_expiry` come together.";
                return Err(Refusal::invalid(Some("temp_budget_expiry"), message));
            }
        }
        for (name, value) in self.rest {
            if !KEPT.contains(&name.as_str()) {
                continue;
            }
            match value.is_null() {
                true => drop(terms.kept.remove(&name)),
                false => drop(terms.kept.insert(name, value)),
            }
        }
        Ok(())
    }

    /// LiteLLM keeps some fields in the metadata, and its clients may send them there.
    fn out_of_metadata(&mut self) -> Result<(), Refusal> {
        let Patch::Is(metadata) = &mut self.metadata else {
            return Ok(());
        };
        fn take<T: de::DeserializeOwned>(
            metadata: &mut Map<String, Value>,
            name: &'static str,
            field: &mut Patch<T>,
        ) -> Result<(), Refusal> {
            let Some(value) = metadata.remove(name) else {
                return Ok(());
            };
            if field.is_absent() {
                *field = Patch::deserialize(value).map_err(|_| {
                    let message = format!("`metadata.{name}` cannot be taken.");
                    Refusal::invalid(Some("metadata"), message)
                })?;
            }
            Ok(())
        }
        take(metadata, "tags", &mut self.tags)?;
        take(metadata, "model_rpm_limit", &mut self.model_rpm_limit)?;
        take(metadata, "model_tpm_limit", &mut self.model_tpm_limit)
    }
}

/// A whole number, also as text or as `10.0`, which LiteLLM's clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let whole = |number: f64| {
            (number.fract() == 0.0 && (0.0..9.007e15).contains(&number)).then_some(number as u64)
        };
        let count = match &value {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        count
            .map(Count)
            .ok_or_else(|| de::Error::custom("no whole number from 0 on"))
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64})
    }
}

/// A budget of one model, as LiteLLM's versions write it: `5.0`, `{"budget_limit": 5.0, "time_period": "30d"}`,
/// `{"max_budget": 5.0, "budget_duration": "30d"}`.
#[derive(Debug, Clone, Copy)]
struct ModelAmount(ModelBudget);

#[derive(Deserialize)]
struct Written {
    #[serde(alias = "max_budget")]
    budget_limit: Usd,
    #[serde(default, alias = "budget_duration")]
    time_period: Option<Period>,
}

impl<'de> Deserialize<'de> for ModelAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let budget = match value.is_object() {
            true => {
                let written = Written::deserialize(value).map_err(de::Error::custom)?;
                ModelBudget {
                    max: written.budget_limit,
                    period: written.time_period,
                }
            }
            false => ModelBudget {
                max: Usd::deserialize(value).map_err(de::Error::custom)?,
                period: None,
            },
        };
        Ok(ModelAmount(budget))
    }
}

impl JsonSchema for ModelAmount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ModelAmount".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (amount, period) = (
            generator.subschema_for::<Usd>(),
            generator.subschema_for::<Period>(),
        );
        json_schema!({"anyOf": [amount, {"type": "object", "required": ["budget_limit"],
            "properties": {"budget_limit": amount, "time_period": period}}]})
    }
}

/// How long something lasts; `-1` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) struct Span(pub(super) Option<Period>);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match text.trim() {
            "-1" => Ok(Span(None)),
            text => text.parse().map(Some).map(Span).map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Period>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms(value: Value) -> Terms {
        let mut terms = Terms::default();
        Common::deserialize(value)
            .unwrap()
            .apply(&mut terms)
            .unwrap();
        terms
    }

    #[test]
    fn what_litellms_clients_say_is_understood() {
        let terms = terms(json!({
            "models": ["gpt-*"], "max_budget": 10.5, "soft_budget": "5", "budget_duration": "1mo",
            "rpm_limit": "60", "tpm_limit": 1000.0, "max_parallel_requests": 3,
            "model_rpm_limit": {"gpt-4o": 5}, "model_tpm_limit": {"gpt-4o": 50, "o3": 7},
            "model_max_budget": {"gpt-4o": 5.0, "o3": {"budget_limit": "0.5", "time_period": "1d"},
                "x": {"max_budget": 1, "budget_duration": "daily"}},
            "metadata": {"team": "core", "tags": ["red"]}, "guardrails": ["pii"], "brand_new": {"a": 1},
            "temp_budget_increase": 5, "temp_budget_expiry": "2026-01-31",
        }));
        assert_eq!(terms.models, ["gpt-*"]);
        assert_eq!(terms.budget.max.map(Usd::pico), Some(10_500_000_000_000));
        assert_eq!(terms.limits.requests_per_minute, Some(60));
        assert_eq!(terms.limits.tokens_per_minute, Some(1000));
        assert_eq!(terms.limits.models["gpt-4o"].requests_per_minute, Some(5));
        assert_eq!(terms.limits.models["o3"].tokens_per_minute, Some(7));
        assert_eq!(terms.budget.models["x"].period, "1d".parse().ok());
        assert_eq!(terms.budget.models.len(), 3);
        assert!(terms.budget.increase.is_some());
        assert_eq!(terms.tags, ["red"]);
        assert_eq!(Value::from(terms.metadata), json!({"team": "core"}));
        assert_eq!(Value::from(terms.kept), json!({"guardrails": ["pii"]}));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [
            json!({"rpm_limit": -1}),
            json!({"rpm_limit": 1.5}),
            json!({"max_budget": -0.1}),
            json!({"max_budget": "much"}),
            json!({"budget_duration": "sometimes"}),
            json!({"models": "gpt-4o"}),
        ] {
            assert!(Common::deserialize(&wrong).is_err(), "{wrong}");
        }
        let half = Common::deserialize(json!({"temp_budget_increase": 5})).unwrap();
        assert!(half.apply(&mut Terms::default()).is_err());
    }

    #[test]
    fn a_change_leaves_what_it_does_not_say() {
        let mut terms =
            terms(json!({"rpm_limit": 1, "model_rpm_limit": {"a": 1}, "guardrails": [1]}));
        let change = json!({"model_tpm_limit": {"a": 2}, "rpm_limit": null});
        Common::deserialize(change)
            .unwrap()
            .apply(&mut terms)
            .unwrap();
        assert_eq!(terms.limits.requests_per_minute, None);
        let both = &terms.limits.models["a"];
        assert_eq!(
            (both.requests_per_minute, both.tokens_per_minute),
            (Some(1), Some(2))
        );
        assert!(terms.kept.contains_key("guardrails"));
    }
}
