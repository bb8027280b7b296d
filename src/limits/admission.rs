//! A request that may proceed. Dropped, it gives back all that it took, wherever it was cancelled; settled, it has
//! used what it used.

use std::sync::Arc;

use super::{
    Limits, Now,
    meters::Meter,
    refusal::Standing,
    subject::{Estimate, Rules},
};
use crate::{chat::usage::Usage, price::Usd};

/// Subjects that a request has, mostly.
pub(super) const USUAL: usize = 8;

/// A subject that a request counts against.
pub(super) struct Held {
    pub meter: Arc<Meter>,
    pub rules: Rules,
}

/// A request that may proceed.
#[must_use = "dropped, it gives back what it took"]
pub struct Admission {
    pub(super) limits: &'static Limits,
    pub(super) held: Vec<Held>,
    pub(super) ask: Estimate,
    pub(super) taken_at: u64,
    pub(super) standing: Standing,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meters = self.held.iter().map(|held| &held.meter);
        formatter.debug_list().entries(meters).finish()
    }
}

impl Admission {
    /// It has used this. `cost` is nothing where the price is not known.
    pub fn settle(self, usage: &Usage, cost: Usd) {
        self.settle_at(usage, cost, Now::read());
    }

    /// The same, at a given time.
    pub fn settle_at(mut self, usage: &Usage, cost: Usd, now: Now) {
        self.end(Some((usage.total(), cost)), now);
    }

    /// How the tightest limits stand, after this request.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What was reserved.
    pub fn estimate(&self) -> &Estimate {
        &self.ask
    }

    fn end(&mut self, used: Option<(u64, Usd)>, now: Now) {
        let limits = self.limits;
        let house = limits.house();
        for held in self.held.drain(..) {
            let mut state = held.meter.state.lock();
            state.end(house, &held.rules, &self.ask, self.taken_at, now, used);
            if held.rules.spend.is_some() {
                limits.alerts.look(&held, &mut state);
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.end(None, Now::read());
        }
    }
}
