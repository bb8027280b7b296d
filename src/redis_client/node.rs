//! One Redis server: a connection that comes back by itself, and a breaker. As long as the server does not answer
//! nobody asks it but [`Node::keep`], so that no request waits for a server that is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tokio::{sync::Notify, time};

use super::Error;
use crate::{config::RedisServers, telemetry::metrics::cache::RedisMetrics};

/// So many calls without an answer in a row, and the server is left alone.
const FAILURES: u32 = 5;
/// How long it is left alone then; each time that it does not answer after that, twice as long …
const PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long it is left alone where a connection broke that had not stood for long.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that stood so long counts as a good one.
const STEADY: Duration = Duration::from_secs(10);
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a server that nobody asks is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// One server.
pub struct Node {
    /// Host and port.
    pub address: String,
    client: Client,
    /// There while the server is asked.
    live: ArcSwapOption<MultiplexedConnection>,
    failures: AtomicU32,
    /// The connection was given up.
    lost: Notify,
    /// Whether that was because the server did not answer, rather than because the connection broke.
    is_slow: AtomicBool,
    /// How long a look at the server may take.
    patience: Duration,
    metrics: RedisMetrics,
}

impl Node {
    /// A server at `host`, not yet connected to: that is up to [`Node::keep`].
    pub(super) fn new(
        servers: &RedisServers,
        host: &(String, u16),
        patience: Duration,
        metrics: RedisMetrics,
    ) -> Result<Self, String> {
        let info = connection(servers, host).map_err(|error| error.to_string())?;
        Ok(Node {
            address: join(host),
            client: Client::open(info).map_err(|error| error.to_string())?,
            live: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            lost: Notify::new(),
            is_slow: AtomicBool::new(false),
            patience,
            metrics,
        })
    }

    /// Whether it is asked.
    pub fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// No answer within `deadline`, or one that is an error.
    pub async fn call(&self, command: &Cmd, deadline: Duration) -> Result<Value, Error> {
        let live = self.connection()?;
        let mut connection = (*live).clone();
        let asked = async {
            connection
                .send_packed_command(command)
                .await?
                .extract_error()
        };
        self.judge(&live, time::timeout(deadline, asked).await)
    }

    /// Asks several things at once. An answer that is an error stands among the others, as
    /// [`Value::ServerError`].
    ///
    /// # Errors
    /// Not all answers within `deadline`.
    pub async fn pipeline(
        &self,
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<Vec<Value>, Error> {
        let live = self.connection()?;
        let mut connection = (*live).clone();
        let asked = connection.send_packed_commands(commands, 0, commands.len());
        self.judge(&live, time::timeout(deadline, asked).await)
    }

    fn connection(&self) -> Result<Arc<MultiplexedConnection>, Error> {
        let away = || Error::Away(self.address.clone());
        self.live.load_full().ok_or_else(away)
    }

    /// What an answer says about the server.
    fn judge<T>(
        &self,
        live: &Arc<MultiplexedConnection>,
        answer: Result<RedisResult<T>, time::error::Elapsed>,
    ) -> Result<T, Error> {
        let error = match answer {
            Ok(Ok(value)) => {
                self.failures.store(0, Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                self.metrics.timeouts.inc();
                if self.failures.fetch_add(1, Relaxed) + 1 >= FAILURES {
                    self.lose(live, true);
                }
                return Err(Error::Timeout);
            }
        };
        let error = Error::from(&error);
        match error {
            Error::Broken(_) => {
                self.metrics.errors.inc();
                self.lose(live, false);
            }
            Error::Refused(_) => self.metrics.errors.inc(),
            _ => self.failures.store(0, Relaxed),
        }
        Err(error)
    }

    /// Gives a connection up, unless somebody else has.
    fn lose(&self, live: &Arc<MultiplexedConnection>, is_slow: bool) {
        let before = self.live.compare_and_swap(live, None);
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, live))
        {
            self.is_slow.store(is_slow, Relaxed);
            self.lost.notify_one();
        }
    }

    /// Keeps the connection for as long as it is polled.
    pub(super) async fn keep(&self) {
        let mut pause = Duration::ZERO;
        let mut is_known_away = false;
        loop {
            time::sleep(pause).await;
            let problem = match self.connect().await {
                Ok(()) => {
                    if std::mem::take(&mut is_known_away) {
                        log::info!("redis {}: answers again", self.address);
                    }
                    let since = Instant::now();
                    self.watch().await;
                    if since.elapsed() > STEADY {
                        pause = Duration::ZERO;
                    }
                    match self.is_slow.load(Relaxed) {
                        true => format!("{FAILURES} calls in a row without an answer in time"),
                        // It may well be there at once: a restart, a firewall that forgets.
                        false => {
                            pause = match since.elapsed() > STEADY {
                                true => Duration::ZERO,
                                false => (pause * 2).clamp(SHORT_PAUSE, LONGEST_PAUSE),
                            };
                            continue;
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            if !std::mem::replace(&mut is_known_away, true) {
                log::warn!(
                    "redis {}: {problem}; it is left alone until it answers",
                    self.address
                );
            }
            pause = (pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        }
    }

    /// Connects, and lets the connection be used once it answers as fast as look-ups need it to.
    async fn connect(&self) -> Result<(), Error> {
        let connected = time::timeout(CONNECT, self.open(&usual())).await;
        let connected = connected.map_err(|_| Error::Timeout)?;
        let mut connection = connected.map_err(|error| Error::from(&error))?;
        time::timeout(
            self.patience,
            connection.send_packed_command(&redis::cmd("PING")),
        )
        .await
        .map_err(|_| Error::Timeout)?
        .map_err(|error| Error::from(&error))?;
        self.failures.store(0, Relaxed);
        self.live.store(Some(Arc::new(connection)));
        Ok(())
    }

    /// A connection of one's own.
    pub(super) async fn open(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        self.client
            .get_multiplexed_async_connection_with_config(config)
            .await
    }

    /// Another client for the same server, which speaks the protocol that has messages.
    pub(super) fn subscriber(&self) -> Result<Client, RedisError> {
        let info = self.client.get_connection_info().clone();
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
        Client::open(info.set_redis_settings(settings))
    }

    /// Until the connection is given up. A server that nobody asks is asked now and then.
    async fn watch(&self) {
        while time::timeout(LOOK, self.lost.notified()).await.is_err() {
            // What comes of it is judged there.
            let _ = self.call(&redis::cmd("PING"), self.patience).await;
        }
    }
}

/// How the library is to behave: deadlines are kept here.
pub(super) fn usual() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

fn join((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn connection(servers: &RedisServers, (host, port): &(String, u16)) -> RedisResult<ConnectionInfo> {
    let (host, port) = (host.clone(), *port);
    let address = match servers.has_tls {
        true => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host, port),
    };
    let mut settings = RedisConnectionInfo::default().set_db(i64::from(servers.database));
    if let Some(user) = &servers.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &servers.password {
        settings = settings.set_password(password.expose());
    }
    let info = address.into_connection_info()?;
    // A command is written at once, not held back for the answer to the one before.
    let tcp = TcpSettings::default().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}
