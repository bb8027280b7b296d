//! What is said of a decision: as JSON, and in the tables of the command line.

use serde::{Deserialize, Serialize};

use crate::config::FailureClass;

/// Where a request goes, and everything that was looked at on its way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The model that it asks for, or that stands in where it names none.
    pub asked: Option<String>,
    /// Where aliases lead from there, one after the other.
    pub aliases: Vec<String>,
    /// What routes and strategies see of it.
    pub request: Shape,
    /// The routes that were looked at; the last one may be the one that it takes.
    pub routes: Vec<RouteLook>,
    /// The route that it takes.
    pub route: Option<String>,
    /// The arm of the route's experiment that its caller is in.
    pub variant: Option<String>,
    /// All arms of the experiment.
    pub variants: Vec<Variant>,
    /// The pool of whoever is asked first.
    pub pool: Option<String>,
    /// That pool's strategy.
    pub strategy: Option<String>,
    /// The provider that is asked first.
    pub provider: Option<String>,
    /// The model's name there.
    pub model: Option<String>,
    /// Those who serve the model.
    pub first: Group,
    /// Those who serve it where nobody of them can, in order.
    pub fallbacks: Vec<Group>,
    /// Those who serve it where the prompt is too long.
    pub context_window_fallbacks: Vec<Group>,
    /// Which failures lead on.
    pub fallback_on: Vec<FailureClass>,
    /// Dearer candidates are skipped, in USD.
    pub max_cost_usd: Option<f64>,
    /// Where copies go.
    pub shadow: Option<Shadow>,
    /// What the client would be told where nobody is asked.
    pub error: Option<Refusal>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// What routes and strategies see of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its key's name.
    pub key: Option<String>,
    /// Its team.
    pub team: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether its answer is to be streamed.
    pub stream: bool,
    /// Whether it offers tools.
    pub tools: bool,
    /// Whether it shows images.
    pub images: bool,
    /// How long its prompt is, about.
    pub prompt_tokens: u64,
}

/// A route that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteLook {
    /// Its name.
    pub name: String,
    /// Why the request does not take it; none where it does.
    pub why_not: Option<String>,
}

/// An arm of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its share of the callers, from 0 to 1.
    pub share: f64,
}

/// Candidates that stand side by side: a pool, or those that know a model's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The name that led here.
    pub name: Option<String>,
    /// The pool's name.
    pub pool: Option<String>,
    /// The pool's strategy.
    pub strategy: Option<String>,
    /// How far it is certain which of them is asked first.
    pub choice: Choice,
    /// They, in order.
    pub candidates: Vec<CandidateLook>,
}

/// How far it is certain who is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The same request goes to the same one.
    #[default]
    Fixed,
    /// Each has its share.
    Random,
    /// Each has its turn.
    InTurn,
    /// By what goes on there.
    ByLoad,
}

/// A candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CandidateLook {
    /// The provider.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Smaller is asked first.
    pub priority: i32,
    /// Its weight, in a pool.
    pub weight: Option<u16>,
    /// Its share of such requests, from 0 to 1, where that is known.
    pub share: Option<f64>,
    /// Its breaker: `closed`, `half_open` or `open`.
    pub breaker: String,
    /// How long it is left alone.
    pub retry_in_seconds: Option<f64>,
    /// What the request would cost there, about; none where nobody knows.
    pub estimated_usd: Option<f64>,
    /// Why it is not asked.
    pub skipped: Option<String>,
    /// Whether it is the one that is asked.
    pub chosen: bool,
}

/// Where copies of requests go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    /// A pool, a model or `provider/model`.
    pub to: String,
    /// How many, in per cent.
    pub percent: f64,
}

/// What the client would be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The code.
    pub code: String,
    /// The message.
    pub message: String,
}
