//! Who is asked for one request, one after the other. Candidates are picked when they are needed: who may
//! be asked has changed by then.

use std::{sync::Arc, time::Instant};

use smallvec::SmallVec;

use super::{
    Label,
    facts::Facts,
    pool::{Pool, Target},
};
use crate::{
    config::FailureClass, health::Target as TargetHealth, identity::CacheChoice,
    upstream::provider::Provider,
};

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
}

/// Candidates in order.
pub type Candidates = SmallVec<[Candidate; 2]>;

/// Where a request's model comes from, for `X-Model-Source`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModelSource {
    /// The client named it.
    #[default]
    Custom,
    /// The client named none.
    Default,
}

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

    fn pick(
        &self,
        facts: &Facts<'_>,
        now: Instant,
        is_usable: &dyn Fn(usize, &Provider, &str, &TargetHealth) -> bool,
    ) -> Option<(usize, Candidate)> {
        match self {
            Stage::Pool(pool, asked) => {
                let usable = |at: usize, target: &Target| {
                    let health = target.health(asked);
                    let model = target.model.as_deref().unwrap_or(asked);
                    is_usable(at, &target.provider, model, &health)
                };
                let (at, target) = pool.pick(facts, asked, now, &usable)?;
                Some((at, target.candidate(asked)))
            }
            Stage::List(list) => {
                let mut all = list.iter().enumerate();
                let usable = |(at, candidate): &(usize, &Candidate)| {
                    is_usable(
                        *at,
                        &candidate.provider,
                        &candidate.model,
                        &candidate.health,
                    )
                };
                let (at, candidate) = all.find(usable)?;
                Some((at, candidate.clone()))
            }
        }
    }
}

/// Why a request goes where it goes, for headers, logs and `gateway route test`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reason {
    /// The route that matched.
    pub route: Option<Label>,
    /// The arm of its experiment.
    pub variant: Option<Label>,
}

/// Who is asked, and what comes where they fail.
#[derive(Clone, Default)]
pub struct Plan {
    /// Those that serve the model, and the fallbacks that have been needed so far.
    stages: SmallVec<[Stage; 1]>,
    /// Who is being asked.
    current: Option<Candidate>,
    /// Its stage and place.
    at: (usize, usize),
    /// Who has been asked in this round.
    tried: SmallVec<[(usize, usize); 4]>,
    /// The only one that may be asked next.
    pinned: Option<(usize, usize)>,
    /// Calls to candidates that had been asked already.
    pub(super) repeats: u32,
    /// Whether everybody has been asked at least once.
    pub(super) is_repeating: bool,
    source: ModelSource,
    /// Names of those to ask behind all of these, in order.
    pub(super) fallbacks: Fallbacks,
    /// Names of those to ask where the prompt is too long.
    pub(super) larger: Option<Arc<[Box<str>]>>,
    /// Which failures lead on; `None` for the usual.
    pub(super) fallback_on: Option<Arc<[FailureClass]>>,
    /// Why.
    pub reason: Reason,
    /// Where copies go, and how many in 10,000.
    pub shadow: Option<(Arc<str>, u32)>,
    /// Dearer candidates are not asked, in USD.
    pub max_cost: Option<f64>,
    /// The project whose keys and headers providers get, where it has some of its own.
    pub project: Option<Arc<str>>,
    /// What the route says of caching.
    pub cache: CacheChoice,
    /// Whether others than those planned first are asked now.
    has_been_replaced: bool,
}

/// A chain of names that lead to more candidates, and how far it has been gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Fallbacks {
    pub(super) names: Option<Arc<[Box<str>]>>,
    pub(super) at: usize,
}

impl Fallbacks {
    /// The next name.
    pub(super) fn next(&mut self) -> Option<Box<str>> {
        let name = self.names.as_ref()?.get(self.at)?.clone();
        self.at += 1;
        Some(name)
    }
}

/// Whether a candidate may be asked, besides what the plan itself knows.
pub type IsUsable<'a> = dyn Fn(&Provider, &str, &TargetHealth) -> bool + 'a;

impl Plan {
    /// A plan that begins with `stage`.
    pub fn new(stage: Stage, source: ModelSource) -> Self {
        Plan {
            stages: SmallVec::from_iter([stage]),
            source,
            ..Plan::default()
        }
    }

    /// The candidate being asked; where all have been, the last of them, for the answer to name.
    pub fn current(&self) -> Option<&Candidate> {
        self.current.as_ref()
    }

    /// The model that the first of all are asked for, where it has one name among them.
    pub(super) fn asked(&self) -> Option<&Arc<str>> {
        match self.stages.first()? {
            Stage::Pool(_, asked) => Some(asked),
            Stage::List(list) => list.first().map(|candidate| &candidate.model),
        }
        .filter(|asked| !asked.is_empty())
    }

    /// Who is asked before any fallback, whoever of them it comes to be: for keys of what they answer.
    pub fn identify(&self, out: &mut Vec<u8>) {
        let Some(stage) = self.first() else { return };
        let mut add = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            out.push(0xff);
        };
        match stage {
            Stage::Pool(pool, asked) => {
                add(asked);
                out.extend_from_slice(pool.identity());
            }
            Stage::List(list) => {
                for candidate in list {
                    add(&candidate.provider.name);
                    add(&candidate.model);
                }
            }
        }
    }

    /// Whether whoever is being asked is one of those, and no fallback.
    pub fn is_planned(&self) -> bool {
        self.at.0 == 0 && !self.has_been_replaced
    }

    /// Who is asked before any fallback, as long as nobody has failed.
    pub(super) fn first(&self) -> Option<&Stage> {
        self.stages.first()
    }

    /// The stage of the candidate being asked, and its place there.
    pub(super) fn place(&self) -> (usize, usize) {
        self.at
    }

    /// The pool of the candidate being asked; before there is one, the first to be asked. None where those
    /// who serve a model are no pool.
    pub fn pool(&self) -> Option<&Pool> {
        match self.stages.get(self.at.0)? {
            Stage::Pool(pool, _) => Some(pool),
            Stage::List(_) => None,
        }
    }

    /// Goes on to a candidate of the known stages that has not been asked in this round.
    pub fn advance(&mut self, facts: &Facts<'_>, now: Instant, is_usable: &IsUsable<'_>) -> bool {
        let Some((at, candidate)) = self.find(facts, now, is_usable) else {
            return false;
        };
        self.at = at;
        self.pinned = None;
        self.tried.push(at);
        self.current = Some(candidate);
        true
    }

    /// Whether there is one.
    pub fn has_next(&self, facts: &Facts<'_>, now: Instant, is_usable: &IsUsable<'_>) -> bool {
        self.find(facts, now, is_usable).is_some()
    }

    fn find(
        &self,
        facts: &Facts<'_>,
        now: Instant,
        is_usable: &IsUsable<'_>,
    ) -> Option<((usize, usize), Candidate)> {
        let project = self.project.as_deref();
        self.stages.iter().enumerate().find_map(|(number, stage)| {
            let is_open = |place| match self.pinned {
                Some(pinned) => pinned == (number, place),
                None => !self.tried.contains(&(number, place)),
            };
            let usable = |place: usize, provider: &Provider, model: &str, health: &TargetHealth| {
                let own = provider.of_project(project);
                is_open(place) && is_usable(own.map_or(provider, |own| own), model, health)
            };
            let (place, mut candidate) = stage.pick(facts, now, &usable)?;
            if let Some(own) = candidate.provider.of_project(project) {
                candidate.provider = own.clone();
            }
            Some(((number, place), candidate))
        })
    }

    /// Adds a stage behind the others.
    pub fn append(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Replaces everybody not asked yet.
    pub fn instead(&mut self, stage: Stage) {
        self.stages.clear();
        self.tried.clear();
        self.stages.push(stage);
        self.has_been_replaced = true;
    }

    /// Another round, for the current candidate alone.
    pub fn repeat_current(&mut self) {
        self.pinned = Some(self.at);
    }

    /// Anybody may be asked next.
    pub fn unpin(&mut self) {
        self.pinned = None;
    }

    /// Another round: everyone may be asked again.
    pub fn restart(&mut self) {
        self.tried.clear();
    }

    /// `local`, `custom` or `default`, for `X-Model-Source`.
    pub fn model_source(&self) -> &'static str {
        match (self.current(), self.source) {
            (Some(candidate), _) if candidate.provider.local => "local",
            (_, ModelSource::Default) => "default",
            (_, ModelSource::Custom) => "custom",
        }
    }

    /// Everybody known so far, in order.
    pub fn candidates(&self) -> Candidates {
        self.stages.iter().flat_map(Stage::candidates).collect()
    }
}
