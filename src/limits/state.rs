//! What a subject has used of all its limits. Behind the subject's own lock, and never across an await.

use std::time::Duration;

use super::{
    lease::Lease,
    rate::{Algorithm, Counter, RATES, Rate},
    refusal::{A_MOMENT, Quota, Wait},
    spend::Spend,
    subject::{Estimate, Limit, Rules, SpendRules},
};
use crate::price::Usd;

/// Pico-dollars in a billionth of a dollar, in which budgets are leased.
const PICO: u128 = 1000;

/// Where room comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From this process alone.
    Own,
    /// From Redis, by leases.
    Leases,
    /// From the leases that are left, then from an even share of so many: Redis is away.
    Share(u64),
    /// The same for rates, and nothing else: Redis is there and did not answer in time. It is told of it later.
    Slow(u64),
    /// From the leases that are left, then not at all: Redis is away.
    Nothing,
}

/// What holds for everyone.
#[derive(Debug, Clone, Copy)]
pub(super) struct House {
    pub algorithm: Algorithm,
    pub source: Source,
}

/// What a subject has used.
#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order of [`RATES`].
    rates: [Option<Box<Counter>>; 4],
    /// What their limits were, the last time.
    seen: [u64; 4],
    /// Requests under way.
    pub parallel: u64,
    pub spend: Option<Box<Spend>>,
    /// Where limits are shared.
    pub leases: Option<Box<Leases>>,
}

/// What a replica knows of the limits that it shares.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// In the order of [`RATES`].
    pub rates: [Lease; 4],
    pub parallel: Lease,
    pub spend: Lease,
    /// What held for the subject, the last time.
    pub rules: Rules,
    /// What had been spent in this period before this process began, by the store.
    pub base: Option<Usd>,
    /// What of this process's spending Redis knows.
    pub told: Usd,
    /// What all have spent, as Redis knows.
    pub total: Usd,
    /// Whether Redis is being asked.
    pub is_asking: bool,
    /// How often it has answered.
    pub answers: u64,
    /// Whether it is looked after that nothing is leased in vain.
    pub is_looked_after: bool,
}

/// A limit that has no room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Full {
    pub quota: Quota,
    pub wait: Wait,
    pub is_away: bool,
}

/// Whether there is room.
pub(super) enum Room {
    Enough,
    Full(Full),
    /// The lease is used up: this much is to be asked for.
    Ask(i64),
}

/// What a request takes of a rate.
fn amount(limit: Limit, rate: &Rate, ask: &Estimate) -> u64 {
    match limit.counts_tokens() {
        true => rate.share(ask.input_tokens.saturating_add(ask.output_tokens)),
        false => 1,
    }
}

pub(super) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// An amount in billionths of a dollar, rounded up.
pub(super) fn nano(amount: Usd) -> i64 {
    i64::try_from(amount.pico().div_ceil(PICO)).unwrap_or(i64::MAX)
}

pub(super) fn usd(nano: i64) -> Usd {
    Usd::from_pico(u128::try_from(nano).unwrap_or(0) * PICO)
}

impl State {
    /// Looks for room in every limit of `rules`, brings counters up to `now`, and tells of each limit that has none.
    pub fn look(
        &mut self,
        house: House,
        rules: &Rules,
        ask: &Estimate,
        now: super::Now,
        mut tell: impl FnMut(Limit, Room),
    ) {
        let at = now.nanos;
        let limits = rules.rates();
        self.seen = limits.map(Option::unwrap_or_default);
        if house.source != Source::Own {
            self.leases.get_or_insert_default().rules = *rules;
        }
        let counters = self.rates.iter_mut();
        for (place, (((limit, window), max), counter)) in
            RATES.iter().zip(limits).zip(counters).enumerate()
        {
            let Some(max) = max else { continue };
            let rate = Rate {
                limit: max,
                window: *window,
                algorithm: house.algorithm,
            };
            let lease = self
                .leases
                .as_deref()
                .and_then(|leases| leases.rates.get(place));
            let room = rate_room(house, *limit, &rate, counter, lease, ask, at);
            if !matches!(room, Room::Enough) {
                tell(*limit, room);
            }
        }
        if let Some(max) = rules.parallel {
            let room = self.parallel_room(house, max, at);
            if !matches!(room, Room::Enough) {
                tell(Limit::Parallel, room);
            }
        }
        if let Some(spend) = &rules.spend {
            self.advance_spend(spend, now.wall);
            if let Some(max) = spend.max {
                let room = self.spend_room(house, max, ask, now);
                if !matches!(room, Room::Enough) {
                    tell(Limit::Budget, room);
                }
            }
        }
    }

    fn parallel_room(&self, house: House, max: u64, now: u64) -> Room {
        let lease = self.leases.as_deref().map(|leases| &leases.parallel);
        let granted = lease.map_or(0, |lease| u64::try_from(lease.granted).unwrap_or(0));
        let allowed = match house.source {
            Source::Own => max,
            Source::Leases | Source::Slow(_) | Source::Nothing => granted.min(max),
            Source::Share(replicas) => granted.max((max / replicas.max(1)).max(1)).min(max),
        };
        if self.parallel < allowed {
            return Room::Enough;
        }
        let is_paused = lease.is_some_and(|lease| now < lease.pause_until);
        let is_full = self.parallel >= max || is_paused;
        match house.source {
            Source::Leases if !is_full => Room::Ask(1),
            source => Room::Full(Full {
                quota: Quota {
                    limit: Limit::Parallel,
                    max,
                    remaining: 0,
                    reset: A_MOMENT,
                },
                wait: if max == 0 { Wait::Never } else { Wait::Ending },
                is_away: source == Source::Nothing,
            }),
        }
    }

    fn spend_room(&mut self, house: House, max: Usd, ask: &Estimate, now: super::Now) -> Room {
        let Some(spend) = self.spend.as_deref() else {
            return Room::Enough;
        };
        // The last one may go beyond what is left: a budget with anything left refuses nobody.
        let (lacks, is_final) = match (house.source, self.leases.as_deref()) {
            (Source::Own, _) | (_, None) => {
                let taken = spend.spent + spend.reserved;
                (i64::from(taken >= max), spend.spent >= max)
            }
            (source, Some(leases)) => {
                let in_use = leases.in_use(spend);
                let more = match source {
                    Source::Share(replicas) => leases.even_share(max, replicas),
                    _ => 0,
                };
                let allowed = leases.spend.granted.saturating_add(more);
                let lacks = in_use.saturating_add(nano(ask.cost).max(1)) - allowed;
                let is_paused = now.nanos < leases.spend.pause_until;
                match source {
                    Source::Leases if lacks > 0 && !is_paused => {
                        return Room::Ask(nano(ask.cost).max(1));
                    }
                    // What is left beyond the lease is too little for this one, and it is the last.
                    Source::Share(_) if lacks > 0 && in_use < allowed => (0, false),
                    _ => (
                        lacks,
                        leases.total + spend.spent.saturating_sub(leases.told) >= max,
                    ),
                }
            }
        };
        if lacks <= 0 {
            return Room::Enough;
        }
        let left = spend
            .end
            .and_then(|end| u64::try_from(end.saturating_sub(now.wall)).ok());
        let reset = left.map(Duration::from_millis);
        let wait = match (is_final, reset) {
            (false, _) if max > Usd::ZERO => Wait::Ending,
            (_, Some(left)) if max > Usd::ZERO => Wait::After(left),
            _ => Wait::Never,
        };
        Room::Full(Full {
            quota: Quota {
                limit: Limit::Budget,
                max: u64::try_from(nano(max)).unwrap_or(0),
                remaining: 0,
                reset: reset.unwrap_or_default(),
            },
            wait,
            is_away: house.source == Source::Nothing && !is_final,
        })
    }

    /// Limits are shared through another Redis from now on, or no longer: what was leased is nothing any more, and
    /// what has been spent is all that this process knows of.
    pub fn move_to(&mut self, is_shared: bool) {
        let total = self.spent().map(|(total, _)| total);
        if let Some(leases) = self.leases.as_deref_mut() {
            *leases = Leases {
                rules: leases.rules,
                answers: leases.answers + 1,
                ..Leases::default()
            };
        }
        let (Some(spend), Some(total)) = (self.spend.as_deref_mut(), total) else {
            return;
        };
        spend.spent = if is_shared { Usd::ZERO } else { total };
        if is_shared {
            self.leases.get_or_insert_default().base = Some(total);
        }
    }

    /// So much has been spent in this period, says an operator.
    pub fn set_spent(&mut self, amount: Usd) {
        if let Some(spend) = &mut self.spend {
            spend.spent = amount;
            spend.told = 0;
        }
    }

    /// Begins the budget's period anew where it has ended.
    pub fn advance_spend(&mut self, rules: &SpendRules, wall: i64) {
        let spend = self.spend.get_or_insert_default();
        if spend.advance(rules, wall)
            && let Some(leases) = &mut self.leases
        {
            leases.begin_period();
        }
    }

    /// Takes what a request asks for. There is room: somebody has just looked.
    pub fn take(
        &mut self,
        house: House,
        rules: &Rules,
        ask: &Estimate,
        now: u64,
        mut see: impl FnMut(Quota),
    ) {
        let mut leases = self.leases.as_deref_mut();
        let counters = self.rates.iter_mut();
        for (place, (((limit, window), max), counter)) in
            RATES.iter().zip(rules.rates()).zip(counters).enumerate()
        {
            let Some(max) = max else { continue };
            let rate = Rate {
                limit: max,
                window: *window,
                algorithm: house.algorithm,
            };
            let amount = amount(*limit, &rate, ask);
            let lease = leases
                .as_deref_mut()
                .and_then(|leases| leases.rates.get_mut(place));
            let part = rate.part(house.source);
            if let (Some(lease), true) = (lease, house.source != Source::Own) {
                lease.count(signed(amount), now);
                if lease.granted >= signed(amount) {
                    lease.granted -= signed(amount);
                    see(leased(*limit, &rate, lease));
                    continue;
                }
                // Redis is told when it answers again; not of a long absence, for a limit comes back meanwhile.
                let most = signed(part.capacity().div_ceil(30));
                lease.granted = lease
                    .granted
                    .saturating_sub(signed(amount))
                    .max(-most)
                    .min(lease.granted);
            }
            let rate = part;
            if let Some(counter) = counter {
                counter.take(&rate, amount, now);
                see(quota(*limit, &rate, counter, now));
            }
        }
        if rules.parallel.is_some() {
            self.parallel += 1;
            if let Some(leases) = &mut self.leases {
                leases.parallel.count(1, now);
            }
        }
        if let (Some(_), Some(spend)) = (&rules.spend, &mut self.spend) {
            spend.reserved += ask.cost;
            if let Some(leases) = &mut self.leases {
                leases.spend.count(nano(ask.cost), now);
            }
        }
    }

    /// Ends a request that took `ask` at `taken_at`: `used` are its tokens and its cost, or `None` where nothing was
    /// used and all is given back.
    pub fn end(
        &mut self,
        house: House,
        rules: &Rules,
        ask: &Estimate,
        taken_at: u64,
        now: super::Now,
        used: Option<(u64, Usd)>,
    ) {
        let mut leases = self.leases.as_deref_mut();
        let counters = self.rates.iter_mut().zip(self.seen);
        for (place, (((limit, window), max), (counter, seen))) in
            RATES.iter().zip(rules.rates()).zip(counters).enumerate()
        {
            let Some(max) = max else { continue };
            let rate = Rate {
                limit: max,
                window: *window,
                algorithm: house.algorithm,
            };
            let taken = amount(*limit, &rate, ask);
            let used = match (used, limit.counts_tokens()) {
                (None, _) => 0,
                (Some((tokens, _)), true) => tokens,
                (Some(_), false) => taken,
            };
            if used == taken {
                continue;
            }
            let is_leased = matches!(house.source, Source::Leases | Source::Nothing);
            let lease = leases
                .as_deref_mut()
                .and_then(|leases| leases.rates.get_mut(place));
            if let (Some(lease), true) = (lease, is_leased) {
                lease.granted = lease
                    .granted
                    .saturating_add(signed(taken))
                    .saturating_sub(signed(used));
                continue;
            }
            // Another limit may hold by now.
            let limit = if seen > 0 { seen } else { max };
            let rate = Rate { limit, ..rate }.part(house.source);
            let Some(counter) = counter else { continue };
            counter.advance(&rate, now.nanos);
            match used < taken {
                true => counter.give_back(&rate, taken - used, taken_at),
                false => counter.take(&rate, used - taken, now.nanos),
            }
        }
        if rules.parallel.is_some() {
            self.parallel = self.parallel.saturating_sub(1);
        }
        if let Some(spend_rules) = &rules.spend {
            self.advance_spend(spend_rules, now.wall);
            if let Some(spend) = &mut self.spend {
                spend.reserved = spend.reserved.saturating_sub(ask.cost);
                if let Some((_, cost)) = used.filter(|(_, cost)| *cost > Usd::ZERO) {
                    spend.spent += cost;
                    spend.spent_at = now.wall;
                }
            }
        }
    }

    /// Whether forgetting it changes nothing: a new one would be the same.
    pub fn is_idle(&mut self, algorithm: Algorithm, now: super::Now) -> bool {
        let is_spent = self
            .spend
            .as_ref()
            .is_none_or(|spend| spend.is_idle(now.wall));
        if self.parallel > 0 || !is_spent {
            return false;
        }
        let counters = self.rates.iter_mut().zip(RATES).zip(self.seen);
        for ((counter, (_, window)), limit) in counters {
            let Some(counter) = counter else { continue };
            let rate = Rate {
                limit,
                window,
                algorithm,
            };
            // Whoever has no limit now and gets one later begins with a full one.
            if limit > 0 && !counter.is_full(&rate, now.nanos) {
                return false;
            }
        }
        self.leases.as_ref().is_none_or(|leases| leases.is_idle())
    }

    /// What has been spent in the current period, and when that began.
    pub fn spent(&self) -> Option<(Usd, Option<i64>)> {
        let spend = self.spend.as_deref()?;
        let others = self
            .leases
            .as_deref()
            .map_or(Usd::ZERO, |leases| leases.total.saturating_sub(leases.told));
        Some((spend.spent + others, spend.since))
    }
}

impl Rate {
    /// What of it this process has for itself.
    fn part(mut self, source: Source) -> Rate {
        if let Source::Share(replicas) | Source::Slow(replicas) = source {
            self.limit = (self.limit / replicas.max(1)).max(self.limit.min(1));
        }
        self
    }
}

fn rate_room(
    house: House,
    limit: Limit,
    rate: &Rate,
    counter: &mut Option<Box<Counter>>,
    lease: Option<&Lease>,
    ask: &Estimate,
    now: u64,
) -> Room {
    let amount = amount(limit, rate, ask);
    let full = |quota, wait, is_away| {
        Room::Full(Full {
            quota,
            wait: if rate.limit == 0 { Wait::Never } else { wait },
            is_away,
        })
    };
    if let (Some(lease), true) = (lease, house.source != Source::Own) {
        let wanted = signed(amount);
        if lease.granted >= wanted && rate.limit > 0 {
            return Room::Enough;
        }
        let quota = leased(limit, rate, lease);
        let wait = Wait::After(Duration::from_nanos(lease.wait(rate, wanted, now)));
        match house.source {
            Source::Leases if now >= lease.pause_until && rate.limit > 0 => {
                return Room::Ask(wanted);
            }
            Source::Leases => return full(quota, wait, false),
            Source::Nothing => return full(quota, Wait::After(A_MOMENT), true),
            Source::Own | Source::Share(_) | Source::Slow(_) => {}
        }
    }
    let rate = rate.part(house.source);
    let amount = rate.share(amount);
    let is_new = matches!(house.source, Source::Own);
    let counter = counter.get_or_insert_with(|| Box::new(Counter::new(&rate, now, is_new)));
    counter.advance(&rate, now);
    match counter.has(&rate, amount) && rate.limit > 0 {
        true => Room::Enough,
        false => {
            let wait = Duration::from_nanos(counter.wait(&rate, amount, now));
            full(quota(limit, &rate, counter, now), Wait::After(wait), false)
        }
    }
}

fn quota(limit: Limit, rate: &Rate, counter: &Counter, now: u64) -> Quota {
    Quota {
        limit,
        max: rate.limit,
        remaining: u64::try_from(counter.left(rate)).unwrap_or(0),
        reset: Duration::from_nanos(counter.wait(rate, rate.capacity(), now)),
    }
}

fn leased(limit: Limit, rate: &Rate, lease: &Lease) -> Quota {
    let remaining = u64::try_from(lease.known.saturating_add(lease.granted)).unwrap_or(0);
    let remaining = remaining.min(rate.capacity());
    let used = u128::from(rate.capacity() - remaining) * u128::from(rate.window);
    let reset = used.div_ceil(u128::from(rate.limit.max(1)));
    Quota {
        limit,
        max: rate.limit,
        remaining,
        reset: Duration::from_nanos(u64::try_from(reset).unwrap_or(u64::MAX)),
    }
}

impl Leases {
    /// What of the budget is in use here and not yet spent as far as Redis knows.
    pub fn in_use(&self, spend: &Spend) -> i64 {
        let unknown = spend.spent.saturating_sub(self.told);
        nano(unknown + spend.reserved)
    }

    /// What is left for this replica of what Redis had left. The others may have leased as much since then as this
    /// one did.
    fn even_share(&self, max: Usd, replicas: u64) -> i64 {
        let replicas = signed(replicas.max(1));
        let left = match self.spend.asked_at {
            0 => nano(max.saturating_sub(self.base.unwrap_or_default())),
            _ => (self.spend.known)
                .saturating_sub(self.spend.size.max(0).saturating_mul(replicas - 1)),
        };
        left.max(0) / replicas
    }

    fn begin_period(&mut self) {
        self.spend = Lease {
            demand: self.spend.demand,
            ..Lease::default()
        };
        self.base = Some(Usd::ZERO);
        self.told = Usd::ZERO;
        self.total = Usd::ZERO;
    }

    fn is_idle(&self) -> bool {
        !self.is_asking
            && self.rates.iter().all(|lease| lease.granted == 0)
            && self.parallel.granted == 0
            && self.spend.granted == 0
    }
}
