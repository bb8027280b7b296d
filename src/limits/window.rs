//! A window that slides, in sixtieths: what was used in one counts until every moment of it is a window ago. So no
//! window anywhere sees more than its limit, and what was used is free again a sixtieth of a window late at most.

use std::collections::VecDeque;

const SLOTS: u64 = 60;

/// What was used in the last window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// How long a slot is, in nanoseconds.
    width: u64,
    /// Slots in which something was used, the oldest first.
    used: VecDeque<(u64, u64)>,
    total: u64,
}

impl Window {
    pub fn new(window: u64, now: u64, used: u64) -> Self {
        let mut new = Window {
            width: (window / SLOTS).max(1),
            used: VecDeque::new(),
            total: 0,
        };
        if used > 0 {
            new.take(used, now);
        }
        new
    }

    /// Forgets what is long enough ago.
    pub fn advance(&mut self, now: u64) {
        while let Some((slot, count)) = self.used.front().copied()
            && self.end(slot) <= now
        {
            self.total = self.total.saturating_sub(count);
            self.used.pop_front();
        }
    }

    /// When a slot counts no longer.
    fn end(&self, slot: u64) -> u64 {
        (slot + 1 + SLOTS) * self.width
    }

    pub fn left(&self, limit: u64) -> i64 {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        limit.saturating_sub(i64::try_from(self.total).unwrap_or(i64::MAX))
    }

    pub fn wait(&self, limit: u64, amount: u64, now: u64) -> u64 {
        let mut over = (self.total.saturating_add(amount)).saturating_sub(limit);
        for (slot, count) in &self.used {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(*count);
            if over == 0 {
                return self.end(*slot).saturating_sub(now);
            }
        }
        match over {
            0 => 0,
            _ => u64::MAX,
        }
    }

    pub fn take(&mut self, amount: u64, now: u64) {
        // A request may have read the clock before the newest slot began: it counts there.
        let slot = now / self.width;
        match self.used.back_mut() {
            Some((last, count)) if *last >= slot => *count = count.saturating_add(amount),
            _ if amount > 0 => self.used.push_back((slot, amount)),
            _ => {}
        }
        self.total = self.total.saturating_add(amount);
    }

    /// Gives back what was taken in that slot, as far as it still counts; what counted in a later slot is found there.
    pub fn give_back(&mut self, amount: u64, taken_at: u64) {
        let slot = taken_at / self.width;
        let mut left = amount;
        for (at, count) in &mut self.used {
            if *at >= slot && left > 0 {
                let taken = left.min(*count);
                *count -= taken;
                left -= taken;
                self.total = self.total.saturating_sub(taken);
            }
            // What it took cannot be in a slot much later than that.
            if *at > slot + 1 {
                break;
            }
        }
        self.used.retain(|(_, count)| *count > 0);
    }

    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}
