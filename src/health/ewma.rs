//! How long a target takes to answer, as a peak-sensitive moving average: one slow answer counts at once,
//! and is forgotten as time passes. Source: Twitter Finagle's `PeakEwma`.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How fast the past is forgotten.
const DECAY: Duration = Duration::from_secs(10);

/// The average of one target.
#[derive(Debug, Default)]
pub struct PeakEwma(Mutex<Option<Sample>>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    seconds: f64,
}

impl PeakEwma {
    /// An answer took so long.
    pub fn add(&self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let mut last = self.0.lock();
        let seconds = match *last {
            Some(sample) if took < sample.seconds => {
                let kept = remaining(sample.at, now);
                sample.seconds * kept + took * (1.0 - kept)
            }
            _ => took,
        };
        *last = Some(Sample { at: now, seconds });
    }

    /// The average as it was at the last answer; none before the first.
    pub fn last(&self) -> Option<Duration> {
        let seconds = self.0.lock().map(|sample| sample.seconds)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Seconds that an answer takes now, about; 0 where nothing is known, so that a target that has not
    /// been asked is.
    pub fn seconds(&self, now: Instant) -> f64 {
        let last = *self.0.lock();
        last.map_or(0.0, |sample| sample.seconds * remaining(sample.at, now))
    }
}

fn remaining(since: Instant, now: Instant) -> f64 {
    let passed = now.saturating_duration_since(since).as_secs_f64();
    (-passed / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let (ewma, now) = (PeakEwma::default(), Instant::now());
        assert!(ewma.seconds(now) == 0.0 && ewma.last().is_none());
        ewma.add(Duration::from_millis(100), now);
        ewma.add(Duration::from_secs(2), now);
        assert!((ewma.seconds(now) - 2.0).abs() < 1e-9);
        let later = now + Duration::from_secs(1);
        ewma.add(Duration::from_millis(100), later);
        let seconds = ewma.seconds(later);
        assert!((1.5..2.0).contains(&seconds), "{seconds}");
        assert!(ewma.seconds(later + Duration::from_secs(100)) < 0.01);
        assert!(ewma.last().unwrap() > Duration::from_secs(1));
    }
}
