//! The one with the most room left: the share of its requests or tokens a minute that is used, whichever
//! is more. Where there are no limits, the one that served least.

use super::{Choice, Strategy, Target, usable};

pub(super) struct Usage;

impl Strategy for Usage {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let used = |at: &usize| {
            targets
                .get(*at)
                .map_or((f64::MAX, 0.0), |target| used(target, choice))
        };
        usable(targets, choice).min_by(|a, b| {
            let ((a, a_served), (b, b_served)) = (used(a), used(b));
            a.total_cmp(&b).then(a_served.total_cmp(&b_served))
        })
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
