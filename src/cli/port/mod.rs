//! How commands ask: the operations of the admin interface, of the gateway that runs, or, where none does, on
//! the store itself. Either way it is the same operation, so that what is refused, and what is answered, is
//! the same.

mod console;
mod find;
mod local;
mod pages;
mod path;
mod remote;
mod said;

use std::{cell::RefCell, path::PathBuf};

use clap::Args;
use http::Method;
use serde_json::Value;

pub(super) use local::place;
pub(super) use path::{at, with_query};

use super::{
    failure::{Failure, Kind, warn},
    process::Target,
};
use crate::{
    config::{Config, Environment},
    store::{Store, credentials::seal::Sealer},
};
use find::Found;
use local::Local;
use remote::Remote;

/// Names the admin port of a gateway, as `--admin-url` does.
const ADMIN_URL: &str = "GATEWAY_ADMIN_URL";

/// Which gateway is meant.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Of {
    /// The configuration file that the gateway is started with; GATEWAY_CONFIG, or the environment alone,
    /// unless given
    #[arg(long, short, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// The port that it serves
    #[arg(long)]
    pub(in crate::cli) port: Option<u16>,
    /// The admin port of a gateway that runs, such as http://gateway:4081: it is asked, and never the store;
    /// GATEWAY_ADMIN_URL
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) admin_url: Option<String>,
}

/// What a command needs where no gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Needs {
    /// The store's records.
    Records,
    /// A store that there is already.
    Recorded,
    /// Who serves requests.
    Serving,
    /// The same, with the addresses of providers.
    Calling,
}

/// Whom a command asks.
pub(in crate::cli) struct Port {
    way: Way,
    /// What is to be said before something changes.
    note: RefCell<Option<String>>,
}

enum Way {
    /// A gateway that runs.
    Remote(Remote),
    /// The store itself.
    Local(Box<Local>),
}

/// Does something by whom the command line means: a gateway that runs, else the store.
///
/// # Errors
/// What keeps it from being done.
pub(in crate::cli) fn with<T>(
    of: &Of,
    needs: Needs,
    work: impl AsyncFnOnce(&Port) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        let port = Port::open(of, needs).await?;
        let done = work(&port).await;
        if let Way::Local(local) = &port.way {
            local.close().await;
        }
        done
    })
}

/// A store that a command works on itself, whether a gateway runs or not.
pub(in crate::cli) struct Opened {
    /// The store.
    pub(in crate::cli) store: Store,
    /// The configuration that names it.
    pub(in crate::cli) config: Config,
    /// What opens its credentials.
    pub(in crate::cli) sealer: Sealer,
}

/// Does something with the store itself, where there is one: what looks at every request of a long time is
/// no work for a gateway.
///
/// # Errors
/// What keeps it from being done.
pub(in crate::cli) fn on_store<T>(
    of: &Of,
    work: impl AsyncFnOnce(&Opened) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if of.admin_url.is_some() {
        let message = "this works on the store itself: leave --admin-url out, and say by --config, \
                       GATEWAY_DATABASE_URL or GATEWAY_DATA_DIR which one is meant";
        return Err(Failure::usage(message));
    }
    block_on(async {
        let (config, environment) = of.read()?;
        let store = local::open_store(&config, &environment, Needs::Recorded).await?;
        let opened = Opened {
            sealer: Sealer::new(config.store.encryption_key.as_ref())?,
            config,
            store,
        };
        let done = work(&opened).await;
        opened.store.close().await;
        done
    })
}

/// What [`with`] does, for what only a gateway that runs can answer.
///
/// # Errors
/// `Unreachable` where none does.
pub(in crate::cli) fn running<T>(
    of: &Of,
    work: impl AsyncFnOnce(&Port) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        let (config, environment) = of.read()?;
        let remote = match find::find(of, &config, &environment).await? {
            Found::Here(remote) => remote,
            Found::Unusable(why) => return Err(Failure::new(Kind::Unreachable, why)),
            Found::Nobody => return Err(find::nobody(&config)),
        };
        work(&Port::new(Way::Remote(remote), None)).await
    })
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // What has been left behind holds nobody up.
    runtime.shutdown_background();
    done
}

impl Of {
    fn read(&self) -> Result<(Config, Environment), Failure> {
        let environment = Environment::of_process();
        let target = Target {
            config: self.config.clone(),
            port: self.port,
        };
        Ok((target.config(&environment)?, environment))
    }

    /// The admin port that was named.
    fn url(&self, environment: &Environment) -> Option<String> {
        let named = self.admin_url.as_deref();
        let named = named.or_else(|| environment.get(ADMIN_URL));
        named.map(|url| url.trim_end_matches('/').to_owned())
    }
}

impl Port {
    fn new(way: Way, note: Option<String>) -> Self {
        let note = RefCell::new(note);
        Port { way, note }
    }

    async fn open(of: &Of, needs: Needs) -> Result<Self, Failure> {
        let (config, environment) = of.read()?;
        let note = match find::find(of, &config, &environment).await? {
            Found::Here(remote) => return Ok(Port::new(Way::Remote(remote), None)),
            Found::Unusable(why) => Some(format!("{why}; the store itself is changed")),
            Found::Nobody => None,
        };
        let local = Local::open(config, &environment, needs).await?;
        Ok(Port::new(Way::Local(Box::new(local)), note))
    }

    /// The configuration, where the store itself is asked.
    pub(in crate::cli) fn configuration(&self) -> Option<&Config> {
        match &self.way {
            Way::Remote(_) => None,
            Way::Local(local) => Some(&local.config),
        }
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// What was refused, and why; that nobody answers.
    pub(in crate::cli) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        if method != Method::GET
            && let Some(note) = self.note.take()
        {
            warn(&note);
        }
        let (status, bytes) = match &self.way {
            Way::Remote(remote) => remote.ask(method, path, body).await?,
            Way::Local(local) => local.ask(method, path, body).await?,
        };
        let who = match &self.way {
            Way::Remote(remote) => remote.url(),
            Way::Local(_) => "the store",
        };
        said::read(status, &bytes, path, who)
    }

    /// Looks something up.
    ///
    /// # Errors
    /// Those of [`Port::ask`].
    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// Looks something up that need not be there.
    ///
    /// # Errors
    /// Those of [`Port::ask`], but for that.
    pub(in crate::cli) async fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.get(path).await {
            Err(failure) if failure.kind == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Makes or does something.
    ///
    /// # Errors
    /// Those of [`Port::ask`].
    pub(in crate::cli) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Changes something.
    ///
    /// # Errors
    /// Those of [`Port::ask`].
    pub(in crate::cli) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// Deletes something.
    ///
    /// # Errors
    /// Those of [`Port::ask`].
    pub(in crate::cli) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, None).await
    }
}
