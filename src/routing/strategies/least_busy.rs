//! The one with the fewest requests under way; among equals one at random, so that an idle pool does not
//! send everything to its first.

use super::{Choice, Strategy, Target, sample};

pub(super) struct LeastBusy;

impl Strategy for LeastBusy {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let busy = |at: &usize| targets.get(*at).map(|target| target.busy(choice.asked));
        sample(targets, choice).min_by_key(busy)
    }
}
