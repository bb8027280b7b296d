//! How a pool picks one of its targets: one file per strategy, and its line in [`STRATEGIES`].

mod balanced;
mod cost;
mod latency;
mod least_busy;
mod prefix_affinity;
mod priority;
mod usage;

use super::pool::{Choice, Target};
use crate::{config::StrategyName, routing::chance};

/// Picks one of the targets of a tier.
pub trait Strategy: Send + Sync {
    /// The place of the target to ask; only one of which [`Choice::is_usable`] says so.
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize>;
}

/// Makes a strategy for the targets of one tier.
type Build = fn(&[Target]) -> Box<dyn Strategy>;

/// All strategies.
const STRATEGIES: [(StrategyName, Build); 8] = [
    (StrategyName::Weighted, balanced::weighted),
    (StrategyName::RoundRobin, balanced::round_robin),
    (StrategyName::LeastBusy, |_| Box::new(least_busy::LeastBusy)),
    (StrategyName::Latency, |_| Box::new(latency::Latency)),
    (StrategyName::Cost, |targets| {
        Box::new(cost::Cost::new(targets))
    }),
    (StrategyName::Usage, |_| Box::new(usage::Usage)),
    (StrategyName::Priority, |_| Box::new(priority::Priority)),
    (StrategyName::PrefixAffinity, |targets| {
        Box::new(prefix_affinity::PrefixAffinity::new(targets))
    }),
];

/// The strategy of that name, for these targets.
pub fn build(name: StrategyName, targets: &[Target]) -> Box<dyn Strategy> {
    let known = STRATEGIES.iter().find(|(known, _)| *known == name);
    match known {
        Some((_, build)) => build(targets),
        None => Box::new(priority::Priority),
    }
}

/// The places of those that may be asked.
fn usable<'a>(targets: &'a [Target], choice: &'a Choice<'_>) -> impl Iterator<Item = usize> + 'a {
    (0..targets.len()).filter(|at| (choice.is_usable)(*at))
}

/// So many of a larger pool are compared: nearly as good as all, and in constant time.
const SAMPLE: usize = 16;

/// The places of those that may be asked, from a random one on, and at most [`SAMPLE`] of them.
fn sample<'a>(targets: &'a [Target], choice: &'a Choice<'_>) -> impl Iterator<Item = usize> + 'a {
    let start = chance::place(targets.len()).unwrap_or_default();
    let places = (start..targets.len()).chain(0..start);
    places.filter(|at| (choice.is_usable)(*at)).take(SAMPLE)
}

#[cfg(test)]
mod tests;
