//! May this request proceed? Rates, requests at once and budgets, for keys, users, teams, projects, tags, models,
//! providers and everything.
//!
//! One door: [`Limits::admit`]. All of a request's subjects are asked at once, behind their own small locks, in one
//! order, so that either all of them have room and all are taken, or none is. What comes out is an [`Admission`],
//! which gives everything back when it is dropped, unless it was settled.
//!
//! Replicas share limits through Redis by leases ([`fleet`]). [`edge`] guards what comes before a key is known.

mod admission;
mod alerts;
mod configured;
pub mod edge;
pub mod fleet;
pub mod headers;
mod lease;
mod meters;
mod now;
mod rate;
mod refusal;
mod settings;
mod spend;
mod state;
pub mod subject;
mod table;
mod window;

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::MutexGuard;
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::{price::Usd, telemetry::metrics::limits::LimitMetrics};
use admission::{Held, USUAL};
use fleet::Fleet;
use meters::Meters;
use state::{Full, House, Room, Source, State};
use subject::{Estimate, Kind, Limit, Subject};

pub use admission::Admission;
pub use alerts::{Alert, Alerts, Delivery, Post, Webhook};
pub use meters::Meter;
pub use now::Now;
pub use rate::Algorithm;
pub use refusal::{Quota, Refusal, Standing, Wait};
pub use settings::{Settings, WhileAway};
pub use table::Table;

/// How often a request asks Redis before it takes it for away.
const ATTEMPTS: usize = 20;
/// How often idle meters are looked for, and how much of them is looked through then.
const TIDY: Duration = Duration::from_millis(250);
const TIDY_PARTS: usize = 8;
/// So long the store may not have heard of what was spent here, in milliseconds.
const UNHEARD: i64 = 15_000;

/// All limits of the process. It lives as long as that.
pub struct Limits {
    meters: Meters,
    settings: ArcSwap<Settings>,
    fleet: ArcSwapOption<Fleet>,
    /// Another fleet is to be kept up.
    is_changed: Notify,
    alerts: Alerts,
    metrics: LimitMetrics,
}

/// How a look at all limits ended.
enum Looked {
    Admitted(Admission),
    Refused(Box<Refusal>),
    /// These wait for Redis; each has answered so often before.
    Asked(SmallVec<[(Arc<Meter>, u64); 4]>),
}

impl Limits {
    /// Limits that are not shared with anyone.
    pub fn leak(settings: Settings, metrics: LimitMetrics) -> &'static Self {
        Box::leak(Box::new(Limits {
            meters: Meters::new(),
            alerts: Alerts::new(&settings),
            settings: ArcSwap::from_pointee(settings),
            fleet: ArcSwapOption::empty(),
            is_changed: Notify::new(),
            metrics,
        }))
    }

    /// These settings hold from now on.
    pub fn apply(&self, settings: Settings) {
        self.alerts.apply(&settings);
        self.settings.store(Arc::new(settings));
    }

    /// Limits are shared through this from now on, or no longer.
    pub fn share(&self, fleet: Option<Arc<Fleet>>) {
        let is_shared = fleet.is_some();
        self.fleet.store(fleet);
        self.meters.every(|meter| {
            meter.state.lock().move_to(is_shared);
            meter.answered.notify_waiters();
        });
        self.is_changed.notify_one();
    }

    /// Takes all that a request asks for from all its subjects, or nothing. Waits for nothing but Redis, and for that
    /// only where a lease is used up and not longer than the settings say.
    ///
    /// # Errors
    /// Which limit has no room, and when it will.
    pub async fn admit(
        &'static self,
        subjects: &[Subject<'_>],
        ask: &Estimate,
        now: Now,
    ) -> Result<Admission, Refusal> {
        let mut now = now;
        let mut source = self.house().source;
        let patience = self.settings.load().patience;
        let deadline = tokio::time::Instant::now() + patience;
        for attempt in 0..=ATTEMPTS {
            match self.look(subjects, ask, now, source) {
                Looked::Admitted(admission) => return Ok(admission),
                Looked::Refused(refusal) => {
                    self.metrics
                        .refused(refusal.kind.name(), refusal.quota.limit.name());
                    return Err(*refusal);
                }
                Looked::Asked(meters) => {
                    self.metrics.waits.inc();
                    let answered = tokio::time::timeout_at(deadline, fleet::answers(&meters)).await;
                    now = Now::read();
                    source = self.house().source;
                    if answered.is_err() || attempt + 1 >= ATTEMPTS {
                        source = self.source_without_redis();
                    }
                }
            }
        }
        Err(nobody_to_ask())
    }

    /// The same, as far as it can be told at once: `None` where Redis has to be waited for, which is being asked
    /// then.
    pub fn try_admit(
        &'static self,
        subjects: &[Subject<'_>],
        ask: &Estimate,
        now: Now,
    ) -> Option<Result<Admission, Refusal>> {
        match self.look(subjects, ask, now, self.house().source) {
            Looked::Admitted(admission) => Some(Ok(admission)),
            Looked::Refused(refusal) => {
                self.metrics
                    .refused(refusal.kind.name(), refusal.quota.limit.name());
                Some(Err(*refusal))
            }
            Looked::Asked(_) => None,
        }
    }

    /// The same without Redis: for callers that cannot wait, and where limits are not shared.
    ///
    /// # Errors
    /// Which limit has no room, and when it will.
    pub fn admit_now(
        &'static self,
        subjects: &[Subject<'_>],
        ask: &Estimate,
        now: Now,
    ) -> Result<Admission, Refusal> {
        match self.look(subjects, ask, now, self.source_without_redis()) {
            Looked::Admitted(admission) => Ok(admission),
            Looked::Refused(refusal) => Err(*refusal),
            Looked::Asked(_) => Err(nobody_to_ask()),
        }
    }

    /// The meter of a subject, to be kept by whoever meets it often.
    pub fn meter(&self, kind: Kind, id: &str) -> Arc<Meter> {
        self.meters.of(kind, id)
    }

    /// What was spent since the current period began, by the store: before this process began, or what others
    /// have told it since. Where this process knows of more in the same period, that counts as long as the store
    /// may not have heard of it; later somebody has taken it back.
    pub fn restore(&self, kind: Kind, id: &str, spent: Usd, since: i64) {
        if spent == Usd::ZERO && self.meters.find(kind, id).is_none() {
            return;
        }
        let meter = self.meters.of(kind, id);
        let mut state = meter.state.lock();
        let is_shared = self.fleet.load().is_some();
        let spend = state.spend.get_or_insert_default();
        let is_later = spend.since.is_some_and(|known| known > since);
        if is_later {
            return;
        }
        let is_known = spend.since == Some(since);
        spend.begin(since);
        if !is_shared {
            let is_fresh = Now::read().wall.saturating_sub(spend.spent_at) < UNHEARD;
            spend.spent = if is_known && is_fresh {
                spend.spent.max(spent)
            } else {
                spent
            };
        } else if !is_known {
            // Redis counts on from there; what this process spends itself it is told besides.
            state
                .leases
                .get_or_insert_default()
                .base
                .get_or_insert(spent);
        }
    }

    /// An operator says what a subject has spent in its period. Where limits are shared the other replicas' part
    /// stays.
    pub fn set_spent(&self, kind: Kind, id: &str, amount: Usd) {
        if let Some(meter) = self.meters.find(kind, id) {
            meter.state.lock().set_spent(amount);
        }
    }

    /// All subjects of that kind have spent nothing.
    pub fn reset_spend(&self, kind: Kind) {
        self.meters
            .each(kind, |meter| meter.state.lock().set_spent(Usd::ZERO));
    }

    /// What a subject has spent in the current period of its budget, as far as this process knows.
    pub fn spent(&self, kind: Kind, id: &str) -> Option<Usd> {
        let meter = self.meters.find(kind, id)?;
        let spent = meter.state.lock().spent();
        spent.map(|(spent, _)| spent)
    }

    /// How many subjects are remembered.
    pub fn subjects(&self) -> usize {
        self.meters.len()
    }

    /// Forgets what need not be remembered and keeps Redis informed, for as long as it is polled.
    pub async fn run(&'static self) {
        let tidy = async {
            loop {
                tokio::time::sleep(TIDY).await;
                self.tidy(TIDY_PARTS, Now::read());
            }
        };
        let share = async {
            loop {
                let fleet = self.fleet.load_full();
                let keep_up = async {
                    match &fleet {
                        Some(fleet) => fleet.run(self).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = keep_up => {}
                    () = self.is_changed.notified() => {}
                }
            }
        };
        futures::join!(tidy, share);
    }

    /// Looks through a part of all subjects for those that can be forgotten.
    pub fn tidy(&self, parts: usize, now: Now) {
        let algorithm = self.settings.load().algorithm;
        self.meters.tidy(parts, algorithm, now, |_| {});
        self.metrics
            .subjects
            .set(i64::try_from(self.meters.len()).unwrap_or(i64::MAX));
    }

    /// Parts of all subjects that [`Limits::tidy`] counts.
    pub fn parts() -> usize {
        Meters::shards()
    }

    fn house(&self) -> House {
        let settings = self.settings.load();
        let source = match &*self.fleet.load() {
            None => Source::Own,
            Some(fleet) if fleet.is_up() => Source::Leases,
            Some(fleet) => away(&settings, fleet),
        };
        House {
            algorithm: settings.algorithm,
            source,
        }
    }

    fn source_without_redis(&self) -> Source {
        match &*self.fleet.load() {
            None => Source::Own,
            Some(fleet) => match (away(&self.settings.load(), fleet), fleet.is_up()) {
                (Source::Share(replicas), true) => Source::Slow(replicas),
                (source, _) => source,
            },
        }
    }

    /// The subjects' meters, in the order in which all requests lock them.
    fn hold(&self, subjects: &[Subject<'_>]) -> Vec<Held> {
        let limited = subjects.iter().filter(|subject| !subject.rules.is_empty());
        let mut held = Vec::with_capacity(subjects.len());
        let limited = limited.map(|subject| Held {
            meter: match subject.meter {
                Some(meter) => meter.clone(),
                None => self.meters.of(subject.kind, subject.id),
            },
            rules: subject.rules,
        });
        held.extend(limited);
        let place = |held: &Held| (held.meter.kind, Arc::as_ptr(&held.meter) as usize);
        if !held.is_sorted_by_key(place) {
            held.sort_unstable_by_key(place);
        }
        held.dedup_by(|one, other| Arc::ptr_eq(&one.meter, &other.meter));
        held
    }

    fn look(
        &'static self,
        subjects: &[Subject<'_>],
        ask: &Estimate,
        now: Now,
        source: Source,
    ) -> Looked {
        let house = House {
            algorithm: self.settings.load().algorithm,
            source,
        };
        let held = self.hold(subjects);
        let mut states: SmallVec<[MutexGuard<'_, State>; USUAL]> = SmallVec::new();
        let mut full: Option<(&Held, Full)> = None;
        let mut asks: SmallVec<[(usize, Limit, i64); 4]> = SmallVec::new();
        for (place, one) in held.iter().enumerate() {
            let mut state = one.meter.state.lock();
            state.look(house, &one.rules, ask, now, |limit, room| match room {
                Room::Enough => {}
                Room::Ask(amount) => asks.push((place, limit, amount)),
                Room::Full(found) => {
                    if full.is_none_or(|(_, before)| before.wait < found.wait) {
                        full = Some((one, found));
                    }
                }
            });
            states.push(state);
        }
        if let Some((one, full)) = full {
            drop(states);
            let mut standing = Standing::default();
            standing.see(full.quota);
            return Looked::Refused(Box::new(Refusal {
                kind: one.meter.kind,
                id: one.meter.id.clone(),
                quota: full.quota,
                wait: full.wait,
                is_away: full.is_away,
                standing,
            }));
        }
        if !asks.is_empty() {
            return Looked::Asked(self.ask(&held, states, &asks));
        }
        let mut standing = Standing::default();
        let fleet = self.fleet.load();
        // The widest first: others wait for it most.
        while let (Some(mut state), Some(one)) = (states.pop(), held.get(states.len())) {
            state.take(house, &one.rules, ask, now.nanos, |quota| {
                standing.see(quota)
            });
            if let (Some(fleet), Source::Leases) = (&*fleet, source) {
                fleet.top_up(&one.meter, &mut state, now.nanos);
            }
        }
        drop(states);
        Looked::Admitted(Admission {
            limits: self,
            held,
            ask: *ask,
            taken_at: now.nanos,
            standing,
        })
    }

    fn ask(
        &self,
        held: &[Held],
        mut states: SmallVec<[MutexGuard<'_, State>; USUAL]>,
        asks: &[(usize, Limit, i64)],
    ) -> SmallVec<[(Arc<Meter>, u64); 4]> {
        let fleet = self.fleet.load();
        let mut asked: SmallVec<[(Arc<Meter>, u64); 4]> = SmallVec::new();
        for (place, limit, amount) in asks {
            let (Some(one), Some(state)) = (held.get(*place), states.get_mut(*place)) else {
                continue;
            };
            let leases = state.leases.get_or_insert_default();
            if let Some(lease) = leases.of(*limit) {
                lease.want(*amount);
            }
            let answers = leases.answers;
            if let Some(fleet) = &*fleet {
                fleet.ask(&one.meter, leases);
            }
            if asked
                .last()
                .is_none_or(|(last, _)| !Arc::ptr_eq(last, &one.meter))
            {
                asked.push((one.meter.clone(), answers));
            }
        }
        asked
    }
}

/// Not reached: without Redis nobody is asked.
fn nobody_to_ask() -> Refusal {
    Refusal {
        kind: Kind::Global,
        id: "".into(),
        quota: Quota {
            limit: Limit::RequestsPerMinute,
            max: 0,
            remaining: 0,
            reset: refusal::A_MOMENT,
        },
        wait: Wait::After(refusal::A_MOMENT),
        is_away: true,
        standing: Standing::default(),
    }
}

fn away(settings: &Settings, fleet: &Fleet) -> Source {
    match settings.while_away {
        WhileAway::Local => Source::Share(fleet.replicas()),
        WhileAway::Reject => Source::Nothing,
    }
}

#[cfg(test)]
mod tests;
