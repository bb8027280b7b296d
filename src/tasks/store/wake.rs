//! What says that there may be something to read: Postgres does, as a rule, and is looked at all the same, for
//! a connection may die in silence; SQLite is looked at.

use std::{pin::Pin, time::Duration};

use sqlx::{PgPool, postgres::PgListener};

use crate::store::{CHANNEL, Store};

/// How often the store is looked at. Another process may have changed it: the command line.
const LOOK: Duration = Duration::from_millis(300);
/// How often something is found that the listener has not said, before it is taken for dead.
const MISSES: u32 = 2;

/// What says that there may be something to read.
pub(super) struct Wake<'s> {
    store: &'s Store,
    listener: Listener,
    /// Whether it was the clock that woke it.
    is_look: bool,
    misses: u32,
}

enum Listener {
    /// None: SQLite, or a server that does not take another connection for now.
    Nobody,
    Coming(Pin<Box<dyn Future<Output = Result<PgListener, sqlx::Error>> + Send>>),
    Listening(Box<PgListener>),
}

impl<'s> Wake<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Wake {
            store,
            listener: Listener::Nobody,
            is_look: false,
            misses: 0,
        }
    }

    /// Waits until something may have changed.
    pub(super) async fn wait(&mut self) {
        self.is_look = false;
        if let (Listener::Nobody, Some(pool)) = (&self.listener, self.store.postgres()) {
            self.listener = Listener::Coming(Box::pin(listen(pool)));
        }
        tokio::select! {
            () = self.listener.says() => self.misses = 0,
            () = tokio::time::sleep(LOOK) => self.is_look = true,
        }
    }

    /// Says whether there was something to read. A listener that has missed it repeatedly is replaced.
    pub(super) fn found(&mut self, something: bool) {
        if !(something && self.is_look && matches!(self.listener, Listener::Listening(_))) {
            return;
        }
        self.misses += 1;
        if self.misses >= MISSES {
            log::warn!(
                "the store has changed and its listener did not say so; another one is made"
            );
            self.forget();
        }
    }

    /// Listens by another connection from now on.
    pub(super) fn forget(&mut self) {
        (self.listener, self.misses) = (Listener::Nobody, 0);
    }
}

impl Listener {
    /// Waits until it says something.
    async fn says(&mut self) {
        match self {
            Listener::Nobody => std::future::pending().await,
            // What has changed before it listens is looked for at once.
            Listener::Coming(coming) => match coming.await {
                Ok(listener) => *self = Listener::Listening(Box::new(listener)),
                Err(error) => {
                    log::warn!("cannot listen for changes of the store: {error}");
                    *self = Listener::Nobody;
                    std::future::pending().await
                }
            },
            Listener::Listening(listener) => match listener.try_recv().await {
                // All that is said by now is read at once. `None`: its connection is another one now.
                Ok(_) => while listener.next_buffered().is_some() {},
                Err(error) => {
                    log::warn!("no longer listening for changes of the store: {error}");
                    *self = Listener::Nobody;
                }
            },
        }
    }
}

async fn listen(pool: PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
