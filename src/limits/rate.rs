//! One rate of one subject: a token bucket, or a window that slides. Both count in whole numbers, so that what
//! they let through and the waits that they tell are exact.

use super::{subject::Limit, window::Window};

const SECOND: u64 = 1_000_000_000;
/// A minute in nanoseconds.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// A day in nanoseconds.
pub(super) const DAY: u64 = 86_400 * SECOND;

/// The rates, each with its window.
pub(super) const RATES: [(Limit, u64); 4] = [
    (Limit::RequestsPerMinute, MINUTE),
    (Limit::TokensPerMinute, MINUTE),
    (Limit::RequestsPerDay, DAY),
    (Limit::TokensPerDay, DAY),
];

/// How rates are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    /// A bucket that fills steadily. It holds this part of a window's limit, in thousandths.
    TokenBucket(u32),
    /// No more than the limit in any window.
    SlidingWindow,
}

/// What holds for one rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// In a window.
    pub limit: u64,
    /// In nanoseconds.
    pub window: u64,
    pub algorithm: Algorithm,
}

impl Rate {
    /// What may be used at once.
    pub fn capacity(&self) -> u64 {
        match self.algorithm {
            Algorithm::TokenBucket(thousandths) => {
                let part = u128::from(self.limit) * u128::from(thousandths) / 1000;
                let part = u64::try_from(part).unwrap_or(u64::MAX);
                part.max(1).min(self.limit.max(part))
            }
            Algorithm::SlidingWindow => self.limit,
        }
    }

    /// What a request takes of it: no more than there ever is, so that a long one waits for a full bucket and not
    /// for ever; what it used beyond that is taken afterwards.
    pub fn share(&self, amount: u64) -> u64 {
        amount.min(self.capacity())
    }
}

/// What has been used of one rate.
#[derive(Debug, Clone)]
pub(super) enum Counter {
    Bucket(Bucket),
    Window(Window),
}

/// A bucket. What is in it is counted in tokens times nanoseconds of the window, so that it fills by `limit` each
/// nanosecond.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    credit: i128,
    at: u64,
}

impl Counter {
    /// One of which nothing has been used; or, where others may have used it, all but a sixtieth.
    pub fn new(rate: &Rate, now: u64, is_full: bool) -> Self {
        let used = match is_full {
            true => 0,
            false => rate.capacity() - rate.capacity().div_ceil(60),
        };
        match rate.algorithm {
            Algorithm::TokenBucket(_) => Counter::Bucket(Bucket {
                credit: whole(rate.capacity() - used, rate.window),
                at: now,
            }),
            Algorithm::SlidingWindow => Counter::Window(Window::new(rate.window, now, used)),
        }
    }

    /// Brings it up to `now`; it begins anew where it was counted otherwise.
    pub fn advance(&mut self, rate: &Rate, now: u64) {
        match (&mut *self, rate.algorithm) {
            (Counter::Bucket(bucket), Algorithm::TokenBucket(_)) => bucket.fill(rate, now),
            (Counter::Window(window), Algorithm::SlidingWindow) => window.advance(now),
            _ => *self = Counter::new(rate, now, true),
        }
    }

    /// How much is left; less than nothing where more was used than asked for.
    pub fn left(&self, rate: &Rate) -> i64 {
        match self {
            Counter::Bucket(bucket) => {
                let window = rate.window;
                match u64::try_from(bucket.credit) {
                    Ok(credit) => i64::try_from(credit / window).unwrap_or(i64::MAX),
                    Err(_) => i64::try_from(bucket.credit.div_euclid(i128::from(window)))
                        .unwrap_or(if bucket.credit < 0 {
                            i64::MIN
                        } else {
                            i64::MAX
                        }),
                }
            }
            Counter::Window(window) => window.left(rate.limit),
        }
    }

    /// Whether so much is left.
    pub fn has(&self, rate: &Rate, amount: u64) -> bool {
        match self {
            Counter::Bucket(bucket) => bucket.credit >= whole(amount, rate.window),
            Counter::Window(window) => {
                window.left(rate.limit) >= i64::try_from(amount).unwrap_or(i64::MAX)
            }
        }
    }

    /// The nanoseconds until so much is left, if nothing is taken meanwhile.
    pub fn wait(&self, rate: &Rate, amount: u64, now: u64) -> u64 {
        match self {
            Counter::Bucket(bucket) => {
                let missing = whole(amount, rate.window) - bucket.credit;
                if missing <= 0 {
                    return 0;
                }
                if let Ok(missing) = u64::try_from(missing) {
                    return missing.div_ceil(rate.limit.max(1));
                }
                let limit = i128::from(rate.limit.max(1));
                let wait = missing / limit + i128::from(missing % limit != 0);
                u64::try_from(wait).unwrap_or(u64::MAX)
            }
            Counter::Window(window) => window.wait(rate.limit, amount, now),
        }
    }

    pub fn take(&mut self, rate: &Rate, amount: u64, now: u64) {
        match self {
            Counter::Bucket(bucket) => bucket.credit -= whole(amount, rate.window),
            Counter::Window(window) => window.take(amount, now),
        }
    }

    /// Gives back what was taken at that time.
    pub fn give_back(&mut self, rate: &Rate, amount: u64, taken_at: u64) {
        match self {
            Counter::Bucket(bucket) => {
                let full = whole(rate.capacity(), rate.window);
                bucket.credit = (bucket.credit + whole(amount, rate.window)).min(full);
            }
            Counter::Window(window) => window.give_back(amount, taken_at),
        }
    }

    /// Whether forgetting it changes nothing: a new one would be the same.
    pub fn is_full(&mut self, rate: &Rate, now: u64) -> bool {
        self.advance(rate, now);
        match self {
            Counter::Bucket(bucket) => bucket.credit >= whole(rate.capacity(), rate.window),
            Counter::Window(window) => window.is_empty(),
        }
    }
}

impl Bucket {
    fn fill(&mut self, rate: &Rate, now: u64) {
        // Requests read the clock before they get here, so that time may seem to go back a little.
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let gained = match passed.checked_mul(rate.limit) {
            Some(gained) => i128::from(gained),
            None => i128::from(passed) * i128::from(rate.limit),
        };
        let full = whole(rate.capacity(), rate.window);
        self.credit = self.credit.saturating_add(gained).min(full);
    }
}

fn whole(amount: u64, window: u64) -> i128 {
    match amount.checked_mul(window) {
        Some(whole) => i128::from(whole),
        None => i128::from(amount) * i128::from(window),
    }
}

#[cfg(test)]
mod tests;
