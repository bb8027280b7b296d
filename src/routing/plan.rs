//! Who is asked for one request, one after the other. Candidates are picked when they are needed: who may
//! be asked has changed by then.

use std::{sync::Arc, time::Instant};

use smallvec::SmallVec;

use super::{
    Label,
    facts::Facts,
    pool::Pool,
    round::{Contest, Round, Rounds},
    stage::{Candidate, Candidates, IsUsable, Stage},
};
use crate::{
    config::FailureClass, health::Target as TargetHealth, identity::CacheChoice,
    upstream::provider::Provider,
};

/// Where a request's model comes from, for `X-Model-Source`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModelSource {
    /// The client named it.
    #[default]
    Custom,
    /// The client named none.
    Default,
}

/// Why a request goes where it goes, for headers, logs and `gateway route test`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reason {
    /// The route that matched.
    pub route: Option<Label>,
    /// The arm of its experiment.
    pub variant: Option<Label>,
}

/// Who is not asked, whoever they are.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Who is dearer, in USD.
    pub max_cost: Option<f64>,
    /// Who has a model that the caller may not use, where the caller named none: lists of globs, each of
    /// which has to hold it. What is named is looked at once, by its name.
    pub models: Option<Arc<[Vec<String>]>>,
}

/// Who is being asked, and where it stands.
#[derive(Clone)]
struct Current {
    candidate: Candidate,
    /// Its stage and place.
    at: (usize, usize),
    pool: Option<Arc<Pool>>,
    is_planned: bool,
}

/// Who is asked, and what comes where they fail.
#[derive(Default)]
pub struct Plan {
    /// Those that serve the model, and the fallbacks that have been needed so far.
    stages: SmallVec<[Stage; 1]>,
    current: Option<Current>,
    /// Who was asked before, for where the current one turns out not to be asked.
    before: Option<Current>,
    rounds: Rounds,
    /// Whether nobody but the current candidate may be asked next.
    pub(super) stays: bool,
    source: ModelSource,
    /// Names of those to ask behind all of these, in order.
    pub(super) fallbacks: Fallbacks,
    /// Names of those to ask where the prompt is too long.
    pub(super) larger: Option<Arc<[Box<str>]>>,
    /// Which failures lead on; `None` for the usual.
    pub(super) fallback_on: Option<Arc<[FailureClass]>>,
    /// Why.
    pub reason: Reason,
    /// Where copies go, and how many in 1,000,000.
    pub shadow: Option<(Arc<str>, u32)>,
    /// Who is not asked.
    pub limits: Limits,
    /// The project whose keys and headers providers get, where it has some of its own.
    pub project: Option<Arc<str>>,
    /// What the route says of caching.
    pub cache: CacheChoice,
    /// Whether nobody is called: strategies keep no note of it.
    pub(super) is_question: bool,
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

/// Whom a plan may go on to.
pub(super) struct Wanted<'a> {
    pub(super) is_usable: &'a IsUsable<'a>,
    /// Whether a call to it may be made; asked once it has been picked.
    pub(super) may_call: &'a dyn Fn(&Provider, &TargetHealth) -> bool,
    /// Repeats that there may be in all.
    pub(super) max_repeats: u32,
}

impl Plan {
    /// A plan that begins with `stage`.
    pub fn new(stage: Stage, source: ModelSource) -> Self {
        Plan {
            stages: SmallVec::from_iter([stage]),
            source,
            ..Plan::default()
        }
    }

    /// The same for somebody who is asked at the same time; each knows whom the other asks.
    pub fn twin(&mut self) -> Plan {
        Plan {
            stages: self.stages.clone(),
            current: self.current.clone(),
            before: None,
            rounds: Rounds::Shared(self.rounds.share()),
            stays: false,
            source: self.source,
            fallbacks: self.fallbacks.clone(),
            larger: self.larger.clone(),
            fallback_on: self.fallback_on.clone(),
            reason: self.reason.clone(),
            shadow: None,
            limits: self.limits.clone(),
            project: self.project.clone(),
            cache: self.cache,
            is_question: self.is_question,
            has_been_replaced: self.has_been_replaced,
        }
    }

    /// What it shares with its twin, to say that their race is over.
    pub fn contest(&mut self) -> Contest {
        Contest(self.rounds.share())
    }

    /// The candidate being asked; where all have been, the last of them, for the answer to name.
    pub fn current(&self) -> Option<&Candidate> {
        self.current.as_ref().map(|current| &current.candidate)
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
        self.limits
            .models
            .iter()
            .flat_map(|lists| lists.iter())
            .for_each(|globs| {
                globs.iter().for_each(|glob| add(glob));
                add("");
            });
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
        match &self.current {
            Some(current) => current.is_planned,
            None => !self.has_been_replaced,
        }
    }

    /// Who is asked before any fallback, as long as nobody has failed.
    pub(super) fn first(&self) -> Option<&Stage> {
        self.stages.first()
    }

    /// The stage of the candidate being asked, and its place there.
    pub(super) fn place(&self) -> (usize, usize) {
        self.current.as_ref().map_or((0, 0), |current| current.at)
    }

    /// The pool of the candidate being asked; before there is one, the first to be asked. None where those
    /// who serve a model are no pool.
    pub fn pool(&self) -> Option<&Pool> {
        match &self.current {
            Some(current) => current.pool.as_deref(),
            None => self.stages.first()?.pool().map(|pool| &**pool),
        }
    }

    /// Goes on to a candidate of the known stages that has not had its turn in this round. Those that may
    /// not be called for now have had it then.
    pub(super) fn advance(&mut self, facts: &Facts<'_>, now: Instant, wanted: &Wanted<'_>) -> bool {
        let asked = Asked {
            stages: &self.stages,
            project: self.project.as_deref(),
            facts,
            now,
            is_question: self.is_question,
        };
        let found = self.rounds.change(|round| {
            loop {
                let (at, candidate) = asked.find(round, wanted)?;
                if (wanted.may_call)(&candidate.provider, &candidate.health) {
                    round.call(&candidate, now, false);
                    return Some((at, candidate));
                }
                round.pass_over(&candidate, now);
            }
        });
        let Some((at, candidate)) = found else {
            return false;
        };
        let pool = self.stages.get(at.0).and_then(Stage::pool).cloned();
        let next = Current {
            candidate,
            at,
            pool,
            is_planned: at.0 == 0 && !self.has_been_replaced,
        };
        self.before = self.current.replace(next);
        true
    }

    /// Whether there is one.
    pub(super) fn has_next(&self, facts: &Facts<'_>, now: Instant, wanted: &Wanted<'_>) -> bool {
        let is_usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            (wanted.is_usable)(provider, model, health) && (wanted.may_call)(provider, health)
        };
        let wanted = Wanted {
            is_usable: &is_usable,
            ..*wanted
        };
        let asked = Asked {
            stages: &self.stages,
            project: self.project.as_deref(),
            facts,
            now,
            is_question: true,
        };
        self.rounds
            .look(|round| asked.find(round, &wanted))
            .is_some()
    }

    /// The current candidate is called again.
    pub(super) fn call_again(&mut self, now: Instant, is_other_key: bool) {
        if let Some(current) = &self.current {
            let candidate = &current.candidate;
            self.rounds
                .change(|round| round.call(candidate, now, is_other_key));
        }
    }

    /// The current candidate is not called after all: it has had its turn, and the one before it was the
    /// last to be asked.
    pub fn pass_over(&mut self, now: Instant) {
        if let Some(current) = self.current.take() {
            self.rounds.change(|round| {
                round.take_back(&current.candidate, now);
                round.pass_over(&current.candidate, now);
            });
        }
        self.current = self.before.take();
    }

    /// The current candidate has failed; it may be asked again from then on.
    pub(super) fn fail(&mut self, now: Instant, again: Option<Instant>) {
        if let Some(current) = &self.current {
            let candidate = &current.candidate;
            self.rounds
                .change(|round| round.fail(candidate, now, again));
        }
    }

    /// Looks at who has been asked.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Round) -> T) -> T {
        self.rounds.look(look)
    }

    /// Adds a stage behind the others.
    pub(super) fn append(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// Replaces everybody, asked or not.
    pub(super) fn instead(&mut self, stage: Stage) {
        self.rounds.change(Round::close);
        self.stages.clear();
        self.stages.push(stage);
        self.fallbacks.names = None;
        self.has_been_replaced = true;
    }

    /// Another round: everyone may be asked again.
    pub(super) fn restart(&mut self) {
        self.rounds.change(Round::restart);
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

/// What candidates are picked from, and by what.
struct Asked<'a> {
    stages: &'a [Stage],
    project: Option<&'a str>,
    facts: &'a Facts<'a>,
    now: Instant,
    is_question: bool,
}

impl Asked<'_> {
    fn find(&self, round: &Round, wanted: &Wanted<'_>) -> Option<((usize, usize), Candidate)> {
        let only_new = round.repeats >= wanted.max_repeats;
        let is_usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            let own = provider.of_project(self.project);
            !provider.is_closed_to(self.project)
                && round.is_open(&provider.name, model, self.now, only_new)
                && (wanted.is_usable)(own.map_or(provider, |own| own), model, health)
        };
        self.stages.iter().enumerate().find_map(|(number, stage)| {
            let (place, candidate) =
                stage.pick(self.facts, self.now, self.is_question, &is_usable)?;
            Some(((number, place), candidate.of_project(self.project)))
        })
    }
}
