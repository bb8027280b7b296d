//! The power of two choices by peak-sensitive latency: of two at random, the one where the average time to
//! the first byte times the requests under way is less.

use super::{Choice, Strategy, Target};
use crate::routing::chance;

pub(super) struct Latency;

impl Strategy for Latency {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let one = somebody(targets, choice, None)?;
        let Some(other) = somebody(targets, choice, Some(one)) else {
            return Some(one);
        };
        match load(targets, choice, other) < load(targets, choice, one) {
            true => Some(other),
            false => Some(one),
        }
    }
}

/// Anyone that may be asked and is not `but`.
fn somebody(targets: &[Target], choice: &Choice<'_>, but: Option<usize>) -> Option<usize> {
    let start = chance::place(targets.len())?;
    let mut all = (start..targets.len()).chain(0..start);
    all.find(|at| Some(*at) != but && (choice.is_usable)(*at))
}

fn load(targets: &[Target], choice: &Choice<'_>, at: usize) -> f64 {
    let Some(target) = targets.get(at) else {
        return f64::MAX;
    };
    let health = target.health(choice.asked);
    let waiting = u32::try_from(target.busy(choice.asked)).unwrap_or(u32::MAX);
    // Where nothing is known yet, the number of requests under way decides.
    let seconds = health.latency.seconds(choice.now).max(1e-6);
    seconds * (f64::from(waiting) + 1.0)
}
