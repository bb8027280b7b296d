//! The one with the fewest requests under way; among equals one at random, so that an idle pool does not
//! send everything to its first.

use std::sync::atomic::Ordering;

use super::{Choice, Strategy, Target};
use crate::routing::chance;

/// In a larger pool so many at random are compared: nearly as good, and in constant time.
const SAMPLE: usize = 32;

pub(super) struct LeastBusy;

impl Strategy for LeastBusy {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let count = targets.len();
        let start = chance::place(count)?;
        let mut best: Option<(usize, usize)> = None;
        let mut seen = 0;
        for at in (start..count).chain(0..start) {
            if !(choice.is_usable)(at) {
                continue;
            }
            let target = targets.get(at)?;
            let busy = target
                .health(choice.asked)
                .in_flight
                .load(Ordering::Relaxed);
            if best.is_none_or(|(least, _)| busy < least) {
                best = Some((busy, at));
            }
            seen += 1;
            if busy == 0 || seen == SAMPLE {
                break;
            }
        }
        best.map(|(_, at)| at)
    }
}
