//! The store, for commands. They work on it directly, whether a gateway runs or not: one that does sees
//! within a second what has changed.

use std::path::{Path, PathBuf};

use clap::Args;

use super::process::data_directory;
use crate::{
    config::{self, Config, Environment, Flags},
    store::{Location, Store, StoreError, credentials::seal::Sealer},
};

/// Which store is meant.
#[derive(Debug, Clone, Args)]
pub struct Of {
    /// The configuration file; GATEWAY_CONFIG, or the environment alone, unless given
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// An open store, and the configuration that names it.
pub(super) struct Opened {
    /// The store.
    pub(super) store: Store,
    /// The configuration, without what the store adds to it.
    pub(super) config: Config,
    /// What opens the store's credentials.
    pub(super) sealer: Sealer,
}

/// Does something with the store.
///
/// # Errors
/// Sentences for whoever typed the command.
pub(super) fn with<T>(
    of: &Of,
    work: impl AsyncFnOnce(&Opened) -> Result<T, StoreError>,
) -> Result<T, String> {
    with_words(of, async |opened| work(opened).await.map_err(explain))
}

/// The same, for what may fail beside the store.
///
/// # Errors
/// Sentences for whoever typed the command.
pub(super) fn with_words<T>(
    of: &Of,
    work: impl AsyncFnOnce(&Opened) -> Result<T, String>,
) -> Result<T, String> {
    let environment = Environment::of_process();
    let config = read(of.config.as_deref(), &environment)?;
    let directory = data_directory(&config, &environment);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let location = Location::of(config.store.database_url.as_ref(), &directory);
        let location = location.map_err(explain)?;
        let sealer = Sealer::new(config.store.encryption_key.as_ref()).map_err(explain)?;
        let store = Store::open(&location).await.map_err(explain)?;
        let opened = Opened {
            store,
            config,
            sealer,
        };
        let done = work(&opened).await;
        opened.store.close().await;
        done
    })
}

fn read(file: Option<&Path>, environment: &Environment) -> Result<Config, String> {
    let flags = Flags {
        demo: true,
        ..Flags::default()
    };
    let loaded = config::load(file, environment, &flags).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })?;
    Ok(loaded.config)
}

/// The error, and what to do about it.
pub(super) fn explain(error: StoreError) -> String {
    let next = match &error {
        StoreError::Away(_) => "; see that it runs and that GATEWAY_DATABASE_URL leads to it",
        StoreError::NotFound { what: "key", .. } => "; `gateway key list` shows those there are",
        StoreError::NotFound {
            what: "provider" | "credential",
            ..
        } => "; `gateway provider list` shows those there are",
        StoreError::Used { .. } => {
            "; delete them with it (--with-keys), revoke them, or have them belong to another"
        }
        StoreError::Unreadable { .. } => {
            "; a later version may have written it, and it can be revoked or deleted"
        }
        StoreError::File { .. } => "; set GATEWAY_DATA_DIR to a directory that can be written",
        _ => "",
    };
    format!("{error}{next}")
}
