//! Leave to send one request to a target: its breaker has agreed, and the request counts as under way there
//! for as long as this lives. Whoever drops it without a report gives it back, so that no probe is ever lost.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::{
    Target,
    breaker::{Change, Limits, Pass},
};

/// Leave to send one request.
#[derive(Debug)]
pub struct Leave {
    target: Arc<Target>,
    /// None once the target has been told how it went.
    pass: Option<Pass>,
}

impl Leave {
    /// Leave to send a request to `target`; `None` while there is none.
    pub fn take(target: &Arc<Target>, now: Instant, limits: &Limits) -> Option<Self> {
        let pass = target.breaker.pass(now, limits)?;
        target.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Leave {
            target: target.clone(),
            pass: Some(pass),
        })
    }

    /// Whether nobody else is sent there until it is told how this request went.
    pub fn is_probe(&self) -> bool {
        self.pass == Some(Pass::Probe)
    }

    /// How the request went. That it went well is heard once; that it failed after all is heard as well.
    pub fn report(&mut self, is_well: bool, now: Instant, limits: &Limits) -> Option<Change> {
        let pass = match self.pass.take() {
            Some(pass) => pass,
            None if is_well => return None,
            None => Pass::Usual,
        };
        self.target.breaker.report(pass, is_well, now, limits)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.target.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(pass) = self.pass.take() {
            self.target.breaker.give_back(pass);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::breaker::State;

    const LIMITS: Limits = Limits {
        is_enabled: true,
        consecutive_failures: 1,
        failure_rate: 0.5,
        min_requests: 10,
        window: Duration::from_secs(10),
        cooldown: Duration::from_secs(30),
    };

    /// A target whose breaker is open, and when it lets a probe through.
    fn open() -> (Arc<Target>, Instant) {
        let (target, now) = (Arc::new(Target::default()), Instant::now());
        let mut leave = Leave::take(&target, now, &LIMITS).unwrap();
        let change = leave.report(false, now, &LIMITS);
        assert_eq!(change, Some(Change::Opened));
        (target, now + LIMITS.cooldown)
    }

    #[test]
    fn a_probe_of_which_nothing_is_ever_heard_leaves_room_for_another() {
        let (target, later) = open();
        let probe = Leave::take(&target, later, &LIMITS).unwrap();
        assert!(probe.is_probe() && Leave::take(&target, later, &LIMITS).is_none());
        assert_eq!(target.in_flight.load(Ordering::Relaxed), 1);
        drop(probe);
        assert_eq!(target.in_flight.load(Ordering::Relaxed), 0);
        assert!(Leave::take(&target, later, &LIMITS).unwrap().is_probe());
    }

    #[test]
    fn where_breakers_are_turned_off_an_open_one_keeps_nobody_away() {
        let (target, _) = open();
        let (now, off) = (
            Instant::now(),
            Limits {
                is_enabled: false,
                ..LIMITS
            },
        );
        assert!(Leave::take(&target, now, &LIMITS).is_none());
        let mut leave = Leave::take(&target, now, &off).unwrap();
        assert!(!leave.is_probe());
        assert_eq!(leave.report(false, now, &off), None);
        assert_eq!(
            target.breaker.state(now),
            State::Closed,
            "whatever comes of it"
        );
    }

    #[test]
    fn a_probe_that_went_well_and_then_broke_off_counts_as_a_failure_like_any_other() {
        let (target, later) = open();
        let mut probe = Leave::take(&target, later, &LIMITS).unwrap();
        assert_eq!(probe.report(true, later, &LIMITS), Some(Change::Closed));
        assert_eq!(probe.report(true, later, &LIMITS), None, "told already");
        assert_eq!(probe.report(false, later, &LIMITS), Some(Change::Opened));
        drop(probe);
        assert_eq!(target.breaker.state(later), State::Open);
    }
}
