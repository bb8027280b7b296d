//! The long-lived state, and the [`Snapshot`] that a reload rebuilds. A request holds one
//! snapshot from its first byte to its last, so a reload never changes its rules midway; counters,
//! addresses and connections live in the [`Gateway`], so a reload never resets them.

pub mod departure;
mod limiting;
pub mod management;
pub mod opening;
pub mod progress;
pub mod proof;
mod records;
pub mod shadow;
pub mod spending;

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use crate::{
    auth::{self, KeyRing, table::KeyTable},
    cache::{Cache, flights::Flights},
    config::Config,
    error::GatewayError,
    health::Health,
    identity::Identity,
    limits::{Limits, Settings, Table, edge::Edge},
    routing::{Plan, Router, Wishes, facts::Facts},
    store::{Serving, Store},
    telemetry::metrics::Metrics,
    upstream::{client::Client, discovery::Hosts, google::Tokens},
    usage::journal::Journal,
};
use departure::Departure;
use limiting::SharedBy;
use management::Management;
use opening::Opening;
use progress::Progress;
use proof::Proof;
use shadow::Shadows;
use spending::Due;

/// Everything that a reload rebuilds.
#[derive(Default)]
pub struct Snapshot {
    /// What the operator asked for.
    pub config: Config,
    /// Who may call.
    pub keys: KeyRing,
    /// Who serves what.
    pub router: Router,
    /// How much may be asked for, by the configuration.
    pub limits: Table,
}

impl Snapshot {
    /// The plan for a request of `identity` that names `model` and perhaps a provider. Whatever the client
    /// names it must be allowed to use; where it names no model, whoever is asked. A name may be one that
    /// the key, or whom it belongs to, has for another.
    ///
    /// # Errors
    /// `ModelForbidden`, and those of [`Router::plan`], [`Wishes::read`] and [`Router::lead`].
    pub fn plan(
        &self,
        identity: &Identity,
        model: Option<&str>,
        provider: Option<&str>,
        facts: &Facts<'_>,
    ) -> Result<Plan, GatewayError> {
        let asked = self.router.asked(model, provider);
        let meant = asked.map_or(Ok(None), |asked| auth::permit(identity, asked))?;
        let mut plan = self
            .router
            .plan(meant.as_deref().or(model), provider, facts)?;
        plan.project = identity.project().map(|project| project.id.clone());
        if asked.is_none() {
            plan.limits.models = identity.model_lists();
        }
        if let Some(headers) = facts.headers.filter(|_| facts.has_wishes) {
            let mut wishes = Wishes::read(headers)?;
            if let Some(names) = &mut wishes.fallbacks {
                let meant = names.iter().map(|name| {
                    let meant = auth::permit(identity, name)?;
                    let name = meant.map_or_else(|| name.clone(), String::into_boxed_str);
                    self.router.lead(&name)?;
                    Ok(name)
                });
                *names = meant.collect::<Result<_, GatewayError>>()?;
            }
            plan.heed(wishes);
        }
        Ok(plan)
    }
}

/// The state of the process.
pub struct Gateway {
    /// Counters.
    pub metrics: Metrics,
    /// Providers' addresses.
    pub hosts: Hosts,
    /// Google's access tokens.
    pub tokens: Tokens,
    /// How providers are doing.
    pub health: Health,
    /// For what the gateway asks on its own account.
    pub client: LazyLock<Client>,
    /// What copies of requests share.
    pub shadows: Shadows,
    /// The store's keys.
    pub keys: Arc<KeyTable>,
    /// The store, while it is open. Nothing on a request's way asks it.
    pub store: ArcSwapOption<Store>,
    /// Whether it will be open in a moment.
    pub opening: Opening,
    /// Who serves requests, by the store.
    pub serving: ArcSwap<Serving>,
    /// The configuration as it was read, without what the store adds.
    pub written: ArcSwap<Config>,
    /// What answers LiteLLM's management routes, once there is an admin interface.
    pub management: OnceLock<Arc<dyn Management>>,
    /// How far the store's changes are in force.
    pub progress: Progress,
    /// How it shows whose process it is.
    pub proof: Proof,
    /// Held by whoever builds a snapshot, so that none is replaced by an older one.
    pub building: tokio::sync::Mutex<()>,
    /// How much may be asked for and spent, and was.
    pub limits: &'static Limits,
    /// What guards the edge, where something is bounded there.
    pub edge: ArcSwapOption<Edge>,
    /// When the store has to be asked for what was spent.
    pub spending: Due,
    shared_by: SharedBy,
    /// Answers that are kept.
    pub cache: &'static Cache,
    /// Answers that are being made.
    pub flights: Arc<Flights>,
    /// Set once the process is on its way out.
    pub draining: AtomicBool,
    /// The end of requests that take too long for that.
    pub departure: Arc<Departure>,
    /// Client connections that stand.
    pub open_connections: AtomicUsize,
    /// Requests being served.
    pub open_requests: AtomicUsize,
    snapshot: ArcSwap<Snapshot>,
    journal: OnceLock<Arc<Journal>>,
    ids: Ids,
}

impl Gateway {
    /// A gateway that serves nothing until [`Gateway::replace`] gives it a snapshot.
    pub fn new(metrics: Metrics) -> Self {
        Gateway {
            limits: Limits::leak(Settings::default(), metrics.limits.clone()),
            edge: ArcSwapOption::empty(),
            spending: Due::default(),
            shared_by: SharedBy::default(),
            cache: Cache::leak(metrics.cache.clone()),
            flights: Arc::default(),
            metrics,
            hosts: Hosts::default(),
            tokens: Tokens::default(),
            health: Health::default(),
            shadows: Shadows::default(),
            keys: Arc::default(),
            store: ArcSwapOption::empty(),
            opening: Opening::default(),
            serving: ArcSwap::default(),
            written: ArcSwap::default(),
            management: OnceLock::new(),
            progress: Progress::default(),
            proof: Proof::default(),
            building: tokio::sync::Mutex::default(),
            client: LazyLock::new(Client::default),
            draining: AtomicBool::new(false),
            departure: Arc::default(),
            open_connections: AtomicUsize::new(0),
            open_requests: AtomicUsize::new(0),
            snapshot: ArcSwap::default(),
            journal: OnceLock::new(),
            ids: Ids::default(),
        }
    }

    /// The current snapshot, for a short look.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The current snapshot, to be held for a request.
    pub fn hold_snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Serves by `snapshot` from now on. Requests in flight finish by the one before.
    pub fn replace(&self, snapshot: Snapshot) {
        self.cache.apply(&snapshot.config.cache);
        self.limit_by(&snapshot.config);
        if !snapshot.config.routing.breaker.enabled {
            self.health.close_breakers();
        }
        let named: HashSet<_> = snapshot.router.named().collect();
        let before = self.snapshot.load_full();
        for (provider, model) in before.router.named() {
            if !named.contains(&(provider, model)) {
                self.health.provider(provider).forget(model);
            }
        }
        drop(named);
        self.snapshot.store(Arc::new(snapshot));
        self.hosts.forget_unused();
        self.tokens.forget_unused();
        self.health.forget_unused(Instant::now());
    }

    /// Records requests in `journal` from now on; only the first one counts.
    pub fn keep_journal(&self, journal: Arc<Journal>) {
        let _ = self.journal.set(journal);
    }

    /// Where requests are recorded; `None` where they are not.
    pub fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.get()
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A new request id.
    pub fn new_id(&self) -> RequestId {
        self.ids.next()
    }
}

/// `req_` and 24 characters that no other request of any process has, for all practical purposes. Later ones are
/// greater, to the millisecond: what is stored in their order is stored in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 28]);

impl RequestId {
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("req_")
    }
}

/// Ids from the time and a counter, mixed with a random key of this process.
#[derive(Default)]
struct Ids {
    count: AtomicU64,
    key: RandomState,
}

impl Ids {
    fn next(&self) -> RequestId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(now.map_or(0, |now| now.as_millis()))
    }

    /// 45 bits of time, which last until the year 3084, and 75 that are this request's.
    fn at(&self, millis: u128) -> RequestId {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let own = u128::from(self.key.hash_one(count)) << 11 | u128::from(count & 0x7ff);
        let mut bits = millis << 75 | own;
        let mut id = *b"req_000000000000000000000000";
        for place in id.iter_mut().skip(4).rev() {
            let digit = usize::try_from(bits & 31).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            bits >>= 5;
        }
        RequestId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_and_between_processes() {
        let (one, other) = (Ids::default(), Ids::default());
        let mut seen: Vec<_> = (0..1000).map(|_| one.next().as_str().to_owned()).collect();
        seen.push(other.next().as_str().to_owned());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1001);
        assert!(
            seen.iter()
                .all(|id| id.len() == 28 && id.starts_with("req_"))
        );
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        let ids = Ids::default();
        let times = [0, 1, 31, 32, 1_795_320_000_000, 1_795_320_000_001, 1 << 44];
        let texts = times.map(|time| ids.at(time).as_str().to_owned());
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
