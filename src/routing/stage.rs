//! Those who serve a model: candidates, side by side.

use std::{sync::Arc, time::Instant};

use smallvec::SmallVec;

use super::{
    facts::Facts,
    pool::{Pool, Target},
};
use crate::{health::Target as TargetHealth, upstream::provider::Provider};

/// A provider and the model's name there.
#[derive(Clone)]
pub struct Candidate {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The model's name there.
    pub model: Arc<str>,
    /// How the model is doing there.
    pub health: Arc<TargetHealth>,
}

impl Candidate {
    /// A candidate.
    pub fn new(provider: &Arc<Provider>, model: Arc<str>) -> Self {
        Candidate {
            provider: provider.clone(),
            health: provider.health.target(&model),
            model,
        }
    }

    /// The same with the keys and headers of a project, where that has some of its own there.
    pub fn of_project(mut self, project: Option<&str>) -> Self {
        if let Some(own) = self.provider.of_project(project) {
            self.provider = own.clone();
        }
        self
    }

    /// Whether it is that model at that provider.
    pub fn is(&self, provider: &str, model: &str) -> bool {
        *self.model == *model && *self.provider.name == *provider
    }
}

/// Candidates in order.
pub type Candidates = SmallVec<[Candidate; 2]>;

/// Whether a candidate may be asked.
pub type IsUsable<'a> = dyn Fn(&Provider, &str, &TargetHealth) -> bool + 'a;

/// Those who serve a model.
#[derive(Clone)]
pub enum Stage {
    /// A pool, asked for a model.
    Pool(Arc<Pool>, Arc<str>),
    /// A few, in order.
    List(Candidates),
}

impl Stage {
    /// Nobody.
    pub fn is_empty(&self) -> bool {
        match self {
            Stage::Pool(pool, _) => pool.targets().next().is_none(),
            Stage::List(list) => list.is_empty(),
        }
    }

    /// All of them, in order.
    pub fn candidates(&self) -> Candidates {
        match self {
            Stage::Pool(pool, asked) => pool
                .targets()
                .map(|target| target.candidate(asked))
                .collect(),
            Stage::List(list) => list.clone(),
        }
    }

    /// The pool, where it is one.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        match self {
            Stage::Pool(pool, _) => Some(pool),
            Stage::List(_) => None,
        }
    }

    /// One that may be asked, and its place. A question (`is_question`) leaves no trace.
    pub fn pick(
        &self,
        facts: &Facts<'_>,
        now: Instant,
        is_question: bool,
        is_usable: &IsUsable<'_>,
    ) -> Option<(usize, Candidate)> {
        match self {
            Stage::Pool(pool, asked) => {
                let usable = |target: &Target| {
                    let health = target.health(asked);
                    let model = target.model.as_deref().unwrap_or(asked);
                    is_usable(&target.provider, model, &health)
                };
                let (at, target) = pool.pick(facts, asked, now, is_question, &usable)?;
                Some((at, target.candidate(asked)))
            }
            Stage::List(list) => {
                let mut all = list.iter().enumerate();
                let (at, candidate) = all.find(|(_, candidate)| {
                    is_usable(&candidate.provider, &candidate.model, &candidate.health)
                })?;
                Some((at, candidate.clone()))
            }
        }
    }
}
