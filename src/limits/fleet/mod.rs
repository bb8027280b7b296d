//! Limits that several replicas share through Redis 7. Each replica leases a part of every limit that it uses, as
//! much as it has lately used in some seconds, so that most requests ask nobody. What is leased counts as used, so
//! that all replicas together never use more than there is.
//!
//! Requests never talk to Redis themselves. They leave their subject's meter in a bounded queue and wait for its
//! answer, at most as long as the settings say; one question serves all who wait for the same subject.

mod question;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use redis::Value;
use tokio::{
    sync::{Mutex, mpsc},
    time,
};

use super::{
    Limits, Now,
    meters::Meter,
    state::{Leases, State, nano, signed},
};
use crate::{
    config::RedisServers,
    redis_client::{Client, Script},
    telemetry::metrics::limits::LimitMetrics,
};

/// Subjects that may wait to be asked about.
const WAITING: usize = 16_384;
/// Questions under way at once.
const AT_ONCE: usize = 256;
/// How long a question may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often a replica says that it is there, and how long that holds.
const ALIVE: Duration = Duration::from_secs(2);
const ALIVE_HOLDS_MS: u64 = 10_000;
/// How long what a replica holds of requests at once and of budgets stays its own if it is never heard of again …
const HOLD_MS: u64 = 60_000;
/// … and how often it is renewed.
const RENEW: u64 = 20_000_000_000;
/// How often it is looked for leases that nobody uses.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether Redis is there.
const WATCH: Duration = Duration::from_millis(50);

const LEASE: &str = include_str!("lease.lua");
const ALIVE_SCRIPT: &str = include_str!("alive.lua");

/// The replicas that share limits, as one of them sees it.
pub struct Fleet {
    client: Client,
    prefix: String,
    /// Who this is among them.
    replica: String,
    replicas: AtomicU64,
    /// Whether it was there when somebody looked last.
    was_up: AtomicBool,
    lease: Script,
    alive: Script,
    sender: mpsc::Sender<Arc<Meter>>,
    receiver: Mutex<mpsc::Receiver<Arc<Meter>>>,
    /// Those whose leases are looked after.
    held: parking_lot::Mutex<Vec<Arc<Meter>>>,
    metrics: LimitMetrics,
}

impl Fleet {
    /// The replicas that share this Redis and this prefix. `replica` tells this one from all others, earlier ones
    /// included. Nothing is connected before [`Limits::run`] is polled.
    ///
    /// # Errors
    /// A sentence for the operator where the servers cannot be named so.
    pub fn new(
        servers: RedisServers,
        prefix: &str,
        replica: u64,
        metrics: LimitMetrics,
    ) -> Result<Self, String> {
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok(Fleet {
            client: Client::new(servers, PATIENCE, metrics.redis.clone())?,
            prefix: format!("{prefix}:limits"),
            replica: format!("{replica:016x}"),
            replicas: AtomicU64::new(1),
            was_up: AtomicBool::new(true),
            lease: Script::new(LEASE),
            alive: Script::new(ALIVE_SCRIPT),
            sender,
            receiver: Mutex::new(receiver),
            held: parking_lot::Mutex::default(),
            metrics,
        })
    }

    /// Whether Redis answers.
    pub fn is_up(&self) -> bool {
        self.client.is_up()
    }

    /// How many replicas there are, as far as this one knows.
    pub fn replicas(&self) -> u64 {
        self.replicas.load(Relaxed).max(1)
    }

    /// Has Redis asked about a subject, unless it is being asked.
    pub(super) fn ask(&self, meter: &Arc<Meter>, leases: &mut Leases) {
        if !leases.is_asking {
            leases.is_asking = self.sender.try_send(meter.clone()).is_ok();
        }
    }

    /// Has Redis asked for more where a lease is about to be used up.
    pub(super) fn top_up(&self, meter: &Arc<Meter>, state: &mut State, now: u64) {
        let parallel = signed(state.parallel);
        let Some(leases) = state.leases.as_deref_mut() else {
            return;
        };
        let in_use = match &state.spend {
            Some(spend) if leases.rules.max().is_some() => leases.in_use(spend),
            _ => 0,
        };
        let is_low = leases
            .rates
            .iter()
            .any(|lease| lease.is_low(lease.granted, now))
            || leases
                .parallel
                .is_low(leases.parallel.granted - parallel, now)
            || leases.spend.is_low(leases.spend.granted - in_use, now);
        if is_low {
            self.ask(meter, leases);
        }
    }

    /// Asks, connects and looks after leases, for as long as it is polled.
    pub async fn run(&self, limits: &'static Limits) {
        futures::join!(
            self.client.keep(),
            self.serve(limits),
            self.say_alive(),
            self.watch(),
            self.look_after(),
        );
    }

    async fn serve(&self, limits: &'static Limits) {
        let mut receiver = self.receiver.lock().await;
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = under_way.next() => {}
                meter = receiver.recv(), if under_way.len() < AT_ONCE => {
                    let Some(meter) = meter else { return };
                    under_way.push(self.question(limits, meter));
                }
            }
        }
    }

    async fn question(&self, limits: &'static Limits, meter: Arc<Meter>) {
        let algorithm = limits.house().algorithm;
        let (asked, question) = question::ask(&mut meter.state.lock(), algorithm, Now::read());
        let key = format!("{}:{{{}:{}}}", self.prefix, meter.kind.name(), meter.id);
        let mut arguments = vec![
            self.replica.clone(),
            self.replicas().to_string(),
            HOLD_MS.to_string(),
        ];
        arguments.extend(question);
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        self.metrics.redis_calls.inc();
        let answer = self
            .client
            .script(&self.lease, &[key.as_bytes()], &arguments, PATIENCE)
            .await;
        let mut is_new = false;
        {
            let mut state = meter.state.lock();
            match &answer {
                Ok(answer) => {
                    if question::take(&mut state, &asked, answer, Now::read()).is_none() {
                        log::warn!("limits: Redis sent what is no answer to the question");
                    }
                }
                Err(error) => log::debug!("limits: {error}"),
            }
            if let Some(leases) = state.leases.as_deref_mut() {
                leases.is_asking = false;
                leases.answers += 1;
                is_new = !std::mem::replace(&mut leases.is_looked_after, true);
            }
        }
        if is_new {
            self.held.lock().push(meter.clone());
        }
        meter.answered.notify_waiters();
    }

    /// Says that this replica is there, and learns how many are.
    async fn say_alive(&self) {
        let key = format!("{}:replicas", self.prefix);
        loop {
            if self.is_up() {
                let hold = ALIVE_HOLDS_MS.to_string();
                let arguments = [self.replica.as_bytes(), hold.as_bytes()];
                let keys = [key.as_bytes()];
                let answer = self.client.script(&self.alive, &keys, &arguments, PATIENCE);
                if let Ok(Value::Int(count)) = answer.await {
                    self.replicas
                        .store(u64::try_from(count).unwrap_or(1).max(1), Relaxed);
                }
                time::sleep(ALIVE).await;
            } else {
                time::sleep(WATCH).await;
            }
        }
    }

    /// Tells when Redis goes away and when it comes back.
    async fn watch(&self) {
        // The first connection takes a moment.
        time::sleep(PATIENCE).await;
        loop {
            let is_up = self.is_up();
            self.metrics.shared.set(i64::from(is_up));
            match (self.was_up.swap(is_up, Relaxed), is_up) {
                (true, false) => log::warn!(
                    "limits: Redis does not answer; limits are kept by this process alone until it does"
                ),
                (false, true) => log::info!("limits: Redis answers again; limits are shared"),
                _ => {}
            }
            time::sleep(WATCH).await;
        }
    }

    /// Gives back what nobody uses, and renews what is held.
    async fn look_after(&self) {
        loop {
            time::sleep(LOOK).await;
            let held = std::mem::take(&mut *self.held.lock());
            if !self.is_up() {
                self.held.lock().extend(held);
                continue;
            }
            let now = Now::read();
            let mut stay = Vec::with_capacity(held.len());
            for meter in held {
                let mut state = meter.state.lock();
                if self.is_needed(&meter, &mut state, now) {
                    drop(state);
                    stay.push(meter);
                } else if let Some(leases) = state.leases.as_deref_mut() {
                    leases.is_looked_after = false;
                }
            }
            self.held.lock().extend(stay);
        }
    }

    /// Whether a meter's leases have to be looked after any longer; asks where something is to be said.
    fn is_needed(&self, meter: &Arc<Meter>, state: &mut State, now: Now) -> bool {
        let parallel = signed(state.parallel);
        let Some(leases) = state.leases.as_deref_mut() else {
            return false;
        };
        let spend = state
            .spend
            .as_deref()
            .filter(|_| leases.rules.max().is_some());
        let in_use = spend.map_or(0, |spend| leases.in_use(spend));
        let reserved = spend.map_or(0, |spend| nano(spend.reserved));
        let has_untold = in_use > reserved;
        let is_idle = leases
            .rates
            .iter()
            .any(|lease| lease.granted != 0 && lease.is_idle(now.nanos));
        let hold = &leases.parallel;
        let is_held_in_vain = hold.granted > parallel && hold.is_idle(now.nanos) && parallel == 0;
        let hold = &leases.spend;
        let is_leased_in_vain = (hold.granted > reserved || has_untold) && hold.is_idle(now.nanos);
        let asked_at = leases.parallel.asked_at.max(leases.spend.asked_at);
        let is_old = (leases.parallel.granted > 0 || leases.spend.granted > 0)
            && now.nanos.saturating_sub(asked_at) > RENEW;
        if is_idle || is_held_in_vain || is_leased_in_vain || is_old {
            self.ask(meter, leases);
        }
        leases.is_asking
            || leases.parallel.granted > 0
            || leases.spend.granted > 0
            || has_untold
            || leases.rates.iter().any(|lease| lease.granted != 0)
    }

    /// Whether this replica is the first to say something: `name` is said once in `span`.
    pub(super) async fn is_first(&self, name: &str, span: Duration) -> bool {
        let key = format!("{}:{name}", self.prefix);
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&self.replica).arg("NX").arg("PX");
        command.arg(
            u64::try_from(span.as_millis())
                .unwrap_or(u64::MAX >> 1)
                .max(1),
        );
        match self.client.call(key.as_bytes(), &command, PATIENCE).await {
            Ok(Value::Nil) => false,
            // Twice is better than never.
            _ => true,
        }
    }
}

/// Until each of these has been answered since it was seen.
pub(super) async fn answers(meters: &[(Arc<Meter>, u64)]) {
    for (meter, seen) in meters {
        loop {
            let notified = meter.answered.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let answers = meter
                .state
                .lock()
                .leases
                .as_deref()
                .map_or(0, |leases| leases.answers);
            if answers != *seen {
                break;
            }
            notified.await;
        }
    }
}
