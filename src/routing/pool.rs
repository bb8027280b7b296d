//! A pool: targets that serve the same, in tiers of priority, and the strategy that picks among them.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Instant,
};

use sha2::{Digest, Sha256};

use super::{Candidate, Label, facts::Facts, strategies::Strategy};
use crate::{
    config::StrategyName, health::Target as TargetHealth, price::Price,
    upstream::provider::Provider,
};

/// One target of a pool.
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The model's name there; `None` for the one that the client asked for.
    pub model: Option<Arc<str>>,
    /// How it is doing, where the model is fixed.
    pub health: Option<Arc<TargetHealth>>,
    /// What it costs, where the model is fixed.
    pub price: Option<Price>,
    /// Its share for `weighted`.
    pub weight: u16,
    /// Requests a minute that it takes.
    pub rpm: Option<u32>,
    /// Tokens a minute that it takes.
    pub tpm: Option<u32>,
}

impl Target {
    /// It, asked for `asked`.
    pub fn candidate(&self, asked: &Arc<str>) -> Candidate {
        let model = self.model.clone().unwrap_or_else(|| asked.clone());
        let health = self.health.clone();
        Candidate {
            health: health.unwrap_or_else(|| self.provider.health.target(&model)),
            model,
            provider: self.provider.clone(),
        }
    }

    /// How it is doing, asked for `asked`.
    pub fn health(&self, asked: &str) -> Cow<'_, Arc<TargetHealth>> {
        match &self.health {
            Some(health) => Cow::Borrowed(health),
            None => Cow::Owned(self.provider.health.target(asked)),
        }
    }

    /// Requests under way there, asked for `asked`.
    pub fn busy(&self, asked: &str) -> usize {
        self.health(asked).in_flight.load(Ordering::Relaxed)
    }
}

/// Targets of one priority.
pub struct Tier {
    /// Their priority.
    pub priority: i32,
    /// They.
    pub targets: Vec<Target>,
    /// Which of them.
    pub strategy: Box<dyn Strategy>,
}

/// A pool, ready to be asked.
pub struct Pool {
    /// Its name.
    pub name: Label,
    /// How one of them is picked.
    pub strategy: StrategyName,
    /// By priority, the first to be asked first.
    pub tiers: Vec<Tier>,
    /// See [`Pool::identity`].
    pub identity: OnceLock<Box<[u8]>>,
}

/// What a strategy knows when it picks.
pub struct Choice<'a> {
    /// The request.
    pub facts: &'a Facts<'a>,
    /// The model's name as the client asked for it.
    pub asked: &'a Arc<str>,
    /// Whether the target of that place may be asked.
    pub is_usable: &'a dyn Fn(usize) -> bool,
    /// Whether nobody is called: the next choice is not to depend on this one.
    pub is_question: bool,
    /// The time.
    pub now: Instant,
}

impl Pool {
    /// A target that may be asked, and its place among all of the pool.
    pub fn pick(
        &self,
        facts: &Facts<'_>,
        asked: &Arc<str>,
        now: Instant,
        is_question: bool,
        is_usable: &dyn Fn(&Target) -> bool,
    ) -> Option<(usize, &Target)> {
        let mut before = 0;
        for tier in &self.tiers {
            let usable = |at: usize| {
                let target = tier.targets.get(at);
                target.is_some_and(is_usable)
            };
            let choice = Choice {
                facts,
                asked,
                is_usable: &usable,
                is_question,
                now,
            };
            let picked = tier.strategy.pick(&tier.targets, &choice);
            if let Some(at) = picked.filter(|at| usable(*at)) {
                return Some((before + at, tier.targets.get(at)?));
            }
            before += tier.targets.len();
        }
        None
    }

    /// Who serves, as bytes that differ where anybody of it does: for keys of what it has answered.
    pub fn identity(&self) -> &[u8] {
        self.identity.get_or_init(|| {
            let mut hasher = Sha256::new();
            let mut add = |text: &str| hasher.update([text.as_bytes(), &[0xff]].concat());
            add(&self.name);
            for target in self.targets() {
                add(&target.provider.name);
                add(target.model.as_deref().unwrap_or_default());
            }
            hasher.finalize().as_slice().into()
        })
    }

    /// All targets, in the order of their places.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.tiers.iter().flat_map(|tier| &tier.targets)
    }
}
