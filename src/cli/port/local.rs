//! The store itself, where no gateway runs: the same operations, on a gateway that serves nobody.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use super::{Needs, console};
use crate::{
    admin::Admin,
    cli::{
        failure::{Failure, Kind, warn},
        process::{Files, data_directory},
    },
    config::{Config, Environment},
    gateway::{Gateway, Snapshot, management::Management},
    secret::Secret,
    snapshot,
    store::{Location, Store, credentials::seal::Sealer},
    telemetry::metrics::Metrics,
    upstream::discovery::Which,
};

/// A store that a command has opened.
pub(super) struct Local {
    /// The configuration that names it.
    pub(super) config: Config,
    operations: Arc<dyn Management>,
    store: Store,
}

impl Local {
    /// Opens it. Where a gateway may run on it its schema stays as it is.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) async fn open(
        config: Config,
        environment: &Environment,
        needs: Needs,
    ) -> Result<Self, Failure> {
        let store = open_store(&config, environment, needs).await?;
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        let gateway = Arc::new(Gateway::new(metrics));
        gateway.store.store(Some(store.clone().into()));
        gateway.written.store(config.clone().into());
        // Nobody has to learn of a change.
        gateway.progress.read(i64::MAX);
        match needs {
            Needs::Records | Needs::Recorded => gateway.replace(Snapshot {
                config: config.clone(),
                ..Snapshot::default()
            }),
            Needs::Serving => serve(&gateway, &store, &config).await?,
            Needs::Calling => {
                serve(&gateway, &store, &config).await?;
                futures::join!(
                    gateway.hosts.refresh(Which::All),
                    gateway.tokens.refresh(&gateway.client)
                );
            }
        }
        Ok(Local {
            config,
            operations: Admin::new(gateway).on_console(),
            store,
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// Where that is no request.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(body);
        let request = request.map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        let answer = self.operations.answer(request, None).await;
        Ok((answer.status(), answer.into_body()))
    }

    /// Closes the store.
    pub(super) async fn close(&self) {
        self.store.close().await;
    }
}

/// Opens the store that a configuration names. Where a gateway may run on it its schema stays as it is.
///
/// # Errors
/// Where it cannot be opened.
pub(super) async fn open_store(
    config: &Config,
    environment: &Environment,
    needs: Needs,
) -> Result<Store, Failure> {
    console::listen();
    let directory = data_directory(config, environment);
    let location = Location::of(config.store.database_url.as_ref(), &directory)?;
    if needs == Needs::Recorded && !location.exists() {
        let message = format!(
            "nothing has been recorded yet in {}; say which gateway is meant with --config, or \
             GATEWAY_DATA_DIR",
            directory.display()
        );
        return Err(message.into());
    }
    let is_own = matches!(&location, Location::Sqlite(path) if path.starts_with(&directory));
    let is_free = || {
        Files::all(&directory)
            .iter()
            .all(|files| files.running().is_none())
    };
    Ok(match is_own && is_free() {
        true => Store::open(&location).await?,
        false => Store::open_beside(&location).await?,
    })
}

/// Reads who serves requests, as a gateway does when it starts. What cannot be used is said.
async fn serve(gateway: &Gateway, store: &Store, config: &Config) -> Result<(), Failure> {
    let sealer = Sealer::new(config.store.encryption_key.as_ref())?;
    let serving = store.serving(&sealer).await?;
    let (merged, problems) = snapshot::merged(config, &serving);
    problems.iter().for_each(|problem| warn(problem));
    gateway.serving.store(serving.into());
    match snapshot::build(merged.clone(), gateway.into()) {
        Ok(built) => gateway.replace(built),
        Err(problems) => {
            problems.iter().for_each(|problem| warn(problem));
            gateway.replace(Snapshot {
                config: merged,
                ..Snapshot::default()
            });
        }
    }
    Ok(())
}

/// Where a store is, for a gateway and a command to compare, whichever directory each was started in.
pub(in crate::cli) fn place(location: &Location) -> String {
    match location {
        Location::Postgres(url) => Secret::expose(url).to_owned(),
        Location::Sqlite(path) => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let name = whole.file_name().map(ToOwned::to_owned).unwrap_or_default();
            let folder = whole.parent().and_then(|folder| folder.canonicalize().ok());
            let whole = folder.map_or(whole, |folder| folder.join(name));
            whole.to_string_lossy().into_owned()
        }
    }
}
