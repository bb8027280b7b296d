//! Keeps what was read of the store up to date: Postgres says when something has changed, SQLite is looked
//! at twice a second. While the store is away requests are served by what was read before.

use std::{path::Path, time::Duration};

use log::Level;
use sqlx::postgres::PgListener;

use super::reload;
use crate::{
    config::StoreSettings,
    gateway::Gateway,
    store::{CHANNEL, Changes, Location, Store, StoreError, credentials::seal::Sealer, now},
    telemetry::logging::{event, write_event},
};

/// How often SQLite is looked at. Another process may have changed it: the command line.
const LOOK: Duration = Duration::from_millis(300);
/// How often Postgres is looked at though it said nothing: a connection may have died in silence.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);
/// How long nobody asks a store that is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long the start waits for a store.
const FIRST_READ: Duration = Duration::from_secs(30);
/// How long changes are remembered for processes that could not read them, in milliseconds.
const REMEMBERED: i64 = 86_400_000;
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// Where the store is, what opens its credentials, and how far it has been read.
pub struct Records {
    /// Where it is; `None` where there is none.
    location: Option<Location>,
    /// What opens its credentials.
    sealer: Sealer,
    /// The last change that was read; `None` where nothing has been.
    seen: Option<i64>,
}

impl Records {
    /// Those of the store that the configuration names, or of the file in the gateway's directory.
    ///
    /// # Errors
    /// Where the configuration's words for it are not understood.
    pub fn new(settings: &StoreSettings, directory: &Path) -> Result<Self, StoreError> {
        Ok(Records {
            location: Some(Location::of(settings.database_url.as_ref(), directory)?),
            sealer: Sealer::new(settings.encryption_key.as_ref())?,
            seen: None,
        })
    }

    /// Reads everything before the first request, where the store answers in time. Otherwise the gateway
    /// starts without, says so, and goes on trying.
    pub async fn read_first(&mut self, gateway: &Gateway) {
        let Some(location) = self.location.clone() else {
            return;
        };
        let read = async {
            let store = Store::open(&location).await?;
            let seen = gateway.read_records(&store, &self.sealer).await;
            store.close().await;
            seen
        };
        match tokio::time::timeout(FIRST_READ, read).await {
            Ok(Ok(seen)) => {
                self.seen = Some(seen);
                count(gateway);
            }
            // Where nothing can be written there never was a file, and there are no keys.
            Ok(Err(error @ StoreError::File { .. })) if !location.exists() => {
                log::warn!(
                    "no keys and no usage are kept: {error}; set GATEWAY_DATA_DIR or GATEWAY_DATABASE_URL"
                );
                self.location = None;
                gateway.keys.load_all().complete();
            }
            Ok(Err(error)) => say_away(&error.to_string()),
            Err(_) => say_away("it does not answer"),
        }
    }
}

/// Keeps everything up to date for as long as the process lives.
pub(super) async fn keep(gateway: &Gateway, records: &Records) {
    let Some(location) = &records.location else {
        return;
    };
    let mut seen = records.seen;
    let mut was_said = seen.is_none();
    let store = loop {
        match Store::open(location).await {
            Ok(store) => break store,
            Err(error) if !was_said => {
                say_away(&error.to_string());
                was_said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(AWAY).await;
    };
    gateway.store.store(Some(store.clone().into()));
    let mut wake = Wake::new(&store);
    let mut tidied = None;
    loop {
        match catch_up(gateway, &store, &records.sealer, seen).await {
            Ok(revision) => {
                if was_said {
                    event("store_back", &[]);
                }
                (seen, was_said) = (Some(revision), false);
                gateway.progress.set(revision);
                count(gateway);
                gateway.metrics.store_up.set(1);
            }
            Err(error) => {
                if !was_said {
                    say_away(&error.to_string());
                }
                was_said = true;
                gateway.metrics.store_up.set(0);
                tokio::time::sleep(AWAY).await;
                continue;
            }
        }
        tidy(&store, &mut tidied).await;
        tokio::select! {
            () = wake.wait() => {}
            () = gateway.progress.asked() => {}
        }
    }
}

/// Reads what has changed after `seen`, and answers how far that was.
async fn catch_up(
    gateway: &Gateway,
    store: &Store,
    sealer: &Sealer,
    seen: Option<i64>,
) -> Result<i64, StoreError> {
    let (mut seen, mut serves_anew) = (seen, false);
    let revision = loop {
        let changes = match seen {
            Some(seen) => store.changes(seen).await?,
            None => Changes::Forgotten,
        };
        match (changes, seen) {
            (Changes::These(changes), Some(seen)) if changes.is_empty() => break seen,
            (Changes::These(changes), _) => {
                for change in changes {
                    serves_anew |= gateway.read_change(store, &change).await?;
                    seen = Some(change.sequence);
                }
            }
            (Changes::Forgotten, _) => {
                seen = Some(gateway.read_records(store, sealer).await?);
                serves_anew = true;
            }
        }
    };
    if serves_anew {
        gateway.read_serving(store, sealer).await?;
    }
    if serves_anew && let Err(problems) = reload::rebuild(gateway).await {
        for problem in problems {
            write_event(Level::Error, "records_rejected", &[("problem", &problem)]);
        }
    }
    Ok(revision)
}

/// Forgets changes that everybody has read, now and then.
async fn tidy(store: &Store, last: &mut Option<std::time::Instant>) {
    if last.is_some_and(|at| at.elapsed() < TIDY_EVERY) {
        return;
    }
    *last = Some(std::time::Instant::now());
    if let Err(error) = store.forget_changes(now() - REMEMBERED).await {
        log::debug!("the changes of the store were not tidied up: {error}");
    }
}

fn say_away(why: &str) {
    write_event(Level::Error, "store_away", &[("why", why)]);
}

fn count(gateway: &Gateway) {
    let count = i64::try_from(gateway.keys.count()).unwrap_or(i64::MAX);
    gateway.metrics.keys.set(count);
}

/// What says that there may be something to read.
struct Wake<'s> {
    store: &'s Store,
    listener: Option<PgListener>,
}

impl<'s> Wake<'s> {
    fn new(store: &'s Store) -> Self {
        Wake {
            store,
            listener: None,
        }
    }

    /// Waits until something may have changed.
    async fn wait(&mut self) {
        let Some(pool) = self.store.postgres() else {
            return tokio::time::sleep(LOOK).await;
        };
        let Some(listener) = &mut self.listener else {
            // What has changed before it listens is looked for at once.
            match listen(pool).await {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    log::warn!("cannot listen for changes of the store: {error}");
                    tokio::time::sleep(LOOK).await;
                }
            }
            return;
        };
        match tokio::time::timeout(LOOK_ANYWAY, listener.try_recv()).await {
            // It said something, or its connection is another one now; or it has said nothing for long.
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => {
                log::warn!("no longer listening for changes of the store: {error}");
                self.listener = None;
            }
        }
        // All that is said by now is read at once.
        while let Some(listener) = &mut self.listener
            && listener.next_buffered().is_some()
        {}
    }
}

async fn listen(pool: &sqlx::PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
