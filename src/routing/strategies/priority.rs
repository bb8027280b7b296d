//! The first that may be asked.

use super::{Choice, Strategy, Target, usable};

pub(super) struct Priority;

impl Strategy for Priority {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        usable(targets, choice).next()
    }
}
