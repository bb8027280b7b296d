//! Requests and tokens of about the last minute, for who has how much room left. Two slices and a weight
//! by time: the estimate of a sliding window that needs no list of times.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const MINUTE: Duration = Duration::from_secs(60);

/// What a target has served of late.
#[derive(Debug, Default)]
pub struct Minute(Mutex<Slices>);

#[derive(Debug, Default)]
struct Slices {
    began: Option<Instant>,
    last: Option<Instant>,
    now: Counts,
    before: Counts,
}

/// Requests and tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Requests.
    pub requests: f64,
    /// Tokens, in and out.
    pub tokens: f64,
}

impl Minute {
    /// So much was asked or used.
    pub fn add(&self, requests: f64, tokens: f64, now: Instant) {
        let mut slices = self.0.lock();
        slices.turn(now);
        slices.last = Some(now);
        slices.now.requests += requests;
        slices.now.tokens += tokens;
    }

    /// What the last minute saw.
    pub fn counts(&self, now: Instant) -> Counts {
        let mut slices = self.0.lock();
        if slices.began.is_some() {
            slices.turn(now);
        }
        let into = slices
            .began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let weight = (1.0 - into.as_secs_f64() / MINUTE.as_secs_f64()).clamp(0.0, 1.0);
        Counts {
            requests: slices.now.requests + slices.before.requests * weight,
            tokens: slices.now.tokens + slices.before.tokens * weight,
        }
    }

    /// When anything was asked or used for the last time.
    pub fn last(&self) -> Option<Instant> {
        self.0.lock().last
    }
}

impl Slices {
    fn turn(&mut self, now: Instant) {
        let Some(began) = self.began else {
            self.began = Some(now);
            return;
        };
        let passed = now.saturating_duration_since(began);
        if passed < MINUTE {
            return;
        }
        self.before = match passed < MINUTE * 2 {
            true => self.now,
            false => Counts::default(),
        };
        self.now = Counts::default();
        self.began = match passed < MINUTE * 2 {
            true => Some(began + MINUTE),
            false => Some(now),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_fades_within_two_minutes() {
        let (minute, now) = (Minute::default(), Instant::now());
        assert_eq!(minute.counts(now), Counts::default());
        assert_eq!(minute.last(), None);
        minute.add(10.0, 100.0, now);
        assert_eq!(minute.last(), Some(now));
        assert!((minute.counts(now).requests - 10.0).abs() < 1e-9);
        let counts = minute.counts(now + Duration::from_secs(90));
        assert!((counts.tokens - 50.0).abs() < 1.0, "{counts:?}");
        assert_eq!(minute.counts(now + MINUTE * 3), Counts::default());
    }
}
