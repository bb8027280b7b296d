//! From a configuration to a running process: sockets, state, Pingora's server and its services.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use async_trait::async_trait;
use log::LevelFilter;
use parking_lot::Mutex;
use pingora::{
    apps::{HttpServerOptions, ServerApp},
    listeners::{ListenerConfig, tls::TlsSettings},
    protocols::l4::stream::L4BufferSettings,
    server::{
        ListenFds, RunArgs, Server, ShutdownWatch,
        configuration::{Opt, ServerConf},
    },
    services::{Service as PingoraService, background::background_service, listening::Service},
};
use pingora_proxy::http_proxy;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    admin::Admin,
    config::{Config, Loaded, LogFormat, LogLevel},
    gateway::Gateway,
    providers::pricing,
    proxy::{Proxy, connection::Connections},
    snapshot,
    tasks::{
        CacheKeeper, Closing, LimitsKeeper, Tasks, UsageKeeper, reload::Source, store::Records,
    },
    telemetry::{logging, metrics::Metrics},
    upstream::{client::Client, discovery::Which},
    usage::journal::{self, Journal},
};

/// More attempts than any plan is long: the policy is `proxy::attempt`'s alone.
const MAX_ATTEMPTS: usize = 1000;
/// Idle connections to providers that are kept.
const POOL_SIZE: usize = 1024;
/// What a TLS connection is read by: a record.
const TLS_RECORD: usize = 16 << 10;

const NO_PROVIDER: &str = "no provider is configured. Set a key, for example OPENAI_API_KEY, name a file with \
     --config, add one with `gateway provider add`, or try --demo. `gateway config catalog` lists the \
     providers that are known.";

/// How long the start waits for name servers.
const FIRST_LOOKUP: Duration = Duration::from_secs(2);

/// How the process is to be started.
pub struct Start {
    /// Where the configuration comes from.
    pub source: Source,
    /// The configuration, read.
    pub loaded: Loaded,
    /// Whether to take the sockets over from the process that serves now.
    pub upgrade: bool,
    /// Where the gateway keeps its own files.
    pub directory: PathBuf,
    /// Where that process expects its successor.
    pub upgrade_socket: PathBuf,
    /// The socket of the built-in provider.
    pub demo: Option<TcpListener>,
    /// Called once both ports are bound, with their addresses.
    pub on_bound: OnBound,
    /// Called last, when every request is over.
    pub at_exit: Arc<dyn Fn() + Send + Sync>,
}

/// What to do once both ports are bound.
pub type OnBound = Box<dyn Fn(&Bound, &Gateway) + Send + Sync>;

/// Where the process listens.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The clients' port.
    pub proxy: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
}

/// Serves until the process is told to end. Returns after SIGINT only; every other end leaves
/// through `tasks::drain`.
///
/// # Errors
/// Sentences for the operator: a port that is taken, a provider that cannot be built.
pub fn run(start: Start) -> Result<(), Vec<String>> {
    let config = start.loaded.config.clone();
    let metrics = Metrics::new().map_err(|error| vec![error.to_string()])?;
    let is_json = config.telemetry.log.format == LogFormat::Json;
    logging::install(
        is_json,
        level(config.telemetry.log.level),
        metrics.log_lines_dropped.clone(),
    );
    for warning in &start.loaded.warnings {
        log::warn!("{warning}");
    }
    let gateway = Arc::new(Gateway::new(metrics));
    // What was spent is told to limits as they will be.
    gateway.limit_by(&config);
    gateway.written.store(config.clone().into());
    let records = Records::new(&config.store, &start.directory);
    let mut records = records.map_err(|error| vec![error.to_string()])?;
    read_records(&gateway, &mut records);
    let (merged, left_out) = snapshot::merged(&config, &gateway.serving.load());
    for problem in left_out {
        log::warn!("{problem}; it is left out");
    }
    if merged.providers.is_empty() {
        return Err(vec![NO_PROVIDER.to_owned()]);
    }
    let built = snapshot::build(merged, (&*gateway).into());
    gateway.replace(built?);
    if records.has_store() {
        keep_journal(&gateway, &config, &start.directory)?;
    }
    look_names_up(&gateway);

    let listen = &config.listen;
    let wanted = Bound {
        proxy: SocketAddr::new(listen.address, listen.port),
        admin: SocketAddr::new(listen.address, listen.admin_port),
    };
    let (proxy_socket, admin_socket) = if start.upgrade {
        (None, None)
    } else {
        (
            Some(bind(wanted.proxy, "GATEWAY_PORT")?),
            Some(bind(wanted.admin, "GATEWAY_ADMIN_PORT")?),
        )
    };
    let bound = |socket: &Option<TcpListener>, wanted: SocketAddr| {
        socket
            .as_ref()
            .and_then(|socket| socket.local_addr().ok())
            .unwrap_or(wanted)
    };
    let bound = Bound {
        proxy: bound(&proxy_socket, wanted.proxy),
        admin: bound(&admin_socket, wanted.admin),
    };

    let options = Opt {
        upgrade: start.upgrade,
        ..Opt::default()
    };
    let mut server = Server::new_with_opt_and_conf(options, server_configuration(&config, &start));
    server.bootstrap();
    (start.on_bound)(&bound, &gateway);
    let proxy =
        proxy_service(&gateway, &server, &config, wanted.proxy).map_err(|error| vec![error])?;
    server.add_service(Prebound::new(proxy, wanted.proxy, proxy_socket));
    let admin = Admin::new(gateway.clone());
    // Set once: nothing was there before.
    let _ = gateway.management.set(admin.on_client_port());
    let mut admin = Service::new("admin".into(), admin);
    admin.threads = Some(1);
    admin.add_tcp(&key("admin", wanted.admin));
    server.add_service(Prebound::new(admin, wanted.admin, admin_socket));
    let keeper = CacheKeeper(gateway.clone());
    server.add_service(background_service("cache", keeper));
    let keeper = LimitsKeeper(gateway.clone());
    server.add_service(background_service("limits", keeper));
    let closing = Arc::new(Closing::default());
    let keeper = UsageKeeper {
        gateway: gateway.clone(),
        closing: closing.clone(),
    };
    server.add_service(background_service("usage", keeper));
    let tasks = Tasks {
        gateway,
        source: start.source,
        directory: start.directory,
        closing,
        records,
        demo: Mutex::new(start.demo),
        at_exit: start.at_exit.clone(),
    };
    server.add_service(background_service("tasks", tasks));
    server.run(RunArgs::default());
    (start.at_exit)();
    logging::flush();
    Ok(())
}

/// Begins the record of requests.
fn keep_journal(gateway: &Gateway, config: &Config, directory: &Path) -> Result<(), Vec<String>> {
    let usage = &config.usage;
    if !usage.enabled {
        return Ok(());
    }
    // Read now, so that the first request need not.
    pricing::embedded();
    let options = journal::Options {
        folder: directory.join("usage"),
        max_bytes: usage.journal_max_bytes.0 as u64,
        fsync: usage.fsync,
    };
    match Journal::open(&options, gateway.metrics.usage.clone()) {
        Ok(journal) => gateway.keep_journal(Arc::new(journal)),
        // Who has set up a database wants a record.
        Err(error) if config.store.database_url.is_some() => return Err(vec![error.to_string()]),
        Err(error) => log::warn!("no usage is recorded: {error}"),
    }
    Ok(())
}

/// Keys are there before the first request, and before the process that served until now hands its
/// sockets over.
fn read_records(gateway: &Gateway, records: &mut Records) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(records.read_first(gateway));
            runtime.shutdown_background();
        }
        Err(error) => log::error!("cannot read the store: {error}"),
    }
}

/// So that the first request finds addresses. A name that has none delays the start a little and
/// does not prevent it.
fn look_names_up(gateway: &Gateway) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let _ = runtime.block_on(async {
                // From here on SIGHUP does not end the process, though `tasks::reload` is not
                // listening yet.
                let _ = signal(SignalKind::hangup());
                let client = Client::default();
                let first = async {
                    futures::join!(
                        gateway.hosts.refresh(Which::All),
                        gateway.tokens.refresh(&client)
                    )
                };
                tokio::time::timeout(FIRST_LOOKUP, first).await
            });
            runtime.shutdown_background();
        }
        Err(error) => log::error!("cannot look names up: {error}"),
    }
}

fn proxy_service(
    gateway: &Arc<Gateway>,
    server: &Server,
    config: &Config,
    address: SocketAddr,
) -> Result<Service<Connections>, String> {
    let mut proxy = http_proxy(&server.configuration, Proxy::new(gateway.clone()));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(config.listen.head_timeout_seconds.duration());
    proxy.server_options = Some(options);
    let mut service = Service::new("proxy".into(), Connections::new(gateway.clone(), proxy));
    let listener = ListenerConfig::tcp(key("proxy", address));
    service.add_listener(match &config.listen.tls {
        // Heads and bodies are read into buffers of their own, and written by `gather`.
        None => listener.l4_buffer(L4BufferSettings::unbuffered()),
        Some(tls) => {
            let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
            let mut settings = TlsSettings::intermediate(&path(&tls.certificate), &path(&tls.key))
                .map_err(|error| format!("listen.tls: {error}"))?;
            settings.enable_h2();
            let record = L4BufferSettings::default().read(TLS_RECORD);
            listener.tls(settings).l4_buffer(record)
        }
    });
    Ok(service)
}

fn server_configuration(config: &Config, start: &Start) -> ServerConf {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let drain = config.listen.drain_timeout_seconds.duration();
    ServerConf {
        threads: config.listen.threads.unwrap_or(cores),
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: POOL_SIZE,
        upgrade_sock: start.upgrade_socket.to_string_lossy().into_owned(),
        // `tasks::drain` ends the process; this is only the time after which Pingora would.
        grace_period_seconds: Some(drain.as_secs().saturating_add(60)),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    }
}

fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener, Vec<String>> {
    let bound = TcpListener::bind(address);
    // Tokio asks for this of every socket that it takes over.
    let bound = bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    bound.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another process uses it; stop that one (`gateway stop`), or set {variable} to another port"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 need a privilege; set {variable} to a higher one")
            }
            _ => error.to_string(),
        };
        vec![format!("cannot listen on {address}: {hint}")]
    })
}

/// The name of a socket in Pingora's table. Two sockets may both be asked for on port 0, so the
/// address alone would not tell them apart.
fn key(service: &str, address: SocketAddr) -> String {
    format!("{service}:{address}")
}

/// A service whose socket was bound before the server started, so that a port that is taken is
/// said at once, and its number is known where the system chose it. The socket is handed over
/// through Pingora's own table, as in an upgrade.
struct Prebound<A> {
    service: Service<A>,
    address: SocketAddr,
    key: String,
    socket: Option<TcpListener>,
}

impl<A: ServerApp + Send + Sync + 'static> Prebound<A> {
    /// The socket to put into the table; `None` where a process before has left one there.
    fn socket(&mut self, fds: &ListenFds) -> Option<TcpListener> {
        if let Some(socket) = self.socket.take() {
            return Some(socket);
        }
        if fds.lock().get(&self.key).is_some() {
            return None;
        }
        // An upgrade to a configuration with another port finds nothing to take over.
        let bound = TcpListener::bind(self.address);
        let bound = bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        match bound {
            Ok(socket) => Some(socket),
            Err(error) => {
                log::error!("cannot listen on {}: {error}", self.address);
                logging::flush();
                std::process::exit(1);
            }
        }
    }

    fn new(service: Service<A>, address: SocketAddr, socket: Option<TcpListener>) -> Self {
        Prebound {
            key: key(service.name(), address),
            service,
            address,
            socket,
        }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> PingoraService for Prebound<A> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        per_fd: usize,
    ) {
        if let Some(fds) = &fds
            && let Some(socket) = self.socket(fds)
        {
            fds.lock().add(self.key.clone(), socket.into_raw_fd());
        }
        self.service.start_service(fds, shutdown, per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Some(vec![self.key.clone()])
    }
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}
