//! One target in one case and round: a slot of closed loop, and two of a fixed rate.

use std::time::Duration;

use crate::closed::closed;
use crate::kinds::Kind;
use crate::numbers::Numbers;
use crate::open::{Pace, open};
use crate::plan::Case;
use crate::process::Target;

/// Slots that the fixed rate takes: quantiles need many answers.
pub(crate) const OPEN_SLOTS: u32 = 2;

/// Measures. The upstream alone is asked for latency only.
pub(crate) fn measure(
    target: &Target,
    case: &Case,
    agent: bool,
    slot: Duration,
    notes: &mut Vec<String>,
) -> Numbers {
    let mut numbers = Numbers::default();
    if target.kind != Kind::Upstream {
        in_closed_loop(target, case, agent, slot, &mut numbers, notes);
    }
    let pace = Pace {
        connections: 16,
        rate: case.rate(),
        duration: slot * OPEN_SLOTS,
        events: case.is_streamed(),
    };
    let request = case.request(target.kind, agent);
    let open = open(target.address, &request, &pace, || {
        target.settled_cpu_seconds()
    });
    if open.errors > 0 {
        notes.push(format!(
            "{}, {case}: {} connections failed at {} requests a second.",
            target.name(),
            open.errors,
            pace.rate
        ));
    }
    numbers.set_open(open, target.kind.repeats());
    numbers
}

fn in_closed_loop(
    target: &Target,
    case: &Case,
    agent: bool,
    slot: Duration,
    numbers: &mut Numbers,
    notes: &mut Vec<String>,
) {
    let request = case.request(target.kind, agent);
    let cpu = || target.settled_cpu_seconds();
    let closed = closed(target.address, &request, case.connections(), slot, cpu);
    if closed.requests > 0 {
        let requests = closed.requests as f64;
        numbers.closed_cpu_us = Some(closed.cpu_seconds / requests * 1e6);
        numbers.rps = Some(requests / closed.seconds);
    }
    if let Some(error) = closed.first_error {
        notes.push(format!(
            "{}, {case}: {} connections failed ({}).",
            target.name(),
            closed.errors,
            error.lines().next().unwrap_or_default()
        ));
    }
}
