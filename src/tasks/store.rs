//! Keeps what was read of the store up to date: Postgres says when something has changed, and both are looked
//! at several times a second. While the store is away requests are served by what was read before.

mod wake;

use std::{path::Path, time::Duration};

use log::Level;
use tokio::{sync::Notify, time::timeout};

use super::reload;
use crate::{
    config::StoreSettings,
    gateway::Gateway,
    secret::Secret,
    store::{Changes, Location, Store, StoreError, credentials::seal::Sealer},
    telemetry::logging::{event, write_event},
};
use wake::Wake;

/// How long it may take to find out whether something has changed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long nobody asks a store that is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long the start waits for a store: longer than a million keys take. Whoever needs more is ready later.
const FIRST_READ: Duration = Duration::from_secs(20);

/// Where the store is, what opens its credentials, and how far it has been read.
pub struct Records {
    /// Where it is; `None` where there is none.
    location: Option<Location>,
    /// The last change that was read; `None` where nothing has been.
    seen: Option<i64>,
    opening: Opening,
}

/// What opens the store's credentials.
struct Opening {
    written: Option<Secret>,
    sealer: Sealer,
}

impl Opening {
    fn new(written: Option<&Secret>) -> Result<Self, StoreError> {
        Ok(Opening {
            written: written.cloned(),
            sealer: Sealer::new(written)?,
        })
    }

    /// Takes the encryption keys that the configuration names now. Whether they are others.
    fn follow(&mut self, gateway: &Gateway) -> bool {
        let written = gateway.written.load();
        let written = written.store.encryption_key.as_ref();
        if self.written.as_ref() == written {
            return false;
        }
        match Sealer::new(written) {
            Ok(sealer) => self.sealer = sealer,
            Err(error) => log::error!("{error}; the encryption keys stay as they were"),
        }
        self.written = written.cloned();
        true
    }
}

impl Records {
    /// Those of the store that the configuration names, or of the file in the gateway's directory.
    ///
    /// # Errors
    /// Where the configuration's words for it are not understood.
    pub fn new(settings: &StoreSettings, directory: &Path) -> Result<Self, StoreError> {
        Ok(Records {
            location: Some(Location::of(settings.database_url.as_ref(), directory)?),
            opening: Opening::new(settings.encryption_key.as_ref())?,
            seen: None,
        })
    }

    /// Whether there is one, or will be.
    pub fn has_store(&self) -> bool {
        self.location.is_some()
    }

    /// Reads everything before the first request, where the store answers in time. Otherwise the gateway
    /// starts without, says so, and goes on trying.
    pub async fn read_first(&mut self, gateway: &Gateway) {
        let Some(location) = self.location.clone() else {
            return;
        };
        let read = async {
            let store = Store::open(&location).await?;
            let seen = gateway.read_records(&store, &self.opening.sealer).await;
            store.close().await;
            seen
        };
        match timeout(FIRST_READ, read).await {
            Ok(Ok(seen)) => {
                self.seen = Some(seen);
                gateway.opening.begin();
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
    let Ok(opening) = Opening::new(records.opening.written.as_ref()) else {
        gateway.opening.end();
        return;
    };
    let mut was_said = records.seen.is_none();
    let store = loop {
        match Store::open(location).await {
            Ok(store) => break store,
            Err(error) if !was_said => {
                say_away(&error.to_string());
                was_said = true;
            }
            Err(_) => {}
        }
        gateway.opening.end();
        tokio::time::sleep(AWAY).await;
    };
    gateway.store.store(Some(store.clone().into()));
    gateway.opening.end();
    let keeping = Keeping {
        gateway,
        store: &store,
        opening,
        seen: records.seen,
        is_stale: false,
        was_said,
        rebuild: &Notify::new(),
    };
    let rebuilding = rebuild(gateway, keeping.rebuild);
    tokio::join!(keeping.run(), rebuilding);
}

/// Builds who serves requests anew whenever it is asked for: apart, for it may have to wait for name servers,
/// and nobody's revocation waits for those.
async fn rebuild(gateway: &Gateway, asked: &Notify) {
    loop {
        asked.notified().await;
        let revision = gateway.progress.wanted();
        if let Err(problems) = reload::rebuild(gateway).await {
            for problem in problems {
                write_event(Level::Error, "records_rejected", &[("problem", &problem)]);
            }
        }
        gateway.progress.built(revision);
    }
}

struct Keeping<'a> {
    gateway: &'a Gateway,
    store: &'a Store,
    opening: Opening,
    /// The last change that was read.
    seen: Option<i64>,
    /// Whether credentials are to be opened by other encryption keys than they were.
    is_stale: bool,
    /// Whether it was said that the store is away.
    was_said: bool,
    rebuild: &'a Notify,
}

impl Keeping<'_> {
    async fn run(mut self) {
        let mut wake = Wake::new(self.store);
        loop {
            match self.catch_up().await {
                Ok(found) => {
                    wake.found(found);
                    if self.was_said {
                        event("store_back", &[]);
                    }
                    self.was_said = false;
                    count(self.gateway);
                    self.gateway.metrics.store_up.set(1);
                }
                Err(error) => {
                    if !self.was_said {
                        say_away(&error.to_string());
                        // The first failure may be that of one connection alone.
                        self.was_said = true;
                        wake.forget();
                        continue;
                    }
                    self.gateway.metrics.store_up.set(0);
                    tokio::time::sleep(AWAY).await;
                    continue;
                }
            }
            tokio::select! {
                () = wake.wait() => {}
                () = self.gateway.progress.asked() => {}
            }
        }
    }

    /// Reads all that has changed, a batch at a time, and answers whether there was something.
    async fn catch_up(&mut self) -> Result<bool, StoreError> {
        self.is_stale |= self.opening.follow(self.gateway);
        if let (true, Some(seen)) = (self.is_stale, self.seen) {
            self.serve_anew(seen).await?;
        }
        self.is_stale = false;
        let mut found = false;
        loop {
            let changes = match self.seen {
                Some(seen) => self.look(seen).await?,
                None => Changes::Forgotten,
            };
            let (read, serves_anew) = match changes {
                Changes::These(changes) => {
                    let Some(last) = changes.last() else {
                        self.in_force();
                        return Ok(found);
                    };
                    let reading = self.gateway.read_changes(self.store, &changes);
                    (last.sequence, self.in_time(reading).await?)
                }
                Changes::Forgotten => {
                    let sealer = &self.opening.sealer;
                    let read = self.gateway.read_records(self.store, sealer).await?;
                    (read, true)
                }
            };
            found = true;
            if serves_anew {
                self.serve_anew(read).await?;
            }
            self.seen = Some(read);
            self.in_force();
        }
    }

    /// Looks what has changed.
    async fn look(&self, seen: i64) -> Result<Changes, StoreError> {
        self.in_time(self.store.changes(seen)).await
    }

    /// Waits for an answer that is soon there where the server is well. One that does not answer gets other
    /// connections at once.
    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                self.store.renew();
                Err(StoreError::Away("it does not answer in time".to_owned()))
            }
        }
    }

    /// Reads who serves requests, and has them do so.
    async fn serve_anew(&self, revision: i64) -> Result<(), StoreError> {
        let sealer = &self.opening.sealer;
        self.gateway.read_serving(self.store, sealer).await?;
        self.gateway.progress.wants(revision);
        self.rebuild.notify_one();
        Ok(())
    }

    fn in_force(&self) {
        if let Some(seen) = self.seen {
            self.gateway.progress.read(seen);
        }
    }
}

fn say_away(why: &str) {
    write_event(Level::Error, "store_away", &[("why", why)]);
}

fn count(gateway: &Gateway) {
    let count = i64::try_from(gateway.keys.count()).unwrap_or(i64::MAX);
    gateway.metrics.keys.set(count);
}
