//! The end of an attempt: its target, provider and key are told how it went, and it joins those that are
//! over. [`super::attempt`] has judged it.

use std::time::Instant;

use super::{
    context::{Context, OpenAttempt},
    tally,
};
use crate::{
    chat::estimate::Counter,
    config::Routing,
    error::Outcome,
    health::{breaker::Change, leave::Leave},
    routing::{Candidate, policy},
    usage::record::Attempt,
};

/// What an attempt says about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is well.
    Well,
    /// It is not.
    Ill,
    /// Nothing: the request was at fault, or the client left.
    Nothing,
}

/// Moves the attempt under way to those that are over.
pub(super) fn close(
    context: &mut Context,
    outcome: Outcome,
    detail: Option<String>,
    verdict: Verdict,
) {
    context.stop_waiting();
    // Providers charge nothing for an answer that they themselves call an error.
    let used = match outcome {
        Outcome::HttpError => None,
        _ => tally::of_attempt(context, outcome == Outcome::Ok),
    };
    context.meter = Counter::default();
    let (Some(mut attempt), Some(candidate)) = (context.attempt.take(), context.plan.current())
    else {
        return;
    };
    if let (Some(place), Some(used)) = (attempt.place.take(), &used) {
        place.settle(&used.usage, used.cost.unwrap_or_default());
    }
    tell(context, &mut attempt, candidate, verdict);
    let gateway = context.gateway();
    let metrics = &gateway.metrics;
    let series = metrics.series(&candidate.provider.name, &candidate.model);
    metrics.attempt(&series, outcome);
    let ms = attempt.started.elapsed().as_millis();
    let record = Attempt {
        provider: candidate.provider.name.clone(),
        model: candidate.model.clone(),
        outcome,
        status: attempt.status,
        ms: u64::try_from(ms).unwrap_or(u64::MAX),
        detail,
        used,
    };
    context.attempts.push(record);
}

/// Tells the target, its provider and its key how the attempt went.
fn tell(context: &Context, attempt: &mut OpenAttempt, candidate: &Candidate, verdict: Verdict) {
    let (rules, now) = (&context.snapshot.config.routing, Instant::now());
    match verdict {
        Verdict::Nothing => {}
        Verdict::Ill => {
            report(rules, candidate, &mut attempt.leave, false);
            if attempt.head.is_none() {
                candidate.health.latency.add(now - attempt.started, now);
            }
        }
        Verdict::Well => {
            report(rules, candidate, &mut attempt.leave, true);
            candidate
                .provider
                .health
                .budget
                .success(&policy::budget(&rules.retries));
            if let Some(key) = candidate.provider.credential.key_health(attempt.key) {
                key.clear();
            }
            if let Some(usage) = &context.usage {
                // Exact up to 2^52, far beyond any answer.
                #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
                let tokens = usage.total() as f64;
                candidate.health.minute.add(0.0, tokens, now);
            }
        }
    }
}

/// Tells the target how it is.
pub(super) fn report(rules: &Routing, candidate: &Candidate, leave: &mut Leave, is_well: bool) {
    let limits = policy::breaker(rules);
    let change = leave.report(is_well, Instant::now(), &limits);
    let (name, model) = (&candidate.provider.name, &candidate.model);
    match change {
        Some(Change::Opened) => log::warn!(
            "provider={name} model={model} status=unhealthy retry_in={}s",
            limits.cooldown.as_secs_f64()
        ),
        Some(Change::Closed) => log::info!("provider={name} model={model} status=recovered"),
        None => {}
    }
}
