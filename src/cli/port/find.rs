//! Finding the gateway that runs. The master key goes to nobody who has not shown who it is: a gateway leaves
//! its address and a token in its data directory, and answers a challenge by the token; a port that it has
//! left, or that somebody else has taken, answers none. Who is named by `--admin-url` need only be a gateway.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::{Of, Remote, local::place, said};
use crate::{
    admin::identity::Identity,
    cli::{
        failure::{Failure, Kind},
        process::{Files, data_directory},
    },
    config::{Config, Environment},
    gateway::proof::Token,
    store::Location,
};

/// How long a gateway may take to say who it is,
const PATIENCE: Duration = Duration::from_secs(3);
/// and one that has just started to open its store.
const OPENING: Duration = Duration::from_secs(3);
/// How often it is looked whether it has.
const EACH: Duration = Duration::from_millis(50);

/// Whether a gateway runs.
pub(super) enum Found {
    /// It does, and may be asked.
    Here(Remote),
    /// It seems to, but cannot be asked: why.
    Unusable(String),
    /// None does, or it has another store than the one that is meant.
    Nobody,
}

/// Looks for the gateway that is meant.
///
/// # Errors
/// Where one was named that cannot be asked.
pub(super) async fn find(
    of: &Of,
    config: &Config,
    environment: &Environment,
) -> Result<Found, Failure> {
    let key = config.auth.master_key.clone();
    if let Some(url) = of.url(environment) {
        let remote = Remote::new(url);
        let (status, body) = remote
            .ask_within(PATIENCE, Method::GET, "/admin/identity", None)
            .await?;
        let known = said::read(status, &body, "/admin/identity", remote.url())?;
        if known.get("version").and_then(Value::as_str).is_none() {
            let url = remote.url();
            let message = format!(
                "whoever answers at {url} is no gateway's admin port; the master key was not sent"
            );
            return Err(message.into());
        }
        return Ok(Found::Here(remote.with_key(key)));
    }
    let own = Files::of(config, environment);
    let mut found = look(&own, config, environment).await;
    // Another port's gateway has the same store, where nothing says that it is not meant.
    if matches!(found, Found::Nobody) && of.config.is_none() && of.port.is_none() {
        for files in Files::all(&data_directory(config, environment)) {
            if files.pid != own.pid && matches!(found, Found::Nobody) {
                found = look(&files, config, environment).await;
            }
        }
    }
    Ok(found)
}

/// Says that no gateway runs.
pub(super) fn nobody(config: &Config) -> Failure {
    let listen = &config.listen;
    let message = format!(
        "no gateway runs at http://{}:{}; start it with `gateway start`, or say which one is meant with \
         --config or --admin-url",
        listen.address, listen.admin_port
    );
    Failure::new(Kind::Unreachable, message)
}

/// Asks the gateway that these files name.
async fn look(files: &Files, config: &Config, environment: &Environment) -> Found {
    let Some(pid) = files.running() else {
        return Found::Nobody;
    };
    let Some((address, token)) = files.admin() else {
        return Found::Unusable(format!(
            "a gateway runs (process {pid}), and {} does not say where its admin port is",
            files.admin.display()
        ));
    };
    let remote = Remote::new(format!("http://{address}"));
    match known(&remote, &token, config, environment).await {
        Ok(true) => {}
        Ok(false) => return Found::Nobody,
        Err(failure) => return Found::Unusable(failure.message),
    }
    let remote = remote.with_key(config.auth.master_key.clone());
    let asked = remote.ask_within(PATIENCE, Method::GET, "/admin/self", None);
    let said = asked
        .await
        .and_then(|(status, body)| said::read(status, &body, "/admin/self", remote.url()));
    match said {
        Ok(said) if said.get("admin").is_some_and(|admin| admin == "write") => Found::Here(remote),
        Ok(_) => Found::Unusable(format!(
            "the gateway at {} does not take this key for its master key",
            remote.url()
        )),
        Err(failure) => {
            let url = remote.url();
            Found::Unusable(format!(
                "the gateway at {url} is not asked: {}",
                failure.message
            ))
        }
    }
}

/// Whether it is the gateway that has left the token, and has the store that is meant.
async fn known(
    remote: &Remote,
    token: &Token,
    config: &Config,
    environment: &Environment,
) -> Result<bool, Failure> {
    let challenge = Token::new().ok_or_else(|| "the system gives no random numbers".to_owned())?;
    let challenge = challenge.text();
    let path = format!("/admin/identity?challenge={challenge}");
    let began = Instant::now();
    let store = loop {
        let asked = remote.ask_within(PATIENCE, Method::GET, &path, None);
        let (status, body) = asked.await?;
        let said = said::read(status, &body, "/admin/identity", remote.url());
        let said = said.ok().and_then(|said| serde_json::from_value(said).ok());
        let Some(said) = said else {
            return Err(stranger(remote));
        };
        let said: Identity = said;
        let is_it = |proof| proof == token.prove(challenge, None);
        if !said.process.is_some_and(is_it) {
            return Err(stranger(remote));
        }
        if said.is_open {
            break said.store;
        }
        if began.elapsed() > OPENING {
            let url = remote.url();
            return Err(format!("the gateway at {url} has not opened its store").into());
        }
        tokio::time::sleep(EACH).await;
    };
    let directory = data_directory(config, environment);
    let location = Location::of(config.store.database_url.as_ref(), &directory)?;
    let meant = token.prove(challenge, Some(&place(&location)));
    Ok(store.is_some_and(|proof| proof == meant))
}

fn stranger(remote: &Remote) -> Failure {
    let url = remote.url();
    let message = format!(
        "whoever answers at {url} is not the gateway of this data directory; the master key was not sent"
    );
    message.into()
}
