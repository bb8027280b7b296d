//! Which models a configured provider serves: its own settings, or else what the catalog knows. What checks
//! look at and what requests are routed by.

use super::Provider;
use crate::pattern;

/// The models of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Those that it lists, as names or globs.
    pub models: &'a [String],
    /// The only ones that it may be asked for, as globs; empty means all.
    pub allowed: &'a [String],
    /// Globs of the names that are its own by custom.
    pub patterns: &'static [String],
    /// Whether it serves whatever name it is asked for.
    pub any_model: bool,
}

impl Provider {
    /// The models of this provider, which is called `name`.
    pub fn served(&self, name: &str) -> Served<'_> {
        let entry = self.entry(name);
        let models = match self.models.as_slice() {
            [] => entry.map_or(&[][..], |entry| &entry.models),
            own => own,
        };
        let allowed = match self.allowed_models.as_slice() {
            [] => entry.map_or(&[][..], |entry| &entry.allowed_models),
            own => own,
        };
        // It is asked by its own name, and nothing else leads to it.
        if self.is_deployment {
            return Served {
                models: &[],
                allowed,
                patterns: &[],
                any_model: false,
            };
        }
        Served {
            models,
            allowed,
            patterns: entry.map_or(&[], |entry| entry.patterns.as_slice()),
            any_model: self.models.is_empty() && entry.is_none_or(|entry| entry.any_model),
        }
    }
}

impl Served<'_> {
    /// Whether it may be asked for that model.
    pub fn allows(&self, model: &str) -> bool {
        self.allowed.is_empty() || matches(self.allowed, model)
    }

    /// Whether a request for that model may go to it, though it names no provider.
    pub fn holds(&self, model: &str) -> bool {
        let is_known = matches(self.models, model) || matches(self.patterns, model);
        self.allows(model) && (is_known || self.any_model)
    }
}

fn matches(globs: &[String], model: &str) -> bool {
    globs.iter().any(|glob| pattern::matches(glob, model))
}
