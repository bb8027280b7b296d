//! The `pools` and `routes` sections: which provider serves a model, and who next.

use std::{borrow::Cow, fmt};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};

use super::{CacheOverride, FailureClass};

/// Targets that serve the same, and how one of them is picked. A plain list of targets is a pool
/// without a strategy of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pool {
    /// How a target is picked; `routing.strategy` unless set.
    pub strategy: Option<StrategyName>,
    /// Who serves.
    pub targets: Vec<PoolTarget>,
}

/// Targets that serve the same, and how one of them is picked. A plain list of targets is a pool without
/// a strategy of its own.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema is made from it")]
enum PoolForm {
    List(Vec<PoolTarget>),
    Object(PoolObject),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PoolObject {
    /// How a target is picked; `routing.strategy` unless set.
    #[serde(default)]
    strategy: Option<StrategyName>,
    /// Who serves.
    targets: Vec<PoolTarget>,
}

impl JsonSchema for Pool {
    fn schema_name() -> Cow<'static, str> {
        "Pool".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PoolForm::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Pool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pool;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of targets, or `strategy` and `targets`")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Pool, A::Error> {
                let targets = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Pool {
                    strategy: None,
                    targets,
                })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Pool, A::Error> {
                let PoolObject { strategy, targets } =
                    PoolObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Pool { strategy, targets })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// How a pool picks one of its targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// At random, by `weight`.
    #[default]
    #[serde(alias = "simple-shuffle")]
    Weighted,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// Of two at random the one that answers sooner: its average time to the first byte, in which a peak
    /// counts at once, times the requests under way there.
    #[serde(alias = "latency-based-routing", alias = "latency-based")]
    Latency,
    /// The cheapest, by `conf/pricing.yaml`.
    #[serde(alias = "cost-based-routing")]
    Cost,
    /// The one with the most room left under its `rpm` and `tpm`.
    #[serde(alias = "usage-based-routing", alias = "usage-based-routing-v2")]
    Usage,
    /// The first in the order of `priority`, then of the list.
    Priority,
    /// The same one for prompts that begin alike, so that its cache of prompts is used.
    PrefixAffinity,
}

impl StrategyName {
    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            StrategyName::Weighted => "weighted",
            StrategyName::RoundRobin => "round-robin",
            StrategyName::LeastBusy => "least-busy",
            StrategyName::Latency => "latency",
            StrategyName::Cost => "cost",
            StrategyName::Usage => "usage",
            StrategyName::Priority => "priority",
            StrategyName::PrefixAffinity => "prefix-affinity",
        }
    }

    /// How it picks, in words.
    pub fn description(self) -> &'static str {
        match self {
            StrategyName::Weighted => "at random, by weight",
            StrategyName::RoundRobin => "one after the other",
            StrategyName::LeastBusy => "the one with the fewest requests under way",
            StrategyName::Latency => "of two at random the one that answers sooner",
            StrategyName::Cost => "the cheapest",
            StrategyName::Usage => "the one with the most room left",
            StrategyName::Priority => "the first in order",
            StrategyName::PrefixAffinity => "the same one for prompts that begin alike",
        }
    }
}

/// One member of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTarget {
    /// The provider's name under `providers`.
    pub provider: String,
    /// The model's name at that provider. Without it, the name that the client asked for.
    #[serde(default)]
    pub model: Option<String>,
    /// Its share of the requests, for `weighted`: 0 (nobody) to 1000.
    #[serde(default = "one")]
    pub weight: u16,
    /// Targets of a larger number are asked only where none of a smaller one can be.
    #[serde(default)]
    pub priority: i32,
    /// Requests a minute that it takes, for `usage`.
    #[serde(default)]
    pub rpm: Option<u32>,
    /// Tokens a minute that it takes, for `usage`.
    #[serde(default)]
    pub tpm: Option<u32>,
}

fn one() -> u16 {
    1
}

/// Sends the requests that match to a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What it is called in headers and logs; its pool's name unless set.
    #[serde(default)]
    pub name: Option<String>,
    /// The model that the client asks for, as a glob: `gpt-4*`, `*`.
    #[serde(default = "any")]
    pub model: String,
    /// What else must hold.
    #[serde(default)]
    pub when: When,
    /// The pool's name under `pools`. Either this or `split`.
    #[serde(default)]
    pub pool: Option<String>,
    /// An experiment: each caller is given one of these for good, by weight.
    #[serde(default)]
    pub split: Vec<Variant>,
    /// Who serves where nobody of the pool can, in order: pools, models or `provider/model`. Without it,
    /// `routing.fallbacks` for the model that was asked for.
    #[serde(default)]
    pub fallbacks: Option<Vec<String>>,
    /// Which failures lead on to another candidate; `routing.fallback_on` unless set.
    #[serde(default)]
    pub fallback_on: Option<Vec<FailureClass>>,
    /// Sends copies of requests elsewhere; what comes back is measured, kept in `shadow.jsonl` in the data
    /// directory, and not seen by clients. Copies are paid for.
    #[serde(default)]
    pub shadow: Option<Shadow>,
    /// No candidate is asked whose estimated price is above this, in USD.
    #[serde(default)]
    pub max_cost_per_request: Option<f64>,
    /// What differs from the `cache` section. A key's own settings count before its route's.
    #[serde(default)]
    pub cache: CacheOverride,
}

fn any() -> String {
    "*".to_owned()
}

/// What a route asks of a request besides its model; all that is set must hold. Names are globs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Names of gateway keys.
    pub keys: Vec<String>,
    /// Names of teams.
    pub teams: Vec<String>,
    /// Tags: `metadata.tags` in the body, or the header `X-Gateway-Tags`; one is enough.
    pub tags: Vec<String>,
    /// Headers and what they must hold.
    pub headers: IndexMap<String, String>,
    /// Whether the answer is to be streamed.
    pub stream: Option<bool>,
    /// Whether the request offers tools.
    pub tools: Option<bool>,
    /// Whether it shows images.
    pub images: Option<bool>,
    /// How long its prompt is, in tokens, about.
    pub prompt_tokens: TokenRange,
}

/// A range of token counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRange {
    /// At least so many.
    pub min: Option<u64>,
    /// At most so many.
    pub max: Option<u64>,
}

/// One arm of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in `X-Gateway-Variant`; its pool's name unless set.
    #[serde(default)]
    pub name: Option<String>,
    /// The pool's name under `pools`.
    pub pool: String,
    /// Its share of the callers: 1 to 1000.
    #[serde(default = "one")]
    pub weight: u16,
}

/// Copies of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// A pool, a model or `provider/model`.
    pub to: String,
    /// The share of requests that is copied, in per cent.
    #[serde(default = "hundred")]
    pub percent: f64,
}

fn hundred() -> f64 {
    100.0
}
