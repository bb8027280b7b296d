//! A circuit breaker: where a target fails too often in a row, or too large a share of its calls, nobody
//! is sent there for a while; then one request tries, and its fate decides for all.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Whether it opens at all.
    pub is_enabled: bool,
    /// It opens at so many failures in a row.
    pub consecutive_failures: u32,
    /// It opens where at least this share of the calls in `window` failed (0 to 1) …
    pub failure_rate: f64,
    /// … and there were at least so many.
    pub min_requests: u32,
    /// What the share is taken of.
    pub window: Duration,
    /// How long nobody is sent there.
    pub cooldown: Duration,
}

/// Leave to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// As any other.
    Usual,
    /// To find out whether the target is well again: nobody else is sent there meanwhile.
    Probe,
}

/// What a report has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// From now on nobody is sent there.
    Opened,
    /// The target is well again.
    Closed,
}

/// The state, as people and metrics see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Closed,
    /// The next request, or the one under way, is a probe.
    HalfOpen,
    /// Nobody is sent there.
    Open,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::HalfOpen => "half_open",
            State::Open => "open",
        }
    }

    /// The number for it, the higher the worse.
    pub fn number(self) -> i64 {
        match self {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        }
    }
}

/// The breaker of one target.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Set while it is open or half-open: when a probe may be sent.
    retry_at: Option<Instant>,
    is_probing: bool,
    in_a_row: u32,
    /// Whether a request has ever gone well.
    has_succeeded: bool,
    window: Window,
}

impl Breaker {
    /// Whether a request could be sent now.
    pub fn is_passable(&self, now: Instant) -> bool {
        let inner = self.0.lock();
        inner
            .retry_at
            .is_none_or(|at| at <= now && !inner.is_probing)
    }

    /// Leave to send a request; `None` while there is none. [`super::leave::Leave`] holds it, and sees to it
    /// that [`Breaker::report`] or [`Breaker::give_back`] follows.
    pub(super) fn pass(&self, now: Instant, limits: &Limits) -> Option<Pass> {
        if !limits.is_enabled {
            return Some(Pass::Usual);
        }
        let mut inner = self.0.lock();
        match inner.retry_at {
            None => Some(Pass::Usual),
            Some(at) if at <= now && !inner.is_probing => {
                inner.is_probing = true;
                Some(Pass::Probe)
            }
            Some(_) => None,
        }
    }

    /// The request came to nothing that says anything about the target: its client left.
    pub(super) fn give_back(&self, pass: Pass) {
        if pass == Pass::Probe {
            self.0.lock().is_probing = false;
        }
    }

    /// How the request went.
    pub(super) fn report(
        &self,
        pass: Pass,
        is_well: bool,
        now: Instant,
        limits: &Limits,
    ) -> Option<Change> {
        let mut inner = self.0.lock();
        if pass == Pass::Probe || !limits.is_enabled {
            inner.is_probing = false;
        }
        if !limits.is_enabled {
            inner.retry_at = None;
        }
        if is_well {
            inner.in_a_row = 0;
            inner.has_succeeded = true;
            inner.window.add(now, limits.window, true);
            // A request from before it opened says nothing about how the target is now.
            if inner.retry_at.is_some() && pass == Pass::Probe {
                inner.retry_at = None;
                inner.window = Window::default();
                return Some(Change::Closed);
            }
            return None;
        }
        inner.in_a_row = inner.in_a_row.saturating_add(1);
        inner.window.add(now, limits.window, false);
        match inner.retry_at {
            Some(_) if pass == Pass::Probe => {
                inner.retry_at = Some(now + limits.cooldown);
                None
            }
            Some(_) => None,
            None if limits.is_enabled && inner.is_too_much(now, limits) => {
                inner.retry_at = Some(now + limits.cooldown);
                Some(Change::Opened)
            }
            None => None,
        }
    }

    /// Forgets what has failed: breakers are turned off.
    pub(super) fn close(&self) {
        let mut inner = self.0.lock();
        *inner = Inner {
            has_succeeded: inner.has_succeeded,
            ..Inner::default()
        };
    }

    /// Whether the last request that is known of went well; `None` where none is known of.
    pub fn is_well(&self) -> Option<bool> {
        let inner = self.0.lock();
        match inner.retry_at.is_some() || inner.in_a_row > 0 {
            true => Some(false),
            false => inner.has_succeeded.then_some(true),
        }
    }

    /// When the next request may be sent, where that is not now.
    pub fn retry_at(&self) -> Option<Instant> {
        self.0.lock().retry_at
    }

    /// How it stands.
    pub fn state(&self, now: Instant) -> State {
        match self.0.lock().retry_at {
            None => State::Closed,
            Some(at) if at <= now => State::HalfOpen,
            Some(_) => State::Open,
        }
    }
}

impl Inner {
    fn is_too_much(&self, now: Instant, limits: &Limits) -> bool {
        let (well, failed) = self.window.sums(now, limits.window);
        let all = well + failed;
        let is_bad_share = all >= u64::from(limits.min_requests.max(1))
            && share(failed, all) >= limits.failure_rate;
        is_bad_share || self.in_a_row >= limits.consecutive_failures.max(1)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of requests")]
fn share(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

const SLICES: usize = 10;

/// Calls that went well and failed, by slices of time.
#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    slices: [Slice; SLICES],
}

#[derive(Debug, Default, Clone, Copy)]
struct Slice {
    /// Which slice since `began` this is.
    number: u64,
    well: u64,
    failed: u64,
}

impl Window {
    fn number(&self, now: Instant, length: Duration) -> u64 {
        let slice = length.as_micros() / SLICES as u128;
        let since = self
            .began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        u64::try_from(since.as_micros() / slice.max(1)).unwrap_or(u64::MAX)
    }

    fn add(&mut self, now: Instant, length: Duration, is_well: bool) {
        self.began.get_or_insert(now);
        let number = self.number(now, length);
        let at = usize::try_from(number % SLICES as u64).unwrap_or_default();
        let Some(slice) = self.slices.get_mut(at) else {
            return;
        };
        if slice.number != number {
            *slice = Slice {
                number,
                ..Slice::default()
            };
        }
        match is_well {
            true => slice.well += 1,
            false => slice.failed += 1,
        }
    }

    fn sums(&self, now: Instant, length: Duration) -> (u64, u64) {
        let newest = self.number(now, length);
        let oldest = (newest + 1).saturating_sub(SLICES as u64);
        let in_it = |slice: &&Slice| (oldest..=newest).contains(&slice.number);
        let slices = self.slices.iter().filter(in_it);
        slices.fold((0, 0), |(well, failed), slice| {
            (well + slice.well, failed + slice.failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        is_enabled: true,
        consecutive_failures: 3,
        failure_rate: 0.5,
        min_requests: 10,
        window: Duration::from_secs(10),
        cooldown: Duration::from_secs(30),
    };

    fn fail(breaker: &Breaker, now: Instant) -> Option<Change> {
        let pass = breaker.pass(now, &LIMITS).unwrap();
        breaker.report(pass, false, now, &LIMITS)
    }

    fn succeed(breaker: &Breaker, now: Instant) -> Option<Change> {
        let pass = breaker.pass(now, &LIMITS).unwrap();
        breaker.report(pass, true, now, &LIMITS)
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_closes_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(fail(&breaker, now), None);
        assert_eq!(fail(&breaker, now), None);
        assert_eq!(fail(&breaker, now), Some(Change::Opened));
        assert_eq!(breaker.pass(now + Duration::from_secs(29), &LIMITS), None);
        let later = now + LIMITS.cooldown;
        assert_eq!(breaker.state(later), State::HalfOpen);
        assert_eq!(breaker.pass(later, &LIMITS), Some(Pass::Probe));
        assert!(!breaker.is_passable(later), "one probe at a time");
        assert_eq!(breaker.pass(later, &LIMITS), None);
        let change = breaker.report(Pass::Probe, true, later, &LIMITS);
        assert_eq!(change, Some(Change::Closed));
        assert_eq!(breaker.pass(later, &LIMITS), Some(Pass::Usual));
    }

    #[test]
    fn a_probe_that_fails_starts_the_cooldown_anew() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| assert_ne!(fail(&breaker, now), Some(Change::Closed)));
        let later = now + LIMITS.cooldown;
        assert_eq!(fail(&breaker, later), None);
        assert_eq!(breaker.pass(later + Duration::from_secs(29), &LIMITS), None);
        assert!(breaker.pass(later + LIMITS.cooldown, &LIMITS).is_some());
    }

    #[test]
    fn a_probe_whose_client_left_leaves_room_for_another() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| assert_ne!(fail(&breaker, now), Some(Change::Closed)));
        let later = now + LIMITS.cooldown;
        breaker.give_back(breaker.pass(later, &LIMITS).unwrap());
        assert_eq!(breaker.pass(later, &LIMITS), Some(Pass::Probe));
    }

    #[test]
    fn a_bad_share_opens_it_and_old_failures_are_forgotten() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(fail(&breaker, now), None);
            assert_eq!(succeed(&breaker, now), None);
        }
        let later = now + Duration::from_secs(11);
        assert_eq!(fail(&breaker, later), None);
        assert_eq!(succeed(&breaker, later), None);
        for _ in 0..3 {
            fail(&breaker, later);
            succeed(&breaker, later);
        }
        assert_eq!(fail(&breaker, later), None, "nine calls say too little");
        assert_eq!(fail(&breaker, later), Some(Change::Opened));
    }

    #[test]
    fn an_answer_to_a_request_from_before_does_not_close_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let old = breaker.pass(now, &LIMITS).unwrap();
        (0..3).for_each(|_| assert_ne!(fail(&breaker, now), Some(Change::Closed)));
        assert_eq!(breaker.report(old, true, now, &LIMITS), None);
        assert_eq!(breaker.pass(now, &LIMITS), None);
    }
}
