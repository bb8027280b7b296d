//! The time of a request, read once.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// What counters of rates begin at, so that there is a time before them.
const EPOCH: u64 = 1 << 50;

/// A time, by two clocks: one that never jumps, for rates, and the calendar's, for budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds of the process's own clock.
    pub nanos: u64,
    /// Milliseconds since 1970.
    pub wall: i64,
}

impl Now {
    /// This moment.
    pub fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            nanos: EPOCH + u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX / 2),
            wall: since.map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }),
        }
    }

    /// So much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Now {
            nanos: self
                .nanos
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
            wall: self
                .wall
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}
