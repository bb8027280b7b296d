//! Which provider serves a request, and who next. A [`Router`] is built from the configuration and
//! asked once a request; what it answers is a [`Plan`], which is asked again after each failure.
//!
//! A name is looked for in this order: alias, route, pool, `local:NAME`, `provider/model`,
//! providers that list it or own it by name, providers that serve any name.
//!
//! ```text
//! route    model and conditions → a pool, or one arm of an experiment
//! pool     tiers of priority; in each a strategy picks among those that may be asked
//! plan     who is being asked, and the fallbacks behind them
//! round    who has been asked, and who of them may be again
//! policy   after a failure: the next one, the same again after a while, or nobody
//! obstacle what keeps somebody from being asked
//! ```

pub mod chance;
pub mod explain;
pub mod facts;
mod label;
mod obstacle;
mod plan;
pub mod policy;
pub mod pool;
pub mod prompt;
mod round;
pub mod route;
mod stage;
pub mod strategies;
pub mod wishes;

use std::{collections::HashMap, iter, sync::Arc};

use indexmap::IndexMap;

use crate::{
    config::FailureClass,
    error::GatewayError,
    pattern,
    price::{Price, Usd},
    upstream::provider::Provider,
};

use facts::Facts;
pub use label::Label;
pub use plan::{Limits, ModelSource, Plan, Reason};
use pool::Pool;
pub use round::Contest;
use route::Route;
pub use stage::{Candidate, Candidates, IsUsable, Stage};
pub use wishes::Wishes;

/// A provider as the router sees it.
pub struct Member {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Names and globs of the models that it serves.
    pub models: Vec<String>,
    /// Globs of the names that are its own by custom: `gpt-*` is OpenAI's.
    pub patterns: &'static [String],
    /// Smaller is asked first.
    pub priority: i32,
    /// Whether it serves whatever name it is asked for.
    pub any_model: bool,
    /// The model for requests that name this provider and no model.
    pub default_model: Option<String>,
}

/// Everything that routing needs to know.
#[derive(Default)]
pub struct Router {
    /// By name, in the order of the configuration.
    pub members: IndexMap<Arc<str>, Member>,
    /// Pools by name.
    pub pools: HashMap<Box<str>, Arc<Pool>>,
    /// The first that matches wins.
    pub routes: Vec<Route>,
    /// Providers of `GATEWAY_PROVIDERS`, by weight, for models that all of them serve.
    pub shared: Option<Arc<Pool>>,
    /// The same, each with its usual model, for requests that name none.
    pub shared_default: Option<Arc<Pool>>,
    /// Who serves a model where nobody of its own can.
    pub fallbacks: HashMap<Box<str>, Arc<[Box<str>]>>,
    /// The same for all other models.
    pub default_fallbacks: Option<Arc<[Box<str>]>>,
    /// Who serves a model where the prompt is too long for it.
    pub context_window_fallbacks: HashMap<Box<str>, Arc<[Box<str>]>>,
    /// Which failures lead on.
    pub fallback_on: Vec<FailureClass>,
    /// Dearer candidates are not asked, in USD.
    pub max_cost: Option<f64>,
    /// Other names for models.
    pub aliases: HashMap<Box<str>, Box<str>>,
    /// The model of a request that names none.
    pub default_model: Option<Box<str>>,
    /// Providers that could be configured, and the variable that would do it.
    pub unconfigured: HashMap<String, String>,
}

impl Router {
    /// The plan for a request that names `model` and perhaps a provider.
    ///
    /// # Errors
    /// `NoModel`, `UnknownModel`, `ModelNotAllowed`, `ProviderNotConfigured`, and `InvalidBody`
    /// where the provider is unknown.
    pub fn plan(
        &self,
        model: Option<&str>,
        provider: Option<&str>,
        facts: &Facts<'_>,
    ) -> Result<Plan, GatewayError> {
        if let Some(provider) = provider {
            let mut plan = self.at_provider(provider, model)?;
            plan.limits.max_cost = self.max_cost;
            return Ok(plan);
        }
        let source = match model {
            Some(_) => ModelSource::Custom,
            None => ModelSource::Default,
        };
        let asked = self.asked(model, None);
        if let (None, Some(shared)) = (asked, &self.shared_default) {
            let mut plan = Plan::new(Stage::Pool(shared.clone(), "".into()), source);
            plan.limits.max_cost = self.max_cost;
            plan.fallbacks.names.clone_from(&self.default_fallbacks);
            return Ok(plan);
        }
        let asked = asked.ok_or(GatewayError::NoModel)?;
        let name = self.alias(asked);
        let route = self.routes.iter().find(|route| route.matches(name, facts));
        let arm = route.and_then(|route| route.arm(facts));
        let stage = match arm {
            Some(arm) => Stage::Pool(arm.pool.clone(), name.into()),
            None => self.stage(name)?,
        };
        if stage.is_empty() {
            return Err(GatewayError::UnknownModel {
                model: asked.to_owned(),
                nearest: self.nearest(asked),
            });
        }
        let mut plan = Plan::new(stage, source);
        plan.reason = Reason {
            route: route.map(|route| route.name.clone()),
            variant: arm.and_then(|arm| arm.name.clone()),
        };
        plan.shadow = route.and_then(|route| route.shadow.clone());
        plan.cache = route.map(|route| route.cache).unwrap_or_default();
        plan.limits.max_cost = route.and_then(|route| route.max_cost).or(self.max_cost);
        plan.fallback_on = route.and_then(|route| route.fallback_on.clone());
        plan.fallbacks.names = route
            .and_then(|route| route.fallbacks.clone())
            .or_else(|| self.fallbacks_of(asked, name))
            .or_else(|| self.default_fallbacks.clone());
        plan.larger = lookup(&self.context_window_fallbacks, asked, name);
        Ok(plan)
    }

    fn fallbacks_of(&self, asked: &str, name: &str) -> Option<Arc<[Box<str>]>> {
        lookup(&self.fallbacks, asked, name)
    }

    /// The route of that name.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| &*route.name == name)
    }

    /// Where aliases lead. `validate` has made sure that they end.
    fn alias<'a>(&'a self, name: &'a str) -> &'a str {
        self.trail(name).last().unwrap_or(name)
    }

    /// The name, and where each alias leads.
    fn trail<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let next = |name: &&str| self.aliases.get(*name).map(AsRef::as_ref);
        iter::successors(Some(name), next).take(self.aliases.len() + 1)
    }

    /// Those who serve a fallback's name; nobody where it leads nowhere. Targets of a pool that have no
    /// model of their own are asked for `asked`: the name is the pool's.
    pub fn fallback(&self, name: &str, asked: Option<&Arc<str>>) -> Option<Stage> {
        let name = self.alias(name);
        let stage = match (self.stage(name).ok()?, asked) {
            (Stage::Pool(pool, _), Some(asked)) if self.pools.contains_key(name) => {
                Stage::Pool(pool, asked.clone())
            }
            (stage, _) => stage,
        };
        (!stage.is_empty()).then_some(stage)
    }

    /// Whether a name leads to somebody.
    ///
    /// # Errors
    /// `UnknownModel`, `ModelNotAllowed`, `ProviderNotConfigured`.
    pub fn lead(&self, name: &str) -> Result<(), GatewayError> {
        match self.stage(self.alias(name))?.is_empty() {
            false => Ok(()),
            true => Err(GatewayError::UnknownModel {
                model: name.to_owned(),
                nearest: self.nearest(name),
            }),
        }
    }

    /// The name that a request goes by: its own, or the default of the provider that it names, or
    /// the gateway's.
    pub fn asked<'a>(&'a self, model: Option<&'a str>, provider: Option<&str>) -> Option<&'a str> {
        let member = provider.and_then(|provider| self.members.get(provider));
        let default = || member.and_then(|member| member.default_model.as_deref());
        model.or_else(default).or(self.default_model.as_deref())
    }

    /// Those who serve the model of that name.
    fn stage(&self, name: &str) -> Result<Stage, GatewayError> {
        if let Some(pool) = self.pools.get(name) {
            return Ok(Stage::Pool(pool.clone(), name.into()));
        }
        if let Some(local) = name.strip_prefix("local:") {
            return self.local(local).map(Stage::List);
        }
        if let Some((prefix, rest)) = name.split_once('/') {
            if let Some(member) = self.members.get(prefix) {
                return self.explicit(member, rest).map(Stage::List);
            }
            let listed = self.listed(name);
            return match self.unconfigured.get(prefix) {
                Some(variable) if listed.is_empty() => Err(not_configured(prefix, variable)),
                _ => Ok(Stage::List(listed)),
            };
        }
        if let Some(shared) = &self.shared
            && shared
                .targets()
                .all(|target| self.serves(&target.provider.name, name))
        {
            return Ok(Stage::Pool(shared.clone(), name.into()));
        }
        Ok(Stage::List(self.listed(name)))
    }

    /// Whether that provider lists the model or owns it by name, and may be asked for it.
    fn serves(&self, provider: &str, model: &str) -> bool {
        let member = self.members.get(provider);
        member.is_some_and(|member| {
            (member.owns(model) || member.lists(model)) && member.allows(model)
        })
    }

    /// `local:NAME` goes to the provider named `local`, else to one that runs beside the gateway.
    fn local(&self, name: &str) -> Result<Candidates, GatewayError> {
        let member = self
            .members
            .get("local")
            .or_else(|| self.members.values().find(|member| member.provider.local));
        match member {
            Some(member) => self.explicit(member, name),
            None => Err(not_configured(
                "local",
                "LOCAL_LLM_BASE_URL or OLLAMA_BASE_URL",
            )),
        }
    }

    /// The one candidate where a client names the provider.
    fn explicit(&self, member: &Member, model: &str) -> Result<Candidates, GatewayError> {
        if member.allows(model) {
            return Ok(Candidates::from_iter([Candidate::new(
                &member.provider,
                model.into(),
            )]));
        }
        Err(not_allowed(&member.provider, model))
    }

    fn at_provider(&self, name: &str, model: Option<&str>) -> Result<Plan, GatewayError> {
        let Some(member) = self.members.get(name) else {
            return Err(match self.unconfigured.get(name) {
                Some(variable) => not_configured(name, variable),
                None => {
                    let names: Vec<&str> = self.members.keys().map(AsRef::as_ref).collect();
                    let message = format!(
                        "There is no provider `{name}`. Configured are: {}.",
                        names.join(", ")
                    );
                    GatewayError::invalid(message, Some("provider"))
                }
            });
        };
        let source = match model {
            Some(_) => ModelSource::Custom,
            None => ModelSource::Default,
        };
        let asked = self.asked(model, Some(name));
        let model = asked.ok_or(GatewayError::NoModel)?;
        let own_name = model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(['/', ':']))
            .unwrap_or(model);
        let list = self.explicit(member, own_name)?;
        Ok(Plan::new(Stage::List(list), source))
    }

    /// Providers that list a name or own it by custom, by priority, owners first among equals;
    /// where there is none, those that serve any name.
    fn listed(&self, name: &str) -> Candidates {
        let rank = |member: &Member| {
            let (owns, lists) = (member.owns(name), member.lists(name));
            ((owns || lists) && member.allows(name)).then_some((member.priority, !owns))
        };
        let mut found: Vec<_> = self
            .members
            .values()
            .filter_map(|member| rank(member).map(|rank| (rank, member)))
            .collect();
        if found.is_empty() {
            found = self
                .members
                .values()
                .filter(|member| member.any_model && member.allows(name))
                .map(|member| ((member.priority, false), member))
                .collect();
        }
        found.sort_by_key(|(rank, _)| *rank);
        let model: Arc<str> = name.into();
        found
            .into_iter()
            .map(|(_, member)| Candidate::new(&member.provider, model.clone()))
            .collect()
    }

    /// Every name that a client may ask for, with the provider that it leads to first.
    pub fn models(&self) -> Vec<(String, Arc<str>)> {
        let is_name = |name: &&String| !name.contains(['*', '?']);
        let mut names: IndexMap<String, Arc<str>> = IndexMap::new();
        let gateway: Arc<str> = "gateway".into();
        for alias in self.aliases.keys().chain(self.pools.keys()) {
            names.insert(alias.to_string(), gateway.clone());
        }
        for member in self.members.values() {
            let allowed = &member.provider.allowed_models;
            for name in member.models.iter().chain(allowed).filter(is_name) {
                names
                    .entry(name.clone())
                    .or_insert_with(|| member.provider.name.clone());
            }
        }
        names.sort_unstable_keys();
        names.into_iter().collect()
    }

    /// The targets that pools name: provider and model.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        let shared = self.shared.iter().chain(&self.shared_default);
        let targets = self
            .pools
            .values()
            .chain(shared)
            .flat_map(|pool| pool.targets());
        targets.filter_map(|target| Some((&*target.provider.name, target.model.as_deref()?)))
    }

    fn nearest(&self, name: &str) -> Vec<String> {
        let names = self.models();
        nearest(name, names.iter().map(|(name, _)| name.as_str()))
    }
}

impl Member {
    /// Whether the model is its own by name.
    fn owns(&self, model: &str) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|glob| pattern::matches(glob, model))
    }

    /// Whether it lists the model.
    fn lists(&self, model: &str) -> bool {
        self.models.iter().any(|glob| pattern::matches(glob, model))
    }

    fn allows(&self, model: &str) -> bool {
        self.provider.allows(model)
    }
}

fn lookup<T: Clone>(map: &HashMap<Box<str>, T>, asked: &str, name: &str) -> Option<T> {
    map.get(asked).or_else(|| map.get(name)).cloned()
}

/// What this request costs at a price, about.
pub fn estimate(price: &Price, facts: &Facts<'_>) -> Usd {
    let prompt = facts.prompt();
    let most = prompt.max_output_tokens.unwrap_or(USUAL_OUTPUT_TOKENS);
    let answers = prompt.answers.unwrap_or(1).max(1);
    price.estimate(prompt.tokens, most.saturating_mul(answers))
}

/// How long an answer is, about, where the request does not bound it. Few come near a model's own bound.
const USUAL_OUTPUT_TOKENS: u64 = 1000;

/// A number for these names, the same in every process.
fn digest(names: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in names {
        for byte in name.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^ (hash >> 29)
}

fn not_allowed(provider: &Provider, model: &str) -> GatewayError {
    let allowed = provider.allowed_models.iter().map(String::as_str);
    GatewayError::ModelNotAllowed {
        model: model.to_owned(),
        provider: provider.name.clone(),
        nearest: nearest(model, allowed),
    }
}

fn not_configured(provider: &str, variable: &str) -> GatewayError {
    GatewayError::ProviderNotConfigured {
        provider: provider.to_owned(),
        variable: variable.to_owned(),
    }
}

/// At most three names that are close to `name`, the closest first.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut close: Vec<(f64, &str)> = names
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    close.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    close
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
