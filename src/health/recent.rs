//! The times of a target's last answers, for the one that nearly all of them keep.

use std::time::Duration;

use parking_lot::Mutex;

/// How many are remembered.
const MANY: usize = 64;
/// How many say something.
const ENOUGH: usize = 16;

/// The last times.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Times>);

#[derive(Debug)]
struct Times {
    times: [Duration; MANY],
    count: usize,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            times: [Duration::ZERO; MANY],
            count: 0,
        }
    }
}

impl Recent {
    /// An answer took so long.
    pub fn add(&self, took: Duration) {
        let mut times = self.0.lock();
        let at = times.count % MANY;
        times.count = times.count.wrapping_add(1);
        if let Some(place) = times.times.get_mut(at) {
            *place = took;
        }
    }

    /// The 95th percentile; `None` while there are few.
    pub fn p95(&self) -> Option<Duration> {
        let times = self.0.lock();
        let count = times.count.min(MANY);
        if count < ENOUGH {
            return None;
        }
        let mut sorted: Vec<Duration> = times.times.iter().take(count).copied().collect();
        drop(times);
        sorted.sort_unstable();
        sorted.get(count * 95 / 100).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_answers_say_nothing_and_old_ones_are_forgotten() {
        let recent = Recent::default();
        for _ in 0..ENOUGH - 1 {
            recent.add(Duration::from_secs(9));
        }
        assert_eq!(recent.p95(), None);
        for millis in 1..=100 {
            recent.add(Duration::from_millis(millis));
        }
        let p95 = recent.p95().unwrap();
        assert!((95..=98).contains(&p95.as_millis()), "{p95:?}");
    }
}
