//! Who is asked after a failure: the next candidate at once, the same ones again after a while, or nobody.
//!
//! A *fallback* is another candidate: of the same pool, then of the chain behind it. A *repeat* asks one
//! again that has failed, once all have. Both take from the retry budget of the provider that is called.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{Plan, Router, chance, estimate, facts::Facts};
use crate::{
    config::{FailureClass, Retries, Routing},
    error::GatewayError,
    health::{Target as TargetHealth, breaker, budget::BudgetLimits},
    providers::pricing,
    upstream::provider::Provider,
};

/// So many requests may be under way at a target of which nobody knows how it is.
const MAX_UNKNOWN: usize = 100;

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

/// What keeps a candidate from being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// There is no token for it yet.
    NoToken,
    /// It has failed too often.
    Breaker,
    /// It costs too much.
    Price,
}

/// What makes that a provider is asked only where nobody else can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The active check does not reach it.
    Down,
    /// None of its keys worked of late.
    KeysBenched,
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
        let Some(class) = failure.class else {
            return Next::Stop;
        };
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            return Next::Stop;
        }
        if class == FailureClass::ContextWindow && self.take_larger(plan) {
            return Next::Now;
        }
        let fallback_on = plan.fallback_on.clone();
        let leads_on = fallback_on.as_deref().unwrap_or(&self.router.fallback_on);
        let may_fall_back = leads_on.contains(&class);
        let retries = &self.rules.retries;
        let is_repeat = plan.is_repeating;
        let may_go_on = may_fall_back && (!is_repeat || plan.repeats < retries.max);
        if may_go_on && self.fall_back(plan, class) {
            plan.repeats += u32::from(is_repeat);
            return Next::Now;
        }
        if !failure.is_repeatable || !retries.on.contains(&class) || plan.repeats >= retries.max {
            return Next::Stop;
        }
        let cap = retries.retry_after_cap_seconds.duration();
        let wait = match failure.retry_after {
            Some(asked) if asked > cap => return Next::Stop,
            Some(asked) => asked,
            None => backoff(retries, plan.repeats),
        };
        if self
            .deadline
            .is_some_and(|deadline| self.now + wait >= deadline)
        {
            return Next::Stop;
        }
        match may_fall_back {
            true => plan.restart(),
            false => plan.repeat_current(),
        }
        plan.repeats += 1;
        plan.is_repeating = true;
        Next::After(wait)
    }

    /// Finds the first candidate, or after a wait the next.
    pub fn start(&self, plan: &mut Plan) -> bool {
        let is_first = plan.current().is_none();
        while self.skip(plan) {
            if is_first || self.takes(plan) {
                return true;
            }
        }
        false
    }

    /// The current candidate again, at once.
    pub fn again(&self, plan: &mut Plan) -> bool {
        plan.repeat_current();
        let is_found = self.advance(plan, Among::Well, &|_, _| true);
        // What comes next is free to choose.
        plan.unpin();
        is_found && self.takes(plan)
    }

    /// Passes over a candidate that has not been called.
    pub fn skip(&self, plan: &mut Plan) -> bool {
        self.go_on(plan, &|_, _| true)
    }

    /// Another candidate: one that is well, of those known or of the fallbacks; else any that may be asked.
    fn go_on(&self, plan: &mut Plan, also: &dyn Fn(&Provider, &str) -> bool) -> bool {
        loop {
            if self.advance(plan, Among::Well, also) {
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
                None => return self.advance(plan, Among::All, also),
            }
        }
    }

    /// Somebody else for the same request, while the current candidate is still at it.
    pub fn hedge(&self, plan: &mut Plan) -> bool {
        self.advance(plan, Among::Well, &|_, _| true) && self.takes(plan)
    }

    /// Why nobody can be asked, for who asked for `model`.
    pub fn nobody(&self, plan: &Plan, model: Option<&str>) -> GatewayError {
        let model = model.unwrap_or_default().to_owned();
        match self.in_the_way(plan) {
            (None, Some((estimate, limit))) => GatewayError::TooExpensive {
                model,
                estimate,
                limit,
            },
            (retry_at, _) => {
                let wait = retry_at.map(|at| at.saturating_duration_since(self.now));
                let wait = wait.unwrap_or_default().as_secs_f64().ceil().max(1.0);
                GatewayError::Unavailable {
                    model,
                    retry_after: format!("{wait:.0}"),
                }
            }
        }
    }

    /// What stands in the way of all candidates: when the first may be asked again, or the least estimate
    /// and the limit that it exceeds, in USD.
    fn in_the_way(&self, plan: &Plan) -> (Option<Instant>, Option<(f64, f64)>) {
        let candidates = plan.candidates();
        let retry_at = candidates
            .iter()
            .filter(|candidate| !candidate.health.breaker.is_passable(self.now))
            .filter_map(|candidate| candidate.health.breaker.retry_at())
            .min();
        let estimates = candidates.iter().filter_map(|candidate| {
            let price = pricing::price(&candidate.provider.kind, &candidate.model)?;
            Some(estimate(price, self.facts).dollars())
        });
        let least = estimates.min_by(f64::total_cmp);
        let limit = plan
            .max_cost
            .zip(least)
            .filter(|(limit, least)| least > limit);
        (retry_at, limit.map(|(limit, least)| (least, limit)))
    }

    /// Goes to those that take longer prompts, where some are named for that.
    fn take_larger(&self, plan: &mut Plan) -> bool {
        let Some(names) = plan.larger.take() else {
            return false;
        };
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
        plan.fallbacks.names = None;
        self.go_on(plan, &|_, _| true) && self.takes(plan)
    }

    fn fall_back(&self, plan: &mut Plan, class: FailureClass) -> bool {
        let window = match class {
            FailureClass::ContextWindow => plan.current().and_then(|failed| {
                pricing::price(&failed.provider.kind, &failed.model)?.context_tokens
            }),
            _ => None,
        };
        // Where both windows are known, the other must be the larger one.
        let is_larger = |provider: &Provider, model: &str| {
            let theirs = || pricing::price(&provider.kind, model)?.context_tokens;
            window.is_none_or(|ours| theirs().is_none_or(|theirs| theirs > ours))
        };
        while self.go_on(plan, &is_larger) {
            if self.takes(plan) {
                return true;
            }
        }
        false
    }

    /// Whether the current candidate may get a call beyond the request's first. One that is known to be
    /// well may: the budget is there for those that fail. Of one that nobody knows yet it is taken for
    /// granted, for a number of calls.
    fn takes(&self, plan: &Plan) -> bool {
        let limits = budget(&self.rules.retries);
        let Some(candidate) = plan.current() else {
            return false;
        };
        let is_well = match candidate.health.breaker.is_well() {
            Some(is_well) => is_well,
            None => candidate.health.in_flight.load(Ordering::Relaxed) < MAX_UNKNOWN,
        };
        is_well || candidate.provider.health.budget.take(&limits)
    }

    fn advance(
        &self,
        plan: &mut Plan,
        among: Among,
        also: &dyn Fn(&Provider, &str) -> bool,
    ) -> bool {
        let max_cost = plan.max_cost;
        let usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            let is_well = among == Among::All || self.doubt(provider).is_none();
            is_well
                && also(provider, model)
                && self.obstacle(provider, model, health, max_cost).is_none()
        };
        plan.advance(self.facts, self.now, &usable)
    }

    /// Whether anybody else of the known candidates could be asked.
    pub fn has_next(&self, plan: &Plan) -> bool {
        let usable = |provider: &Provider, model: &str, health: &TargetHealth| {
            self.obstacle(provider, model, health, plan.max_cost)
                .is_none()
        };
        plan.has_next(self.facts, self.now, &usable)
    }

    /// What keeps a candidate from being asked.
    pub(super) fn obstacle(
        &self,
        provider: &Provider,
        model: &str,
        health: &TargetHealth,
        max_cost: Option<f64>,
    ) -> Option<Obstacle> {
        if !provider.credential.has_token() {
            return Some(Obstacle::NoToken);
        }
        if !health.breaker.is_passable(self.now) {
            return Some(Obstacle::Breaker);
        }
        let is_affordable = self.is_affordable(provider, model, max_cost);
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
        let price = pricing::price(&provider.kind, model);
        price.is_none_or(|price| estimate(price, self.facts).dollars() <= most)
    }
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
