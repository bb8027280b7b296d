//! What a replica may use of a limit that it shares with others, without asking again: its lease. [`super::fleet`]
//! asks Redis for leases, and this is what it knows of one.

use super::rate::Rate;

/// How long a refusal by Redis holds. Asking more often would be a call for nearly every request where a limit is
/// used up, and the replicas would be no fairer to each other.
pub(super) const PAUSE: u64 = 500_000_000;
/// A lease is made for so long, as far as recent use says.
pub(super) const HORIZON_SECONDS: f64 = 4.0;
/// A lease that nobody used for so long is given back.
pub(super) const IDLE: u64 = 2_000_000_000;
/// The shortest time from which recent use is told.
const SHORTEST: u64 = 100_000_000;

/// The lease of one limit. Amounts are requests, tokens or billionths of a dollar.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lease {
    /// Of a rate: what may still be used. Of requests at once and of budgets: what may be in use in all.
    pub granted: i64,
    /// What Redis had left for everyone, the last time that it was asked.
    pub known: i64,
    /// When that was; 0 for never.
    pub asked_at: u64,
    /// When it granted something last.
    pub grown_at: u64,
    /// No earlier than then it is asked again: it had too little.
    pub pause_until: u64,
    /// When it would have something for whoever asked for least, as it said then.
    pub ready_at: u64,
    /// What the requests want that wait for an answer.
    pub need: i64,
    /// What one of them wants.
    pub one: i64,
    /// What has been used since it was asked.
    pub used: i64,
    /// When something was used last.
    pub used_at: u64,
    /// What is used in a second, about.
    pub demand: f64,
    /// What the last answer made it.
    pub size: i64,
}

impl Lease {
    /// Counts what a request uses.
    pub fn count(&mut self, amount: i64, now: u64) {
        self.used = self.used.saturating_add(amount.max(1));
        self.used_at = self.used_at.max(now);
    }

    /// A request waits for that much.
    pub fn want(&mut self, amount: i64) {
        self.need = self.need.saturating_add(amount);
        self.one = match self.one {
            0 => amount,
            one => one.min(amount),
        };
    }

    /// What should be leased beside what is needed at once.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "an estimate"
    )]
    pub fn wish(&mut self, now: u64) -> i64 {
        if self.asked_at != 0 {
            let passed = now.saturating_sub(self.asked_at).max(SHORTEST);
            let recent = self.used as f64 * 1e9 / passed as f64;
            self.demand = match recent > self.demand {
                true => recent,
                false => (self.demand + recent) / 2.0,
            };
        }
        (self.demand * HORIZON_SECONDS) as i64
    }

    /// Whether it is time to ask for more, before anybody has to wait: half of the lease is gone.
    pub fn is_low(&self, left: i64, now: u64) -> bool {
        self.size >= 4 && left < self.size / 2 && now >= self.pause_until
    }

    /// Whether what is left of it is of no use: nobody has used any of it for a while, be it that nobody asks or that
    /// all ask for more. Others may make something of it.
    pub fn is_idle(&self, now: u64) -> bool {
        now.saturating_sub(self.used_at.max(self.grown_at)) > IDLE
    }

    /// The nanoseconds until Redis would have so much for this replica, as far as is known and if nobody else asks.
    pub fn wait(&self, rate: &Rate, amount: i64, now: u64) -> u64 {
        let lacking = amount
            .saturating_sub(self.granted)
            .saturating_sub(self.known);
        let span = u128::try_from(lacking.max(0)).unwrap_or(0) * u128::from(rate.window);
        let span = span.div_ceil(u128::from(rate.limit.max(1)));
        let ready = self
            .asked_at
            .saturating_add(u64::try_from(span).unwrap_or(u64::MAX));
        ready
            .max(self.pause_until)
            .max(self.ready_at)
            .saturating_sub(now)
    }
}
