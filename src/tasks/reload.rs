//! Reads the configuration anew when its file has changed or SIGHUP asks for it. It is checked
//! first and applied whole or not at all. The file is looked at once a second rather than
//! watched: that sees an editor's rename, a ConfigMap's symbolic link and a mounted file alike.

use std::{path::PathBuf, time::Duration};

use log::Level;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::{self, Config, Environment, Flags, Loaded, Stamp},
    gateway::Gateway,
    secret::Secret,
    snapshot,
    telemetry::logging::{event, write_event},
    upstream::discovery::Which,
    yaml::Problem,
};

const LOOK: Duration = Duration::from_secs(1);

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment that the process was started with.
    pub environment: Environment,
    /// What the command line says.
    pub flags: Flags,
    /// The port of the built-in provider, where it is asked for.
    pub demo_port: Option<u16>,
    /// The file's state before it was first read, so that no change after that goes unseen.
    pub seen: Option<Stamp>,
}

impl Source {
    /// Reads everything and checks it.
    ///
    /// # Errors
    /// Every problem that could be found.
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let mut loaded = config::load(self.file.as_deref(), &self.environment, &self.flags)?;
        if let Some(port) = self.demo_port {
            add_demo(&mut loaded.config, port);
        }
        Ok(loaded)
    }

    /// The file's state now; `None` where there is no file.
    pub fn stamp(&self) -> Option<Stamp> {
        let named = || self.environment.get("GATEWAY_CONFIG").map(PathBuf::from);
        config::stamp(&self.file.clone().or_else(named)?)
    }
}

/// The built-in provider answers for every model that nobody else serves.
fn add_demo(config: &mut Config, port: u16) {
    let demo = config::Provider {
        base_url: Some(format!("http://127.0.0.1:{port}/v1")),
        api_key: Some(Secret::new("demo")),
        models: vec!["demo".into(), "*".into()],
        priority: i32::MAX,
        ..config::Provider::default()
    };
    config.providers.insert("demo".into(), demo);
    config.default_model.get_or_insert_with(|| "demo".into());
}

/// Reloads for as long as the process lives.
pub(super) async fn watch(gateway: &Gateway, source: &Source) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        log::error!("cannot listen for SIGHUP; the configuration is reloaded on file changes only");
        return std::future::pending().await;
    };
    let mut seen = source.seen;
    let mut seen_prices = gateway.written.load().pricing.seen;
    loop {
        tokio::select! {
            _ = hang_up.recv() => {}
            () = tokio::time::sleep(LOOK) => {
                // A file that is gone is being replaced; its successor will be seen.
                let is_new = |now: Option<Stamp>, seen| now.is_some() && now != seen;
                if !is_new(source.stamp(), seen) && !is_new(prices(gateway), seen_prices) {
                    continue;
                }
            }
        }
        (seen, seen_prices) = (source.stamp(), prices(gateway));
        if apply(gateway, source).await {
            seen_prices = gateway.written.load().pricing.seen;
        }
    }
}

/// The state of the file of prices now.
fn prices(gateway: &Gateway) -> Option<Stamp> {
    let written = gateway.written.load();
    config::stamp(written.pricing.file.as_deref()?)
}

/// Whether it could be.
async fn apply(gateway: &Gateway, source: &Source) -> bool {
    match reload(gateway, source).await {
        Ok(restart) => {
            gateway
                .metrics
                .reloads
                .with_label_values(&["applied"])
                .inc();
            let restart = restart.join(", ");
            let needs = [("takes_effect_at_restart", restart.as_str())];
            event(
                "config_reloaded",
                if restart.is_empty() { &[] } else { &needs },
            );
            true
        }
        Err(problems) => {
            gateway
                .metrics
                .reloads
                .with_label_values(&["rejected"])
                .inc();
            for problem in problems {
                write_event(Level::Error, "config_rejected", &[("problem", &problem)]);
            }
            false
        }
    }
}

/// Gives back the settings that changed and need a restart.
async fn reload(gateway: &Gateway, source: &Source) -> Result<Vec<&'static str>, Vec<String>> {
    let loaded = source
        .load()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    let restart = needs_restart(&gateway.written.load(), &loaded.config);
    let turn = gateway.building.lock().await;
    build(gateway, &loaded.config).await?;
    gateway.written.store(loaded.config.into());
    drop(turn);
    Ok(restart)
}

/// Serves by the configuration that was read last and by what the store adds to it now.
///
/// # Errors
/// A sentence for the operator for each provider that cannot be built.
pub(super) async fn rebuild(gateway: &Gateway) -> Result<(), Vec<String>> {
    let turn = gateway.building.lock().await;
    let written = gateway.written.load_full();
    let built = build(gateway, &written).await;
    drop(turn);
    built
}

async fn build(gateway: &Gateway, written: &Config) -> Result<(), Vec<String>> {
    let (config, left_out) = snapshot::merged(written, &gateway.serving.load());
    for problem in left_out {
        log::warn!("{problem}; it is left out");
    }
    let built = snapshot::build(config, gateway.into());
    if built.is_err() {
        gateway.hosts.forget_unused();
    }
    let snapshot = built?;
    gateway.hosts.refresh(Which::Unknown).await;
    gateway.replace(snapshot);
    Ok(())
}

fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.listen, &new.listen);
    [
        ("listen.address", a.address != b.address),
        ("listen.port", a.port != b.port),
        ("listen.admin_port", a.admin_port != b.admin_port),
        ("listen.tls", a.tls != b.tls),
        ("listen.threads", a.threads != b.threads),
        (
            "telemetry.log.format",
            old.telemetry.log.format != new.telemetry.log.format,
        ),
        (
            "telemetry.log.level",
            old.telemetry.log.level != new.telemetry.log.level,
        ),
        ("usage.enabled", old.usage.enabled != new.usage.enabled),
        (
            "usage.journal_max_bytes",
            old.usage.journal_max_bytes != new.usage.journal_max_bytes,
        ),
        ("usage.fsync", old.usage.fsync != new.usage.fsync),
        ("data_dir", old.data_dir != new.data_dir),
        (
            "store.database_url",
            old.store.database_url != new.store.database_url,
        ),
    ]
    .into_iter()
    .filter_map(|(name, is_changed)| is_changed.then_some(name))
    .collect()
}
