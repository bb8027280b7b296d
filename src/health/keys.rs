//! Which of a provider's keys are not to be used for now: one that the provider does not know, or whose
//! credit is used up, is benched; the others go on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// No bench is longer, whatever a provider says.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The bench of one key.
#[derive(Debug)]
pub struct KeyHealth {
    born: Instant,
    /// Milliseconds after `born`; 0 while it is not benched.
    until: AtomicU64,
}

impl Default for KeyHealth {
    fn default() -> Self {
        KeyHealth {
            born: Instant::now(),
            until: AtomicU64::new(0),
        }
    }
}

impl KeyHealth {
    /// It is not used for so long; for a year at most.
    pub fn bench(&self, time: Duration, now: Instant) {
        let until = now.saturating_duration_since(self.born) + time.min(LONGEST);
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(until.max(1), Ordering::Relaxed);
    }

    /// It works.
    pub fn clear(&self) {
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(0, Ordering::Relaxed);
        }
    }

    /// When it may be used again, where that is not now.
    pub fn benched_until(&self, now: Instant) -> Option<Instant> {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return None;
        }
        Some(self.born + Duration::from_millis(until)).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_when_its_time_is_over() {
        let (key, now) = (KeyHealth::default(), Instant::now());
        assert_eq!(key.benched_until(now), None);
        key.bench(Duration::from_secs(60), now);
        assert!(key.benched_until(now).is_some());
        assert_eq!(key.benched_until(now + Duration::from_secs(61)), None);
        key.clear();
        assert_eq!(key.benched_until(now), None);
    }

    #[test]
    fn a_time_beyond_all_measure_is_no_panic() {
        let (key, now) = (KeyHealth::default(), Instant::now());
        key.bench(Duration::MAX, now + Duration::from_secs(1));
        key.bench(Duration::from_secs(u64::MAX - 2047), now);
        assert!(key.benched_until(now + LONGEST / 2).is_some());
    }
}
