//! How many calls beyond a request's first a provider may get. Where it is well each success pays for
//! another, where it is not a small share of the requests does: so calls that repeat others cannot
//! multiply an outage.

use std::sync::atomic::{AtomicI64, Ordering};

const ONE: i64 = 1000;

/// The bucket of one provider, in thousandths of a call.
#[derive(Debug)]
pub struct RetryBudget(AtomicI64);

/// How large the bucket is and what fills it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetLimits {
    /// What a request's first call adds (0.1 of a call, usually).
    pub ratio: f64,
    /// Calls that it holds at most, and holds at first.
    pub size: u32,
}

impl Default for RetryBudget {
    /// Full, whatever its size will be.
    fn default() -> Self {
        RetryBudget(AtomicI64::new(i64::MAX))
    }
}

impl RetryBudget {
    /// A request's first call.
    pub fn first_call(&self, limits: &BudgetLimits) {
        // Between 0 and 1000.
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        let earned = (limits.ratio.clamp(0.0, 1.0) * 1000.0) as i64;
        self.add(earned, limits);
    }

    /// A call that went well.
    pub fn success(&self, limits: &BudgetLimits) {
        self.add(ONE, limits);
    }

    /// Takes one call out; `false` where there is none.
    pub fn take(&self, limits: &BudgetLimits) -> bool {
        let size = i64::from(limits.size) * ONE;
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                let held = held.min(size);
                (held >= ONE).then(|| held - ONE)
            });
        taken.is_ok()
    }

    /// Calls that are in it.
    pub fn left(&self, limits: &BudgetLimits) -> f64 {
        let size = i64::from(limits.size) * ONE;
        let held = self.0.load(Ordering::Relaxed).min(size);
        // At most a u32 and three digits: exact.
        #[expect(clippy::cast_precision_loss, reason = "exact")]
        let (held, one) = (held as f64, ONE as f64);
        held / one
    }

    fn add(&self, earned: i64, limits: &BudgetLimits) {
        let size = i64::from(limits.size) * ONE;
        // A full bucket is not written to: most requests find it full.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                (held < size).then(|| (held + earned).min(size))
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: BudgetLimits = BudgetLimits {
        ratio: 0.1,
        size: 10,
    };

    #[test]
    fn a_provider_that_is_well_may_always_be_called() {
        let budget = RetryBudget::default();
        for _ in 0..1000 {
            assert!(budget.take(&LIMITS));
            assert_eq!(budget.left(&LIMITS), 9.0);
            budget.success(&LIMITS);
        }
        assert_eq!(budget.left(&LIMITS), 10.0);
    }

    proptest! {
        #[test]
        fn no_order_of_calls_gets_more_than_the_size_and_the_share(calls in prop::collection::vec(any::<bool>(), 0..500)) {
            let budget = RetryBudget::default();
            let firsts = calls.iter().filter(|is_first| **is_first).count();
            let mut taken = 0;
            for is_first in calls {
                match is_first {
                    true => budget.first_call(&LIMITS),
                    false => taken += usize::from(budget.take(&LIMITS)),
                }
            }
            prop_assert!(taken <= 10 + firsts / 10);
        }
    }
}
