//! Who is asked after a failure: the next candidate at once, the same ones again after a while, or nobody.
//!
//! A *fallback* is another candidate: of the same pool, then of the chain behind it. A *repeat* asks one
//! again that has failed, once all have. Both take from the retry budget of the provider that is called.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Candidate, Limits, Plan, Router, chance, facts::Facts, plan::Wanted};
use crate::{
    config::{FailureClass, Retries, Routing},
    health::{Target as TargetHealth, breaker, budget::BudgetLimits},
    upstream::provider::Provider,
};

/// So many requests may be under way at a target of which nobody knows how it is.
const MAX_UNKNOWN: usize = 100;
/// A wait that a provider asked for becomes longer by at most so much.
const MOST_JITTER: Duration = Duration::from_secs(1);

/// What else is asked of a candidate.
type Also<'a> = dyn Fn(&Provider, &str) -> bool + 'a;
/// Whether a call may be made.
type MayCall<'a> = dyn Fn(&Provider, &TargetHealth) -> bool + 'a;

/// What is decided by.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Who could serve.
    pub router: &'a Router,
    /// The rules.
    pub rules: &'a Routing,
    /// The request.
    pub facts: &'a Facts<'a>,
    /// The time.
    pub now: Instant,
    /// When the request must be over, where that was said.
    pub deadline: Option<Instant>,
}

/// A failed attempt, as far as it matters for what comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Failure {
    /// What kind; `None` where the request itself is at fault.
    pub class: Option<FailureClass>,
    /// Whether the same candidate may do better later.
    pub is_repeatable: bool,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The plan's current candidate is asked now.
    Now,
    /// Whom the plan finds after this time.
    After(Duration),
    /// Nobody.
    Stop,
}

/// Whom to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    /// Those of whom nothing bad is known.
    Well,
    /// As well those that a check finds down, and those whose keys are all benched.
    All,
}

impl Asking<'_> {
    /// Decides what follows a failure of the plan's current candidate.
    pub fn next(&self, plan: &mut Plan, failure: Failure) -> Next {
        self.note(plan, failure);
        let Some(class) = failure.class else {
            return Next::Stop;
        };
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            return Next::Stop;
        }
        if class == FailureClass::ContextWindow
            && let Some(names) = plan.larger.take()
        {
            return match self.take_larger(plan, &names) {
                true => Next::Now,
                false => Next::Stop,
            };
        }
        let may_fall_back = self.leads_on(plan, class);
        if may_fall_back && self.fall_back(plan, class) {
            return Next::Now;
        }
        let Some(wait) = self.wait(plan, may_fall_back) else {
            return Next::Stop;
        };
        match may_fall_back {
            true => plan.restart(),
            false => plan.stays = true,
        }
        Next::After(wait)
    }

    /// Keeps in mind that the plan's current candidate has failed, and when it may be asked again.
    pub fn note(&self, plan: &mut Plan, failure: Failure) {
        let retries = &self.rules.retries;
        let is_listed = failure
            .class
            .is_some_and(|class| retries.on.contains(&class));
        let cap = retries.retry_after_cap_seconds.duration();
        let pause = failure.retry_after.unwrap_or_default();
        let may_repeat = failure.is_repeatable && is_listed && pause <= cap;
        plan.fail(self.now, may_repeat.then(|| self.now + pause));
    }

    /// Finds the first candidate, or after a wait the next.
    pub fn start(&self, plan: &mut Plan) -> bool {
        if std::mem::take(&mut plan.stays) {
            return self.call_again(plan, Among::All, false);
        }
        // A request's first call is what the others are measured by.
        let is_first = plan.current().is_none();
        self.go_on(plan, &|_, _| true, &|provider, health| {
            is_first || self.takes(provider, health)
        })
    }

    /// The current candidate again, at once, with another of its keys.
    pub fn again(&self, plan: &mut Plan) -> bool {
        self.call_again(plan, Among::Well, true)
    }

    fn call_again(&self, plan: &mut Plan, among: Among, is_other_key: bool) -> bool {
        let may = plan.current().is_some_and(|candidate| {
            let (provider, health) = (&candidate.provider, &candidate.health);
            self.is_usable(among, provider, &candidate.model, health, &plan.limits)
                && self.takes(provider, health)
        });
        if may {
            plan.call_again(self.now, is_other_key);
        }
        may
    }

    /// Passes over a candidate that has not been called; its leave to be called goes to the next one.
    pub fn skip(&self, plan: &mut Plan) -> bool {
        plan.pass_over(self.now);
        self.go_on(plan, &|_, _| true, &|_, _| true)
    }

    /// Another candidate: one that is well, of those known or of the fallbacks; else any that may be asked.
    fn go_on(&self, plan: &mut Plan, also: &Also<'_>, may_call: &MayCall<'_>) -> bool {
        loop {
            if self.advance(plan, Among::Well, also, may_call) {
                return true;
            }
            match plan.fallbacks.next() {
                Some(name) => {
                    if let Some(stage) = self.router.fallback(&name, plan.asked()) {
                        plan.append(stage);
                    }
                }
                // A check that finds everybody down is more likely to be wrong itself; and where every
                // key is benched, the provider's own words say why.
                None => return self.advance(plan, Among::All, also, may_call),
            }
        }
    }

    /// Somebody else for the same request, while the current candidate is still at it.
    pub fn hedge(&self, plan: &mut Plan) -> bool {
        let takes = |provider: &Provider, health: &TargetHealth| self.takes(provider, health);
        self.advance(plan, Among::Well, &|_, _| true, &takes)
    }

    /// Goes to those that take longer prompts, and to nobody else.
    fn take_larger(&self, plan: &mut Plan, names: &[Box<str>]) -> bool {
        let stages: Vec<_> = names
            .iter()
            .filter_map(|name| self.router.fallback(name, plan.asked()))
            .collect();
        let mut stages = stages.into_iter();
        let Some(first) = stages.next() else {
            return false;
        };
        plan.instead(first);
        stages.for_each(|stage| plan.append(stage));
        self.go_on(plan, &|_, _| true, &|provider, health| {
            self.takes(provider, health)
        })
    }

    fn fall_back(&self, plan: &mut Plan, class: FailureClass) -> bool {
        let window = match class {
            FailureClass::ContextWindow => plan
                .current()
                .and_then(|failed| failed.provider.price(&failed.model)?.context_tokens),
            _ => None,
        };
        // Where both windows are known, the other must be the larger one.
        let is_larger = |provider: &Provider, model: &str| {
            let theirs = || provider.price(model)?.context_tokens;
            window.is_none_or(|ours| theirs().is_none_or(|theirs| theirs > ours))
        };
        self.go_on(plan, &is_larger, &|provider, health| {
            self.takes(provider, health)
        })
    }

    /// Whether failures of that class lead on to another candidate.
    fn leads_on(&self, plan: &Plan, class: FailureClass) -> bool {
        let of_route = plan.fallback_on.as_deref();
        of_route
            .unwrap_or(&self.router.fallback_on)
            .contains(&class)
    }

    /// Whether a failure of that class would lead on to another of the known candidates at once.
    pub fn has_next(&self, plan: &Plan, class: FailureClass) -> bool {
        let is_usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            self.is_usable(Among::All, provider, model, health, &plan.limits)
        };
        let limits = budget(&self.rules.retries);
        let may_call = |provider: &Provider, health: &TargetHealth| {
            is_free(health) || provider.health.budget.left(&limits) >= 1.0
        };
        let wanted = Wanted {
            is_usable: &is_usable,
            may_call: &may_call,
            max_repeats: self.rules.retries.max,
        };
        self.leads_on(plan, class) && plan.has_next(self.facts, self.now, &wanted)
    }

    /// How long until somebody may be asked again: the current candidate, or with `anybody` the first of all
    /// that have been. `None` where that is never, or too late.
    fn wait(&self, plan: &Plan, anybody: bool) -> Option<Duration> {
        let retries = &self.rules.retries;
        let current = plan.current()?;
        let wait = plan.look(|round| {
            if round.repeats >= retries.max {
                return None;
            }
            let pause = backoff(retries, round.repeats);
            let may = |candidate: &Candidate| {
                let (provider, health) = (&candidate.provider, &candidate.health);
                (anybody || candidate.is(&current.provider.name, &current.model))
                    && self
                        .obstacle(provider, &candidate.model, health, &plan.limits)
                        .is_none()
            };
            let all = round.repeatable().filter(|(candidate, _)| may(candidate));
            let waits = all.map(|(_, at)| match at.saturating_duration_since(self.now) {
                Duration::ZERO => pause,
                asked => asked + jitter(asked),
            });
            waits.min()
        })?;
        let is_late = |deadline| self.now + wait >= deadline;
        (!self.deadline.is_some_and(is_late)).then_some(wait)
    }

    /// Takes a call beyond the request's first from the provider's budget. A target that is known to be
    /// well needs none: the budget is there for those that fail.
    fn takes(&self, provider: &Provider, health: &TargetHealth) -> bool {
        is_free(health) || provider.health.budget.take(&budget(&self.rules.retries))
    }

    fn is_usable(
        &self,
        among: Among,
        provider: &Provider,
        model: &str,
        health: &TargetHealth,
        limits: &Limits,
    ) -> bool {
        (among == Among::All || self.doubt(provider).is_none())
            && self.obstacle(provider, model, health, limits).is_none()
    }

    fn advance(
        &self,
        plan: &mut Plan,
        among: Among,
        also: &Also<'_>,
        may_call: &MayCall<'_>,
    ) -> bool {
        let limits = plan.limits.clone();
        let is_usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            self.is_usable(among, provider, model, health, &limits) && also(provider, model)
        };
        let wanted = Wanted {
            is_usable: &is_usable,
            may_call,
            max_repeats: self.rules.retries.max,
        };
        plan.advance(self.facts, self.now, &wanted)
    }
}

/// Whether a target needs no budget: it is known to be well, or nobody knows it yet, which is taken for
/// granted for a number of calls.
fn is_free(health: &TargetHealth) -> bool {
    match health.breaker.is_well() {
        Some(is_well) => is_well,
        None => health.in_flight.load(Ordering::Relaxed) < MAX_UNKNOWN,
    }
}

/// A little more than a provider asked for, so that not all come back to it at the same moment.
fn jitter(asked: Duration) -> Duration {
    let most = (asked / 10).min(MOST_JITTER);
    let micros = u64::try_from(most.as_micros()).unwrap_or_default();
    Duration::from_micros(chance::below(micros.saturating_add(1)))
}

/// Full jitter: a random time up to a bound that doubles. Source: Brooker, "Exponential Backoff And
/// Jitter" (2015).
fn backoff(retries: &Retries, repeats: u32) -> Duration {
    let most = retries.max_seconds.duration();
    let bound = retries
        .base_seconds
        .duration()
        .saturating_mul(2_u32.saturating_pow(repeats.min(16)));
    let micros = u64::try_from(bound.min(most).as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance::below(micros.saturating_add(1)))
}

/// What fills retry budgets.
pub fn budget(retries: &Retries) -> BudgetLimits {
    BudgetLimits {
        ratio: retries.budget_ratio,
        size: retries.budget_size,
    }
}

/// When breakers open.
pub fn breaker(rules: &Routing) -> breaker::Limits {
    let breaker = &rules.breaker;
    breaker::Limits {
        is_enabled: breaker.enabled,
        consecutive_failures: breaker.consecutive_failures,
        failure_rate: breaker.failure_rate,
        min_requests: breaker.min_requests,
        window: breaker.window_seconds.duration(),
        cooldown: breaker.cooldown_seconds.duration(),
    }
}
