//! What goes on beside requests: names, tokens, health checks, copies of requests, the store's records,
//! reloads, the end of the process. One background service, one thread; the cache has another, and the rows of
//! usage, which wait for a disk.

mod drain;
mod health;
mod limits;
mod names;
pub mod reload;
mod retention;
mod shadow;
pub mod store;
mod tidy;
mod usage;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{server::ShutdownWatch, services::background::BackgroundService};

use crate::{gateway::Gateway, providers::demo};
pub use limits::LimitsKeeper;
use reload::Source;
pub use usage::Closing;

/// Keeps the cache's connections to Redis. A service and a thread of its own: look-ups wait for it.
pub struct CacheKeeper(
    /// Whose cache.
    pub Arc<Gateway>,
);

#[async_trait]
impl BackgroundService for CacheKeeper {
    async fn start(&self, _: ShutdownWatch) {
        self.0.cache.run().await;
    }
}

/// Takes rows of usage to the store. A thread of its own: a disk that stops holds up nothing else.
pub struct UsageKeeper {
    /// Whose usage.
    pub gateway: Arc<Gateway>,
    /// How the end of the process waits for it.
    pub closing: Arc<Closing>,
}

#[async_trait]
impl BackgroundService for UsageKeeper {
    async fn start(&self, _: ShutdownWatch) {
        let (journal, metrics) = (self.gateway.journal(), &self.gateway.metrics.usage);
        futures::join!(
            usage::run(journal, &*self.gateway, metrics, &self.closing),
            retention::run(&self.gateway),
        );
    }
}

/// All other background tasks.
pub struct Tasks {
    /// The state that they keep up.
    pub gateway: Arc<Gateway>,
    /// Where the configuration comes from.
    pub source: Source,
    /// Where the gateway keeps its own files.
    pub directory: PathBuf,
    /// How the end of the process waits for rows of usage.
    pub closing: Arc<Closing>,
    /// Where the store is, and how far it was read at the start.
    pub records: store::Records,
    /// The socket of the built-in provider, where it is asked for.
    pub demo: Mutex<Option<std::net::TcpListener>>,
    /// What to do last, once every request is over: remove files that name this process.
    pub at_exit: Arc<dyn Fn() + Send + Sync>,
}

#[async_trait]
impl BackgroundService for Tasks {
    async fn start(&self, shutdown: ShutdownWatch) {
        let listener = self.demo.lock().take();
        let demo = async {
            if let Some(listener) = listener
                && let Err(error) = demo::serve(listener).await
            {
                log::error!("the demo provider stopped: {error}");
            }
        };
        futures::join!(
            demo,
            names::refresh(&self.gateway),
            self.gateway.tokens.keep_fresh(&self.gateway.client),
            health::watch(&self.gateway, shutdown.clone()),
            health::forget(&self.gateway),
            shadow::run(&self.gateway, &self.directory),
            reload::watch(&self.gateway, &self.source),
            store::keep(&self.gateway, &self.records),
            limits::sync(&self.gateway),
            limits::alert(&self.gateway),
            tidy::run(&self.gateway),
            drain::wait(&self.gateway, shutdown, &self.closing, &*self.at_exit),
        );
    }
}
