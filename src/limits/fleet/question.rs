//! What a replica asks of one subject's limits, and what it makes of the answer.

use redis::Value;

use super::super::{
    Now,
    lease::Lease,
    rate::{Algorithm, RATES, Rate},
    state::{Leases, State, nano, signed, usd},
    subject::Limit,
};
use crate::price::Usd;

/// Numbers of an answer for one limit.
const NUMBERS: usize = 8;

/// What was asked of one limit, as far as the answer needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    limit: Limit,
    /// What of the lease was given back, or used beyond it.
    debt: i64,
    /// What had been spent.
    spent: Usd,
    /// In which period.
    since: Option<i64>,
}

/// Asks for what requests wait for, gives back what nobody uses, and tells what was spent.
pub(super) fn ask(state: &mut State, algorithm: Algorithm, now: Now) -> (Vec<Asked>, Vec<String>) {
    let mut asked = Vec::new();
    let mut arguments = Vec::new();
    let parallel = signed(state.parallel);
    let spend = state.spend.as_deref();
    let Some(leases) = state.leases.as_deref_mut() else {
        return (asked, arguments);
    };
    let rules = leases.rules;
    let in_use = spend.map_or(0, |spend| leases.in_use(spend));
    let rates = leases.rates.iter_mut().zip(RATES).zip(rules.rates());
    for ((lease, (limit, window)), max) in rates {
        let Some(max) = max else { continue };
        let rate = Rate {
            limit: max,
            window,
            algorithm,
        };
        let wish = lease.wish(now.nanos);
        // Whatever is idle goes back; whatever was used beyond the lease is told.
        let debt = match lease.is_idle(now.nanos) {
            true => -lease.granted,
            false => (-lease.granted).max(0),
        };
        let kept = match debt < 0 {
            true => 0,
            false => lease.granted.max(0),
        };
        let need = (lease.need - kept).max(0);
        let kind = match algorithm {
            Algorithm::TokenBucket(_) => "b",
            Algorithm::SlidingWindow => "w",
        };
        // As much again as is needed at once: more requests come while these wait.
        let wish = match debt < 0 {
            true => 0,
            false => wish.max(need) - lease.granted.max(0),
        };
        let numbers = [
            signed(max),
            signed(window / 1000),
            signed(rate.capacity()),
            debt,
            need,
            // What the one that wants least lacks.
            (lease.one - kept).max(1),
            wish.max(0),
        ];
        push(&mut arguments, limit, kind, numbers, "0".to_owned());
        asked.push(Asked {
            limit,
            debt,
            spent: Usd::ZERO,
            since: None,
        });
        lease.sent();
    }
    if let Some(max) = rules.parallel {
        let lease = &mut leases.parallel;
        lease.wish(now.nanos);
        let numbers = hold(lease, signed(max), parallel, 0, parallel / 2 + 2, now.nanos);
        push(
            &mut arguments,
            Limit::Parallel,
            "h",
            numbers.0,
            numbers.1.to_string(),
        );
        asked.push(Asked {
            limit: Limit::Parallel,
            debt: 0,
            spent: Usd::ZERO,
            since: None,
        });
        lease.sent();
    }
    if let (Some(max), Some(spend)) = (rules.max(), spend) {
        let lease = &mut leases.spend;
        let wish = lease.wish(now.nanos);
        let untold = in_use - nano(spend.reserved);
        let numbers = hold(lease, nano(max), in_use, untold, wish, now.nanos);
        let base = leases.base.map_or(-1, nano);
        let (since, end) = (spend.since.unwrap_or(0), spend.end.unwrap_or(0));
        let extra = format!(
            "{} {} {base} {since} {end}",
            numbers.1.max(0),
            nano(spend.spent)
        );
        push(&mut arguments, Limit::Budget, "s", numbers.0, extra);
        asked.push(Asked {
            limit: Limit::Budget,
            debt: 0,
            spent: spend.spent,
            since: spend.since,
        });
        lease.sent();
    }
    (asked, arguments)
}

/// What is asked of a limit of which a share is held, and what is held of it once `told` has been told. It becomes
/// less where nobody uses it, or where it is too little for all who wait: others may make something of it. That is
/// before Redis is told, for requests go on while it is asked.
fn hold(
    lease: &mut Lease,
    max: i64,
    in_use: i64,
    told: i64,
    wish: i64,
    now: u64,
) -> ([i64; 7], i64) {
    let is_idle = lease.is_idle(now);
    let left = lease.granted.saturating_sub(in_use);
    let is_too_little = lease.need > 0 && left < lease.one;
    lease.granted = match is_idle || is_too_little {
        true => in_use,
        false => lease.granted.max(in_use),
    };
    let wanted = in_use.saturating_add(lease.need) - lease.granted;
    let wish = match is_idle {
        true => 0,
        false => (wish.max(lease.need) + wanted.min(0)).max(0),
    };
    let numbers = [max, 0, 0, 0, wanted.max(0), lease.one.max(1), wish];
    (numbers, lease.granted - told)
}

fn push(arguments: &mut Vec<String>, limit: Limit, kind: &str, numbers: [i64; 7], extra: String) {
    arguments.push(limit.name().to_owned());
    arguments.push(kind.to_owned());
    arguments.extend(numbers.iter().map(ToString::to_string));
    arguments.push(extra);
}

/// Takes the answer in. `None` where it is none.
pub(super) fn take(state: &mut State, asked: &[Asked], answer: &Value, now: Now) -> Option<()> {
    let Value::Array(numbers) = answer else {
        return None;
    };
    if numbers.len() != asked.len() * NUMBERS {
        return None;
    }
    for (asked, numbers) in asked.iter().zip(numbers.chunks(NUMBERS)) {
        let mut all = [0_i64; NUMBERS];
        for (place, number) in all.iter_mut().zip(numbers) {
            let Value::Int(number) = number else {
                return None;
            };
            *place = *number;
        }
        let [granted, left, short, wait, total, since, until, stale] = all;
        if asked.limit == Limit::Budget {
            spend(state, asked, [total, since, until, stale]);
        }
        let (parallel, in_use) = (signed(state.parallel), {
            let leases = state.leases.as_deref()?;
            let spend = state.spend.as_deref();
            spend.map_or(0, |spend| leases.in_use(spend))
        });
        let leases = state.leases.as_deref_mut()?;
        let lease = leases.of(asked.limit)?;
        let size = match asked.limit {
            Limit::Parallel => granted - parallel,
            Limit::Budget => granted - in_use,
            _ => lease.granted.saturating_add(asked.debt) + granted,
        };
        let (before, after) = match asked.limit {
            Limit::Parallel | Limit::Budget => (lease.granted, granted),
            _ => (lease.granted.saturating_add(asked.debt), size),
        };
        if after > before {
            lease.grown_at = now.nanos;
        }
        lease.granted = after;
        lease.size = size;
        lease.heard(left, short != 0, wait, now.nanos);
    }
    Some(())
}

fn spend(state: &mut State, asked: &Asked, [total, since, until, stale]: [i64; 4]) {
    let (Some(spend), Some(leases)) = (state.spend.as_deref_mut(), state.leases.as_deref_mut())
    else {
        return;
    };
    // Where the period ended meanwhile, the answer is about the one before.
    if spend.since != asked.since {
        return;
    }
    leases.total = usd(total);
    leases.told = asked.spent;
    if since > 0 {
        spend.since = Some(since);
        spend.end = (until > 0).then_some(until);
    }
    if stale != 0 {
        spend.spent = spend.spent.saturating_sub(asked.spent);
        leases.told = Usd::ZERO;
        leases.base = Some(Usd::ZERO);
        spend.told = 0;
    }
}

impl Lease {
    /// What requests wait for has been asked for.
    fn sent(&mut self) {
        self.need = 0;
        self.one = 0;
        self.used = 0;
    }

    fn heard(&mut self, left: i64, is_short: bool, wait_micros: i64, now: u64) {
        self.known = left;
        self.asked_at = now;
        let wait = u64::try_from(wait_micros).unwrap_or(0).saturating_mul(1000);
        self.ready_at = now.saturating_add(wait);
        self.pause_until = match is_short {
            true => now.saturating_add(super::super::lease::PAUSE),
            false => 0,
        };
    }
}

impl Leases {
    /// The lease of one limit.
    pub fn of(&mut self, limit: Limit) -> Option<&mut Lease> {
        match limit {
            Limit::Parallel => Some(&mut self.parallel),
            Limit::Budget => Some(&mut self.spend),
            rate => {
                let place = RATES.iter().position(|(other, _)| *other == rate)?;
                self.rates.get_mut(place)
            }
        }
    }
}
