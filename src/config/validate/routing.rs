//! Checks of `pools`, `routes`, `aliases` and `default_model`: every name must lead somewhere.

use super::Check;
use crate::providers::catalog;

/// Pingora keeps a list as long as all weights together.
const MAX_WEIGHT: u16 = 1000;

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

    fn routes(&mut self) {
        for (index, route) in self.config.routes.iter().enumerate() {
            let path = format!("routes.{index}");
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
                self.target(&format!("{path}.fallbacks.{index}"), name);
            }
            if let Some(shadow) = &route.shadow {
                self.target(&format!("{path}.shadow.to"), &shadow.to);
                if !(0.0..=100.0).contains(&shadow.percent) {
                    self.problem(&format!("{path}.shadow.percent"), "must be from 0 to 100");
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
        let chains = [
            ("fallbacks", &rules.fallbacks),
            ("context_window_fallbacks", &rules.context_window_fallbacks),
        ];
        for (section, chains) in chains {
            for (model, chain) in chains {
                for (index, name) in chain.iter().enumerate() {
                    self.target(&format!("routing.{section}.{model}.{index}"), name);
                }
            }
        }
        for (index, name) in rules.default_fallbacks.iter().enumerate() {
            self.target(&format!("routing.default_fallbacks.{index}"), name);
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
        let listed = || {
            config.providers.iter().any(|(name, provider)| {
                let more = provider.entry(name).map(|entry| &entry.models);
                let known = provider.models.iter().chain(more.into_iter().flatten());
                known.into_iter().any(|known| matches(known, target))
            })
        };
        if !reachable
            && !config.pools.contains_key(target)
            && !config.aliases.contains_key(target)
            && !listed()
        {
            self.provider(path, prefix);
        }
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

/// Whether a name or glob of a provider's list covers `model`; `*` stands for any text.
fn matches(glob: &str, model: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|start| model.strip_prefix(start)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(end)
}
