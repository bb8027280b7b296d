//! Which provider serves a model, and who next. A [`Router`] is built from the configuration and
//! asked once a request; what it answers is a [`Plan`].
//!
//! A name is looked for in this order: alias, route, pool, `local:NAME`, `provider/model`,
//! providers that list it or own it by name, providers that serve any name.

mod plan;

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use crate::{error::GatewayError, pattern, upstream::provider::Provider};

pub use plan::{Candidate, Candidates, ModelSource, Plan};

/// A provider as the router sees it.
pub struct Member {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Names and globs of the models that it serves.
    pub models: Vec<String>,
    /// The only models that it may be asked for; empty means all.
    pub allowed: Vec<String>,
    /// Globs of the names that are its own by custom: `gpt-*` is OpenAI's.
    pub patterns: &'static [String],
    /// Smaller is asked first.
    pub priority: i32,
    /// Whether it serves whatever name it is asked for.
    pub any_model: bool,
    /// The model for requests that name this provider and no model.
    pub default_model: Option<String>,
}

/// A provider's name, and the model's name there where it is not the client's.
pub type PoolMember = (Arc<str>, Option<Arc<str>>);

/// Everything that routing needs to know.
#[derive(Default)]
pub struct Router {
    /// By name, in the order of the configuration.
    pub members: IndexMap<Arc<str>, Member>,
    /// Pools by name: members' names and the model's name there.
    pub pools: HashMap<Box<str>, Vec<PoolMember>>,
    /// Globs and the pools that they lead to.
    pub routes: Vec<(Box<str>, Box<str>)>,
    /// Other names for models.
    pub aliases: HashMap<Box<str>, Box<str>>,
    /// The model of a request that names none.
    pub default_model: Option<Box<str>>,
    /// Providers that could be configured, and the variable that would do it.
    pub unconfigured: HashMap<String, String>,
}

impl Router {
    /// The candidates for a request that names `model` and perhaps a provider.
    ///
    /// # Errors
    /// `NoModel`, `UnknownModel`, `ModelNotAllowed`, `ProviderNotConfigured`, and `InvalidBody`
    /// where the provider is unknown.
    pub fn plan(&self, model: Option<&str>, provider: Option<&str>) -> Result<Plan, GatewayError> {
        if let Some(provider) = provider {
            return self.at_provider(provider, model);
        }
        let source = match model {
            Some(_) => ModelSource::Custom,
            None => ModelSource::Default,
        };
        let asked = self.asked(model, None).ok_or(GatewayError::NoModel)?;
        let name = self.aliases.get(asked).map_or(asked, AsRef::as_ref);
        let candidates = self.candidates(name)?;
        if candidates.is_empty() {
            return Err(GatewayError::UnknownModel {
                model: asked.to_owned(),
                nearest: self.nearest(asked),
            });
        }
        Ok(Plan::new(candidates, source))
    }

    /// The name that a request goes by: its own, or the default of the provider that it names, or
    /// the gateway's.
    pub fn asked<'a>(&'a self, model: Option<&'a str>, provider: Option<&str>) -> Option<&'a str> {
        let member = provider.and_then(|provider| self.members.get(provider));
        let default = || member.and_then(|member| member.default_model.as_deref());
        model.or_else(default).or(self.default_model.as_deref())
    }

    fn candidates(&self, name: &str) -> Result<Candidates, GatewayError> {
        let route = self
            .routes
            .iter()
            .find(|(glob, _)| pattern::matches(glob, name));
        let pool = route.map_or(name, |(_, pool)| pool);
        if let Some(targets) = self.pools.get(pool) {
            return Ok(self.pool(targets, name));
        }
        if let Some(local) = name.strip_prefix("local:") {
            return self.local(local);
        }
        if let Some((prefix, rest)) = name.split_once('/') {
            if let Some(member) = self.members.get(prefix) {
                return self.explicit(member, rest);
            }
            let listed = self.listed(name);
            return match self.unconfigured.get(prefix) {
                Some(variable) if listed.is_empty() => Err(not_configured(prefix, variable)),
                _ => Ok(listed),
            };
        }
        Ok(self.listed(name))
    }

    fn pool(&self, targets: &[PoolMember], name: &str) -> Candidates {
        let candidate = |(provider, model): &PoolMember| {
            let model = model.clone().unwrap_or_else(|| name.into());
            Some(Candidate::new(&self.members.get(provider)?.provider, model))
        };
        targets.iter().filter_map(candidate).collect()
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
        Err(GatewayError::ModelNotAllowed {
            model: model.to_owned(),
            provider: member.provider.name.clone(),
            nearest: nearest(model, member.allowed.iter().map(String::as_str)),
        })
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
        Ok(Plan::new(self.explicit(member, own_name)?, source))
    }

    /// Providers that list a name or own it by custom, by priority, owners first among equals;
    /// where there is none, those that serve any name.
    fn listed(&self, name: &str) -> Candidates {
        let rank = |member: &Member| {
            let owns = member
                .patterns
                .iter()
                .any(|glob| pattern::matches(glob, name));
            let lists = member
                .models
                .iter()
                .any(|glob| pattern::matches(glob, name));
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
            for name in member.models.iter().chain(&member.allowed).filter(is_name) {
                names
                    .entry(name.clone())
                    .or_insert_with(|| member.provider.name.clone());
            }
        }
        names.sort_unstable_keys();
        names.into_iter().collect()
    }

    fn nearest(&self, name: &str) -> Vec<String> {
        let names = self.models();
        nearest(name, names.iter().map(|(name, _)| name.as_str()))
    }
}

impl Member {
    fn allows(&self, model: &str) -> bool {
        self.allowed.is_empty()
            || self
                .allowed
                .iter()
                .any(|glob| pattern::matches(glob, model))
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
