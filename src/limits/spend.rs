//! What a subject has spent in the current period of its budget, and what requests under way may yet spend.

use super::subject::SpendRules;
use crate::{identity::period::Period, price::Usd};

/// Steps of a period that are made at once: months and years that have passed unseen.
const STEPS: usize = 1 << 12;
/// No month is shorter, in milliseconds.
const SHORT: i64 = 28 * 86_400_000;

/// What was spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Spend {
    /// When the current period began, in milliseconds since 1970.
    pub since: Option<i64>,
    /// When it ends.
    pub end: Option<i64>,
    period: Option<Period>,
    /// In the current period.
    pub spent: Usd,
    /// When something was spent here last, in milliseconds since 1970.
    pub spent_at: i64,
    /// By requests under way, at most.
    pub reserved: Usd,
    /// Which thresholds have been told of in this period, a bit each.
    pub told: u32,
}

impl Spend {
    /// The current period began then.
    pub fn begin(&mut self, since: i64) {
        if self.since != Some(since) {
            self.since = Some(since);
            // Worked out when its rules are seen.
            self.period = None;
            self.end = None;
            self.told = 0;
        }
    }

    /// Begins the period anew where it has ended, and says whether it did.
    pub fn advance(&mut self, rules: &SpendRules, now: i64) -> bool {
        if self.period != rules.period || self.since.is_none() {
            let since = self.since.or(rules.since).unwrap_or(now);
            self.since = Some(since);
            self.period = rules.period;
            self.end = rules.period.map(|period| period.end(since));
        }
        let (Some(period), Some(end)) = (self.period, self.end) else {
            return false;
        };
        if now < end {
            return false;
        }
        let since = begin(period, end, now);
        self.since = Some(since);
        self.end = Some(period.end(since));
        self.spent = Usd::ZERO;
        self.told = 0;
        true
    }

    /// Whether nothing of it has to be remembered.
    pub fn is_idle(&self, now: i64) -> bool {
        let is_over = self.end.is_some_and(|end| end <= now);
        self.reserved == Usd::ZERO && (self.spent == Usd::ZERO || is_over)
    }
}

impl SpendRules {
    /// When the period began in which `now` lies, and when it ends; `None` where it never does.
    pub fn period_at(&self, now: i64) -> (i64, Option<i64>) {
        let mut spend = Spend::default();
        spend.advance(self, now);
        (spend.since.unwrap_or_default(), spend.end)
    }
}

/// When the period began in which `now` lies, where one ended at `end`.
pub(super) fn begin(period: Period, end: i64, now: i64) -> i64 {
    let mut since = end;
    // Short ones are of a fixed length, and all that have passed are skipped at once.
    let span = period.end(0);
    if span > 0 && span < SHORT {
        since += (now - since).max(0) / span * span;
    }
    for _ in 0..STEPS {
        let end = period.end(since);
        if end > now {
            break;
        }
        since = end;
    }
    since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(period: &str, since: i64) -> SpendRules {
        SpendRules {
            max: Some(Usd::from_pico(10)),
            soft: None,
            period: Some(period.parse().unwrap()),
            since: Some(since),
        }
    }

    #[test]
    fn a_period_ends_where_it_should_however_many_have_passed_unseen() {
        let mut spend = Spend::default();
        let rules = rules("30s", 1000);
        assert!(!spend.advance(&rules, 1000));
        spend.spent = Usd::from_pico(3);
        assert!(!spend.advance(&rules, 30_999));
        assert_eq!(spend.spent, Usd::from_pico(3));
        assert!(spend.advance(&rules, 31_000));
        assert_eq!((spend.spent, spend.since), (Usd::ZERO, Some(31_000)));
        let years = 1000 + 30_000 * 10_000_000;
        assert!(spend.advance(&rules, years + 7));
        assert_eq!(spend.since, Some(years));
    }

    #[test]
    fn months_end_by_the_calendar() {
        let day = 86_400_000;
        let mut spend = Spend::default();
        // From the first of January 2026: 20,454 days since 1970.
        let rules = rules("1mo", 20_454 * day);
        spend.advance(&rules, 20_454 * day);
        assert_eq!(spend.end, Some((20_454 + 31) * day));
        assert!(spend.advance(&rules, (20_454 + 31 + 28) * day));
        assert_eq!(spend.end, Some((20_454 + 31 + 28 + 31) * day));
    }

    #[test]
    fn requests_under_way_outlive_their_period() {
        let mut spend = Spend::default();
        let rules = rules("30s", 0);
        spend.advance(&rules, 0);
        spend.reserved = Usd::from_pico(4);
        assert!(spend.advance(&rules, 30_000));
        assert_eq!(spend.reserved, Usd::from_pico(4));
    }
}
