//! Checks of `pools`, `routes`, `aliases` and `default_model`: every name must lead somewhere.

use std::collections::BTreeSet;

use super::Check;
use crate::{config::Provider, pattern, providers::catalog};

/// Pingora keeps a list as long as all weights together.
pub(in crate::config) const MAX_WEIGHT: u16 = 1000;
/// Copies are counted in parts of a million.
const LEAST_PERCENT: f64 = 0.0001;

impl Check<'_> {
    pub(super) fn routing(&mut self) {
        self.pools();
        self.routes();
        self.aliases();
        self.rules();
        if let Some(model) = &self.config.default_model {
            if model.trim().is_empty() {
                self.problem("default_model", "is empty; leave it out instead");
            } else {
                self.target("default_model", model);
            }
        }
    }

    fn pools(&mut self) {
        for (name, pool) in &self.config.pools {
            let path = format!("pools.{name}");
            if pool.targets.is_empty() {
                self.problem(
                    &path,
                    format!("the pool `{name}` is empty; give it a target"),
                );
            }
            for (index, target) in pool.targets.iter().enumerate() {
                let path = match self.positions.knows(&format!("{path}.targets")) {
                    true => format!("{path}.targets.{index}"),
                    false => format!("{path}.{index}"),
                };
                self.at_most(&format!("{path}.weight"), target.weight, MAX_WEIGHT);
                self.provider(&format!("{path}.provider"), &target.provider);
                if let (Some(provider), Some(model)) =
                    (self.config.providers.get(&target.provider), &target.model)
                {
                    self.may_be_asked(&format!("{path}.model"), &target.provider, provider, model);
                }
                if target
                    .model
                    .as_deref()
                    .is_some_and(|model| model.trim().is_empty())
                {
                    let message = "is empty; leave it out for the name that the client asked for";
                    self.problem(&format!("{path}.model"), message);
                }
            }
        }
    }

    /// Checks that a provider may be asked for a model.
    fn may_be_asked(&mut self, path: &str, name: &str, provider: &Provider, model: &str) {
        if !model.trim().is_empty() && !provider.served(name).allows(model) {
            let message = format!(
                "`{name}` may not be asked for `{model}`: its `allowed_models` do not hold it"
            );
            self.problem(path, message);
        }
    }

    /// Checks that there is a provider of the operator's own that may be asked for a model.
    fn local(&mut self, path: &str, model: &str) {
        let providers = &self.config.providers;
        let is_local =
            |name: &str, provider: &Provider| provider.entry(name).is_some_and(|entry| entry.local);
        let named = providers.get_key_value("local");
        let found = named.or_else(|| providers.iter().find(|(name, own)| is_local(name, own)));
        match found {
            Some((name, provider)) => self.may_be_asked(path, name, provider, model),
            None => {
                let message =
                    "there is no local provider; set LOCAL_LLM_BASE_URL or OLLAMA_BASE_URL";
                self.problem(path, message);
            }
        }
    }

    fn routes(&mut self) {
        let mut names = BTreeSet::new();
        for (index, route) in self.config.routes.iter().enumerate() {
            let path = format!("routes.{index}");
            if let Some(name) = &route.name
                && !names.insert(name)
            {
                let message =
                    format!("there is another route `{name}`; headers could not tell them apart");
                self.problem(&format!("{path}.name"), message);
            }
            if route.model.trim().is_empty() {
                let path = format!("{path}.model");
                self.problem(
                    &path,
                    "is empty; write a model's name or a glob such as `gpt-*`",
                );
            }
            match (&route.pool, route.split.is_empty()) {
                (Some(pool), true) => self.pool(&format!("{path}.pool"), pool),
                (None, false) => {}
                (Some(_), false) => {
                    self.problem(&path, "has a `pool` and a `split`; leave one of them out");
                }
                (None, true) => {
                    self.problem(
                        &path,
                        "leads nowhere; give it a `pool`, or a `split` of several",
                    );
                }
            }
            for (index, arm) in route.split.iter().enumerate() {
                let path = format!("{path}.split.{index}");
                self.pool(&format!("{path}.pool"), &arm.pool);
                self.at_most(&format!("{path}.weight"), arm.weight, MAX_WEIGHT);
            }
            if !route.split.is_empty() && route.split.iter().all(|arm| arm.weight == 0) {
                self.problem(&format!("{path}.split"), "nobody has a weight above 0");
            }
            let chain = route.fallbacks.iter().flatten().enumerate();
            for (index, name) in chain {
                self.leads(&format!("{path}.fallbacks.{index}"), name);
            }
            if let Some(shadow) = &route.shadow {
                self.leads(&format!("{path}.shadow.to"), &shadow.to);
                if shadow.percent != 0.0 && !(LEAST_PERCENT..=100.0).contains(&shadow.percent) {
                    let message = format!("must be 0, or from {LEAST_PERCENT} to 100");
                    self.problem(&format!("{path}.shadow.percent"), message);
                }
            }
            self.price(
                &format!("{path}.max_cost_per_request"),
                route.max_cost_per_request,
            );
            for (name, _) in &route.when.headers {
                if http::HeaderName::try_from(name.as_str()).is_err() {
                    self.problem(
                        &format!("{path}.when.headers.{name}"),
                        "is no header's name",
                    );
                }
            }
        }
    }

    /// Checks that there is a pool of this name.
    fn pool(&mut self, path: &str, name: &str) {
        let pools = &self.config.pools;
        if !pools.contains_key(name) {
            let message = format!("there is no pool `{name}`");
            self.unknown(path, message, name, pools.keys().map(String::as_str));
        }
    }

    fn at_most(&mut self, path: &str, weight: u16, most: u16) {
        if weight > most {
            self.problem(path, format!("must be from 0 to {most}"));
        }
    }

    fn price(&mut self, path: &str, dollars: Option<f64>) {
        if dollars.is_some_and(|dollars| !dollars.is_finite() || dollars <= 0.0) {
            self.problem(path, "must be an amount in USD above 0");
        }
    }

    /// What happens when a provider fails.
    fn rules(&mut self) {
        let rules = &self.config.routing;
        for (name, weight) in &rules.providers {
            let path = format!("routing.providers.{name}");
            self.provider(&path, name);
            self.at_most(&path, *weight, MAX_WEIGHT);
        }
        if !rules.providers.is_empty() && rules.providers.values().all(|weight| *weight == 0) {
            self.problem("routing.providers", "nobody has a weight above 0");
        }
        let chains = [
            ("fallbacks", &rules.fallbacks),
            ("context_window_fallbacks", &rules.context_window_fallbacks),
        ];
        for (section, chains) in chains {
            for (model, chain) in chains {
                for (index, name) in chain.iter().enumerate() {
                    self.leads(&format!("routing.{section}.{model}.{index}"), name);
                }
            }
        }
        for (index, name) in rules.default_fallbacks.iter().enumerate() {
            self.leads(&format!("routing.default_fallbacks.{index}"), name);
        }
        for (path, share) in [
            ("routing.breaker.failure_rate", rules.breaker.failure_rate),
            ("routing.retries.budget_ratio", rules.retries.budget_ratio),
        ] {
            if !(0.0..=1.0).contains(&share) {
                self.problem(path, "is a share, from 0 to 1");
            }
        }
        self.price("routing.max_cost_per_request", rules.max_cost_per_request);
        self.not_zero(
            "routing.breaker.window_seconds",
            rules.breaker.window_seconds,
        );
        let check = &rules.health_check;
        self.not_zero(
            "routing.health_check.interval_seconds",
            check.interval_seconds,
        );
        self.not_zero(
            "routing.health_check.timeout_seconds",
            check.timeout_seconds,
        );
    }

    fn aliases(&mut self) {
        let aliases = &self.config.aliases;
        for (name, target) in aliases {
            let path = format!("aliases.{name}");
            if name.trim().is_empty() || target.trim().is_empty() {
                self.problem(&path, "an alias needs a name and a target");
                continue;
            }
            // Each alias leads to one other, so walking as many steps as there are aliases
            // without an end means a circle; it is told at its first member.
            let mut circle = vec![name.as_str()];
            let mut next = target;
            while let Some(further) = aliases.get(next) {
                if circle.contains(&next.as_str()) {
                    break;
                }
                circle.push(next);
                next = further;
            }
            if next == name && circle.iter().all(|member| first(aliases, name, member)) {
                let circle = circle.join("` → `");
                self.problem(
                    &path,
                    format!("the aliases `{circle}` → `{name}` never end"),
                );
            } else if !aliases.contains_key(target) {
                self.target(&path, target);
            }
        }
    }

    /// Checks a model that may be `provider/model`, a pool or a plain name.
    fn target(&mut self, path: &str, target: &str) {
        let Some((prefix, model)) = target.split_once('/') else {
            return;
        };
        let config = self.config;
        let reachable = self.provider_names().any(|name| name == prefix);
        if reachable && model.is_empty() {
            self.problem(path, format!("a model is missing after `{prefix}/`"));
        }
        // Some providers' own model names hold a `/`.
        let is_served = || {
            let mut all = config.providers.iter();
            all.any(|(name, provider)| provider.served(name).holds(target))
        };
        if !reachable
            && !config.pools.contains_key(target)
            && !config.aliases.contains_key(target)
            && !is_served()
        {
            self.provider(path, prefix);
        }
    }

    /// Checks that a name leads to somebody: a pool, an alias, `provider/model`, `local:model`, or a model that
    /// a provider lists, owns by custom or takes as it takes any.
    fn leads(&mut self, path: &str, name: &str) {
        let config = self.config;
        // Circles have been told.
        let next = |name: &&str| config.aliases.get(*name).map(String::as_str);
        let end = std::iter::successors(Some(name), next)
            .take(config.aliases.len() + 1)
            .last()
            .unwrap_or(name);
        if end.trim().is_empty() {
            return self.problem(path, "is empty; write a pool, a model or `provider/model`");
        }
        if let Some(model) = end.strip_prefix("local:") {
            return self.local(path, model);
        }
        if let Some((prefix, model)) = end.split_once('/') {
            if let Some(provider) = config.providers.get(prefix) {
                self.may_be_asked(path, prefix, provider, model);
            }
            return self.target(path, end);
        }
        let is_served = config
            .providers
            .iter()
            .any(|(name, provider)| provider.served(name).holds(end));
        if is_served || self.demo || config.pools.contains_key(end) {
            return;
        }
        let owner = catalog().iter().find(|(name, entry)| {
            let mut globs = entry.patterns.iter();
            !config.providers.contains_key(*name) && globs.any(|glob| pattern::matches(glob, end))
        });
        let message = match owner {
            Some((owner, entry)) => format!(
                "nobody serves the model `{end}`: the provider `{owner}` is not configured; set {}, or list it \
                 under providers",
                entry.announced_by().join(" or ")
            ),
            None => format!("nobody serves the model `{end}`, and there is no such pool"),
        };
        let models = config.providers.iter();
        let models = models.flat_map(|(name, provider)| provider.served(name).models);
        let names = config.pools.keys().chain(config.aliases.keys());
        let known = names.chain(models).map(String::as_str);
        self.unknown(path, message, end, known);
    }

    /// Checks that there is a provider of this name.
    fn provider(&mut self, path: &str, name: &str) {
        let mut known = self.provider_names();
        if known.any(|other| other == name) {
            return;
        }
        match catalog().get(name) {
            Some(entry) => {
                let variables = entry.announced_by();
                let variables = variables.join(" or ");
                let message = format!(
                    "the provider `{name}` is not configured; set {variables}, or list it under \
                     providers"
                );
                self.problem(path, message);
            }
            None => {
                let message = format!("there is no provider `{name}`");
                let known = catalog().keys().map(String::as_str);
                self.unknown(path, message, name, self.provider_names().chain(known));
            }
        }
    }
}

/// Whether `name` stands before `other`, or is it.
fn first(aliases: &indexmap::IndexMap<String, String>, name: &str, other: &str) -> bool {
    aliases.get_index_of(name) <= aliases.get_index_of(other)
}
