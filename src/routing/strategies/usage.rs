//! The one with the most room left: the share of its requests or tokens a minute that is used, whichever
//! is more. Where there are no limits, the one that served least.

use super::{Choice, Strategy, Target, sample};

pub(super) struct Usage;

impl Strategy for Usage {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let used = |at| targets.get(at).map(|target| (used(target, choice), at));
        let all = sample(targets, choice).filter_map(used);
        let least = all.min_by(|((a, a_served), _), ((b, b_served), _)| {
            a.total_cmp(b).then(a_served.total_cmp(b_served))
        });
        least.map(|(_, at)| at)
    }
}

/// The share of its limits that is used, and what it served.
fn used(target: &Target, choice: &Choice<'_>) -> (f64, f64) {
    let counts = target.health(choice.asked).minute.counts(choice.now);
    let share = |used: f64, limit: Option<u32>| match limit {
        Some(limit) => used / f64::from(limit.max(1)),
        None => 0.0,
    };
    let requests = share(counts.requests, target.rpm);
    (
        requests.max(share(counts.tokens, target.tpm)),
        counts.requests,
    )
}
