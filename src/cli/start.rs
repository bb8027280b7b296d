//! `gateway start`: reads the configuration, says what it found, and serves.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;

use super::{
    fail, port,
    process::{Files, data_directory},
};
use crate::{
    config::{Config, Environment, Flags},
    gateway::Gateway,
    server::{self, Bound, Start},
    store::Location,
    tasks::reload::Source,
};

/// How to start.
#[derive(Debug, Clone, Args)]
pub struct StartArguments {
    /// The configuration file; GATEWAY_CONFIG, or the environment alone, unless given
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Add a built-in provider that answers without a key and without a network
    #[arg(long)]
    demo: bool,
    /// The port that clients call
    #[arg(long)]
    port: Option<u16>,
    /// The port of the admin interface
    #[arg(long)]
    admin_port: Option<u16>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// No authentication and verbose logs
    #[arg(long)]
    dev: bool,
    /// Take the sockets over from the process that serves now
    #[arg(long, hide = true)]
    upgrade: bool,
}

/// Serves until the process is told to end.
pub(super) fn run(arguments: &StartArguments) -> ExitCode {
    match prepare(arguments).and_then(server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => fail(problems),
    }
}

fn prepare(arguments: &StartArguments) -> Result<Start, Vec<String>> {
    let demo = match arguments.demo {
        true => Some(
            TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
                .map_err(|error| vec![format!("the demo provider cannot listen: {error}")])?,
        ),
        false => None,
    };
    let environment = Environment::of_process();
    let mut source = Source {
        file: arguments.config.clone(),
        environment: environment.clone(),
        flags: Flags {
            port: arguments.port,
            admin_port: arguments.admin_port,
            bind: arguments.bind,
            dev: arguments.dev,
            demo: arguments.demo,
        },
        demo_port: demo
            .as_ref()
            .and_then(|socket| Some(socket.local_addr().ok()?.port())),
        seen: None,
    };
    source.seen = source.stamp();
    let loaded = source
        .load()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let files = Files::of(&loaded.config, &environment);
    let directory = data_directory(&loaded.config, &environment);
    let (at_exit, config) = (files.clone(), loaded.config.clone());
    let upgrade_socket = files.socket.clone();
    let is_successor = arguments.upgrade;
    let location = Location::of(config.store.database_url.as_ref(), &directory);
    let location = location.map_err(|error| vec![error.to_string()])?;
    let store = port::place(&location);
    let kept_in = directory.clone();
    Ok(Start {
        source,
        loaded,
        demo,
        upgrade: arguments.upgrade,
        upgrade_socket,
        directory: kept_in,
        on_bound: Box::new(move |bound, gateway| {
            match files.claim(bound.admin, is_successor) {
                Ok(token) => gateway.proof.keep(token, store.clone()),
                Err(error) => log::warn!(
                    "{}: {error}; commands will not find this process",
                    files.pid.display()
                ),
            }
            greet(&config, bound, gateway, &directory);
        }),
        at_exit: Arc::new(move || at_exit.release()),
    })
}

/// What a person wants to know at once. On standard error: standard output is for log lines.
#[expect(clippy::print_stderr, reason = "the command line speaks to a terminal")]
fn greet(config: &Config, bound: &Bound, gateway: &Gateway, directory: &std::path::Path) {
    let scheme = if config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let snapshot = gateway.snapshot();
    let names: Vec<&str> = snapshot.router.members.keys().map(AsRef::as_ref).collect();
    let is_open = snapshot.keys.is_open();
    let host = match bound.proxy.ip().is_unspecified() {
        true => format!("localhost:{}", bound.proxy.port()),
        false => bound.proxy.to_string(),
    };
    let mut said = format!(
        "ai-gateway {}\nlistening on {scheme}://{}\nadmin on http://{}\nproviders: {} ({} models)\ndata in {}\n",
        env!("CARGO_PKG_VERSION"),
        bound.proxy,
        bound.admin,
        names.join(", "),
        snapshot.router.models().len(),
        directory.display(),
    );
    if is_open {
        said.push_str("open: no client key is asked for; set GATEWAY_API_KEY to ask for one\n");
    }
    let key = if is_open { "any" } else { "YOUR_GATEWAY_KEY" };
    // In one piece, so that whoever waits for a line finds the others as well.
    eprintln!(
        "{said}point a client at it: OPENAI_BASE_URL={scheme}://{host}/v1 OPENAI_API_KEY={key}"
    );
}
