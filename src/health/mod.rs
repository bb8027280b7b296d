//! How providers are doing. It belongs to the process and not to a snapshot: a reload changes the rules
//! and resets nothing.
//!
//! ```text
//! Health ── by provider's name ──► Provider: retry budget, active checks
//!                                     └─ by model ──► Target: breaker, latency, in flight, last minute
//!        └─ by provider and key ──► KeyHealth: bench
//! ```

pub mod breaker;
pub mod budget;
pub mod ewma;
pub mod keys;
pub mod leave;
pub mod minute;
pub mod recent;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use breaker::Breaker;
use budget::RetryBudget;
use ewma::PeakEwma;
use keys::KeyHealth;
use minute::Minute;
use recent::Recent;

/// Models of one provider that are told apart; all beyond share one state. Clients choose the names.
const MAX_MODELS: usize = 4096;
/// A model that nobody has asked for so long is forgotten, unless the configuration names it.
const IDLE: Duration = Duration::from_secs(3600);

/// A model at a provider.
#[derive(Debug, Default)]
pub struct Target {
    /// Whether it may be asked.
    pub breaker: Breaker,
    /// Time to the first byte, on average.
    pub latency: PeakEwma,
    /// The same, of the last answers.
    pub recent: Recent,
    /// Requests under way there.
    pub in_flight: AtomicUsize,
    /// What it has served of late.
    pub minute: Minute,
}

impl Target {
    /// Whether a request has ever been sent there.
    pub fn was_asked(&self) -> bool {
        self.minute.last().is_some()
    }
}

/// A provider.
#[derive(Debug)]
pub struct ProviderHealth {
    /// Calls beyond requests' first.
    pub budget: RetryBudget,
    /// What the active check says; `true` until one says otherwise.
    pub is_up: AtomicBool,
    targets: ArcSwap<HashMap<Arc<str>, Arc<Target>>>,
    others: Arc<Target>,
}

impl Default for ProviderHealth {
    fn default() -> Self {
        ProviderHealth {
            budget: RetryBudget::default(),
            is_up: AtomicBool::new(true),
            targets: ArcSwap::default(),
            others: Arc::default(),
        }
    }
}

impl ProviderHealth {
    /// The state of `model` there.
    pub fn target(&self, model: &str) -> Arc<Target> {
        let known = self.targets.load();
        if let Some(target) = known.get(model) {
            return target.clone();
        }
        if known.len() >= MAX_MODELS {
            return self.others.clone();
        }
        let target = Arc::new(Target::default());
        let mut added = target.clone();
        self.targets.rcu(|known| {
            let mut known = HashMap::clone(known);
            added = known.entry(model.into()).or_insert(target.clone()).clone();
            known
        });
        added
    }

    /// Forgets a model that the configuration no longer names.
    pub fn forget(&self, model: &str) {
        self.targets.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.remove(model);
            known
        });
    }

    /// Forgets the models that no configuration names and nobody has asked for long.
    fn forget_idle(&self, now: Instant) {
        let is_idle = |target: &Target| {
            let last = target.minute.last();
            last.is_none_or(|at| now.saturating_duration_since(at) > IDLE)
        };
        let known = self.targets.load_full();
        let idle: Vec<_> = known
            .iter()
            .filter(|(_, target)| Arc::strong_count(target) == 1 && is_idle(target))
            .map(|(model, _)| model.clone())
            .collect();
        if idle.is_empty() {
            return;
        }
        self.targets.rcu(|known| {
            let mut known = HashMap::clone(known);
            idle.iter().for_each(|model| drop(known.remove(model)));
            known
        });
    }

    /// Its models that somebody has named, with their states, by name.
    pub fn targets(&self) -> Vec<(Arc<str>, Arc<Target>)> {
        let known = self.targets.load();
        let mut targets: Vec<_> = known
            .iter()
            .map(|(model, target)| (model.clone(), target.clone()))
            .collect();
        targets.sort_by(|(a, _), (b, _)| a.cmp(b));
        targets
    }

    /// Whether the active check finds it up.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

/// A provider's name and the digest of a key.
type KeyName = (Box<str>, Vec<u8>);

/// All of them.
#[derive(Debug, Default)]
pub struct Health {
    providers: Mutex<HashMap<Box<str>, Arc<ProviderHealth>>>,
    keys: Mutex<HashMap<KeyName, Arc<KeyHealth>>>,
}

impl Health {
    /// The state of the provider of that name.
    pub fn provider(&self, name: &str) -> Arc<ProviderHealth> {
        let mut providers = self.providers.lock();
        if let Some(known) = providers.get(name) {
            return known.clone();
        }
        let new = Arc::new(ProviderHealth::default());
        providers.insert(name.into(), new.clone());
        new
    }

    /// The bench of a provider's key, by a digest of it.
    pub fn key(&self, provider: &str, digest: &[u8]) -> Arc<KeyHealth> {
        let mut keys = self.keys.lock();
        let known = keys.entry((provider.into(), digest.to_vec()));
        known.or_default().clone()
    }

    /// Closes all breakers: they are turned off.
    pub fn close_breakers(&self) {
        for provider in self.providers.lock().values() {
            for (_, target) in provider.targets() {
                target.breaker.close();
            }
            provider.others.breaker.close();
        }
    }

    /// Forgets whoever no configuration knows any more, and models that nobody asks for any more.
    pub fn forget_unused(&self, now: Instant) {
        let mut providers = self.providers.lock();
        providers.retain(|_, health| Arc::strong_count(health) > 1);
        providers
            .values()
            .for_each(|provider| provider.forget_idle(now));
        drop(providers);
        self.keys
            .lock()
            .retain(|_, health| Arc::strong_count(health) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_outlives_the_configuration_that_asked_for_it_first() {
        let health = Health::default();
        let provider = health.provider("a");
        let target = provider.target("m");
        assert!(Arc::ptr_eq(&target, &health.provider("a").target("m")));
        health.forget_unused(Instant::now());
        assert!(Arc::ptr_eq(&provider, &health.provider("a")));
        drop(provider);
        health.forget_unused(Instant::now());
        assert!(!Arc::ptr_eq(&target, &health.provider("a").target("m")));
    }

    #[test]
    fn a_model_that_nobody_asks_for_any_more_is_forgotten_unless_the_configuration_names_it() {
        let (health, now) = (Health::default(), Instant::now());
        let provider = health.provider("a");
        let pooled = provider.target("pooled");
        for model in ["pooled", "asked", "busy"] {
            provider.target(model).minute.add(1.0, 0.0, now);
        }
        let later = now + IDLE + Duration::from_secs(1);
        provider.target("busy").minute.add(1.0, 0.0, later);
        let names = || {
            let targets = provider.targets().into_iter();
            targets
                .map(|(model, _)| model.to_string())
                .collect::<Vec<_>>()
        };
        health.forget_unused(now);
        assert_eq!(names().len(), 3);
        health.forget_unused(later);
        assert_eq!(names(), ["busy", "pooled"]);
        drop(pooled);
        provider.forget("pooled");
        assert_eq!(names().len(), 1);
    }

    #[test]
    fn names_that_clients_make_up_do_not_fill_the_memory() {
        let provider = ProviderHealth::default();
        for number in 0..MAX_MODELS + 10 {
            provider.target(&format!("m{number}"));
        }
        assert_eq!(provider.targets().len(), MAX_MODELS);
        assert!(Arc::ptr_eq(&provider.target("x"), &provider.target("y")));
    }
}
