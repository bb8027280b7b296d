//! What keeps a candidate from being asked, or speaks against it; and what a client is told where something
//! keeps all of them.

use std::time::Instant;

use super::{Candidate, Limits, Plan, estimate, not_allowed, policy::Asking};
use crate::{
    error::GatewayError, health::Target as TargetHealth, pattern, upstream::provider::Provider,
};

/// What keeps a candidate from being asked, the first to be told of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Obstacle {
    /// The caller's key may not use its model.
    Forbidden,
    /// Its provider's allow-list does not hold its model.
    NotAllowed,
    /// It costs too much.
    Price,
    /// There is no token for it yet.
    NoToken,
    /// It has failed too often.
    Breaker,
}

/// What makes that a provider is asked only where nobody else can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The active check does not reach it.
    Down,
    /// None of its keys worked of late.
    KeysBenched,
}

impl Asking<'_> {
    /// What keeps a candidate from being asked.
    pub(super) fn obstacle(
        &self,
        provider: &Provider,
        model: &str,
        health: &TargetHealth,
        limits: &Limits,
    ) -> Option<Obstacle> {
        if !provider.credential.has_token() {
            return Some(Obstacle::NoToken);
        }
        if self.rules.breaker.enabled && !health.breaker.is_passable(self.now) {
            return Some(Obstacle::Breaker);
        }
        if !provider.allows(model) {
            return Some(Obstacle::NotAllowed);
        }
        if !limits.permit(provider, model) {
            return Some(Obstacle::Forbidden);
        }
        let is_affordable = self.is_affordable(provider, model, limits.max_cost);
        (!is_affordable).then_some(Obstacle::Price)
    }

    /// What makes that a provider is asked only where nobody else can be.
    pub(super) fn doubt(&self, provider: &Provider) -> Option<Doubt> {
        if !provider.health.is_up() {
            return Some(Doubt::Down);
        }
        let has_key = provider.credential.has_free_key(self.now);
        (!has_key).then_some(Doubt::KeysBenched)
    }

    /// Whether it is not too dear. What nobody knows the price of is affordable.
    fn is_affordable(&self, provider: &Provider, model: &str, max_cost: Option<f64>) -> bool {
        let Some(most) = max_cost else {
            return true;
        };
        let price = provider.price(model);
        price.is_none_or(|price| estimate(price, self.facts).dollars() <= most)
    }

    /// Why nobody can be asked, for who asked for `model`.
    pub fn nobody(&self, plan: &Plan, model: Option<&str>) -> GatewayError {
        let candidates = plan.candidates();
        let obstacle = |candidate: &Candidate| {
            let (provider, health) = (&candidate.provider, &candidate.health);
            self.obstacle(provider, &candidate.model, health, &plan.limits)
        };
        let all: Vec<_> = candidates
            .iter()
            .map(|candidate| (candidate, obstacle(candidate)))
            .collect();
        let asked = model.unwrap_or_default().to_owned();
        match all.iter().max_by_key(|(_, obstacle)| *obstacle) {
            Some((candidate, Some(Obstacle::Forbidden))) => GatewayError::ModelForbidden {
                model: candidate.model.to_string(),
                key: self.facts.key.unwrap_or_default().to_owned(),
                allowed: plan.limits.refusing(&candidate.provider, &candidate.model),
            },
            Some((candidate, Some(Obstacle::NotAllowed))) => {
                not_allowed(&candidate.provider, &candidate.model)
            }
            Some((_, Some(Obstacle::Price))) => {
                let dear = all
                    .iter()
                    .filter(|(_, obstacle)| *obstacle == Some(Obstacle::Price));
                self.too_expensive(dear.map(|(candidate, _)| *candidate), plan, asked)
            }
            Some((candidate, Some(Obstacle::NoToken))) => GatewayError::NoToken {
                model: asked,
                provider: candidate.provider.name.clone(),
            },
            _ => {
                let retry_at = |candidate: &Candidate| candidate.health.breaker.retry_at();
                let first = candidates.iter().filter_map(retry_at).min();
                GatewayError::Unavailable {
                    model: asked,
                    retry_after: seconds_until(first, self.now),
                }
            }
        }
    }

    fn too_expensive<'c>(
        &self,
        dear: impl Iterator<Item = &'c Candidate>,
        plan: &Plan,
        model: String,
    ) -> GatewayError {
        let estimates = dear.filter_map(|candidate| {
            let price = candidate.provider.price(&candidate.model)?;
            Some(estimate(price, self.facts).dollars())
        });
        GatewayError::TooExpensive {
            model,
            estimate: estimates.min_by(f64::total_cmp).unwrap_or_default(),
            limit: plan.limits.max_cost.unwrap_or_default(),
        }
    }
}

impl Limits {
    /// Whether the caller may use that model, known by its own name or by its provider's and its own.
    fn permit(&self, provider: &Provider, model: &str) -> bool {
        self.refuser(provider, model).is_none()
    }

    /// The first list that does not hold it.
    fn refuser(&self, provider: &Provider, model: &str) -> Option<&Vec<String>> {
        let lists = self.models.as_ref()?;
        let full = format!("{}/{model}", provider.name);
        let matches =
            |glob: &String| pattern::matches(glob, model) || pattern::matches(glob, &full);
        lists.iter().find(|globs| !globs.iter().any(matches))
    }

    /// What that list holds, for messages.
    fn refusing(&self, provider: &Provider, model: &str) -> String {
        self.refuser(provider, model)
            .map_or_else(String::new, |globs| globs.join(", "))
    }
}

/// Whole seconds, at least one.
fn seconds_until(at: Option<Instant>, now: Instant) -> String {
    let wait = at.map(|at| at.saturating_duration_since(now));
    let wait = wait.unwrap_or_default().as_secs_f64().ceil().max(1.0);
    format!("{wait:.0}")
}
