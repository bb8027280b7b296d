//! Checks of `pools`, `routes`, `aliases` and `default_model`: every name must lead somewhere.

use super::Check;
use crate::providers::catalog;

impl Check<'_> {
    pub(super) fn routing(&mut self) {
        self.pools();
        self.routes();
        self.aliases();
        if let Some(model) = &self.config.default_model {
            if model.trim().is_empty() {
                self.problem("default_model", "is empty; leave it out instead");
            } else {
                self.target("default_model", model);
            }
        }
    }

    fn pools(&mut self) {
        for (name, targets) in &self.config.pools {
            let path = format!("pools.{name}");
            if targets.is_empty() {
                self.problem(
                    &path,
                    format!("the pool `{name}` is empty; give it a target"),
                );
            }
            for (index, target) in targets.iter().enumerate() {
                let path = format!("{path}.{index}");
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
        let pools = &self.config.pools;
        for (index, route) in self.config.routes.iter().enumerate() {
            let path = format!("routes.{index}");
            if route.model.trim().is_empty() {
                let path = format!("{path}.model");
                self.problem(
                    &path,
                    "is empty; write a model's name or a glob such as `gpt-*`",
                );
            }
            if !pools.contains_key(&route.pool) {
                let message = format!("there is no pool `{}`", route.pool);
                let known = pools.keys().map(String::as_str);
                self.unknown(&format!("{path}.pool"), message, &route.pool, known);
            }
        }
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
