//! A provider that does what a test tells it to, and remembers exactly what it was sent.

mod http1;
mod http2;
mod read;
mod record;
mod script;
mod wire;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub use record::{Exchange, State};
pub use script::{Ending, Gate, Script, Step};

use super::{PATIENCE, tls::Authority};
use record::Recorder;

/// The HTTP version that an upstream speaks.
#[derive(Clone)]
enum Speaks {
    Http1,
    /// HTTP/2 with prior knowledge.
    H2c,
    /// TLS; HTTP/2 where ALPN agrees on it.
    Tls(TlsAcceptor),
}

/// A server on a free loopback port. Dropping it closes the port and every connection.
pub struct ScriptedUpstream {
    pub address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What the connections of one upstream share.
struct Shared {
    scripts: Mutex<VecDeque<Script>>,
    recorder: Recorder,
}

impl Shared {
    /// The script of the next request; the last one repeats.
    fn next(&self) -> Script {
        let mut scripts = self.scripts.lock().expect("no panic while locked");
        match scripts.len() {
            0 => Script::json(200, "{}"),
            1 => scripts[0].clone(),
            _ => scripts.pop_front().expect("not empty"),
        }
    }

    /// Takes the next script only if it is to close a new connection at once.
    fn closes_on_accept(&self) -> bool {
        let front = self
            .scripts
            .lock()
            .expect("no panic while locked")
            .front()
            .cloned();
        let closes = matches!(front, Some(Script::CloseOnAccept));
        if closes {
            self.next();
        }
        closes
    }
}

impl ScriptedUpstream {
    /// HTTP/1.1 without TLS.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::listen(Speaks::Http1, "http", scripts).await
    }

    /// The same on the port of one that has been dropped.
    pub async fn start_at(address: SocketAddr, scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port of ours");
        Self::serve_on(listener, Speaks::Http1, "http", scripts)
    }

    /// HTTP/2 with prior knowledge.
    pub async fn start_h2c(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::listen(Speaks::H2c, "http", scripts).await
    }

    /// TLS with a certificate of `authority` for `name`, offering `alpn`.
    pub async fn start_tls(
        authority: &Authority,
        name: &str,
        alpn: &[&str],
        scripts: impl IntoIterator<Item = Script>,
    ) -> Self {
        let acceptor = TlsAcceptor::from(authority.server_config(name, alpn));
        Self::listen(Speaks::Tls(acceptor), "https", scripts).await
    }

    async fn listen(
        speaks: Speaks,
        scheme: &'static str,
        scripts: impl IntoIterator<Item = Script>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::serve_on(listener, speaks, scheme, scripts)
    }

    fn serve_on(
        listener: TcpListener,
        speaks: Speaks,
        scheme: &'static str,
        scripts: impl IntoIterator<Item = Script>,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let scripts = Mutex::new(scripts.into_iter().collect());
        let shared = Arc::new(Shared {
            scripts,
            recorder: Recorder::new(),
        });
        let accepting = tokio::spawn(accept(listener, speaks, shared.clone()));
        ScriptedUpstream {
            address,
            scheme,
            shared,
            accepting,
        }
    }

    /// What `base_url` in a config should say.
    pub fn base_url(&self) -> String {
        format!("{}://{}/v1", self.scheme, self.address)
    }

    /// The same with another host name, which has to resolve to loopback.
    pub fn base_url_as(&self, host: &str) -> String {
        format!("{}://{host}:{}/v1", self.scheme, self.address.port())
    }

    /// Replaces what it does from the next request on.
    pub fn follow(&self, scripts: impl IntoIterator<Item = Script>) {
        *self.shared.scripts.lock().expect("no panic while locked") = scripts.into_iter().collect();
    }

    /// Everything that it saw.
    pub fn state(&self) -> State {
        self.shared.recorder.state()
    }

    /// The requests whose head has been read, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges
    }

    /// How many requests it saw.
    pub fn count(&self) -> usize {
        self.shared.recorder.watch().borrow().exchanges.len()
    }

    /// The last request.
    #[track_caller]
    pub fn last(&self) -> Exchange {
        self.exchanges().pop().expect("the upstream was called")
    }

    /// Waits until what it saw satisfies `condition`.
    #[track_caller]
    pub fn wait(
        &self,
        what: &str,
        condition: impl FnMut(&State) -> bool,
    ) -> impl Future<Output = State> {
        let mut watch: watch::Receiver<State> = self.shared.recorder.watch();
        let what = what.to_owned();
        async move {
            match tokio::time::timeout(PATIENCE, watch.wait_for(condition)).await {
                Ok(Ok(state)) => state.clone(),
                _ => panic!("the upstream never saw: {what}"),
            }
        }
    }

    /// Waits until `count` requests have been read to their end.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Exchange> {
        let enough = |state: &State| state.exchanges.iter().filter(|e| e.read).count() >= count;
        self.wait(&format!("{count} whole requests"), enough)
            .await
            .exchanges
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until dropped; its connections end with it.
async fn accept(listener: TcpListener, speaks: Speaks, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, speaks.clone(), shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, speaks: Speaks, shared: Arc<Shared>) {
    let connection = shared.recorder.accepted();
    if !shared.closes_on_accept() {
        match speaks {
            Speaks::Http1 => http1::serve(wire::Wire::Plain(stream), &shared, connection).await,
            Speaks::H2c => http2::serve(stream, &shared, connection).await,
            Speaks::Tls(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        http2::serve(stream, &shared, connection).await;
                    } else {
                        let wire = wire::Wire::Tls(Box::new(stream));
                        http1::serve(wire, &shared, connection).await;
                    }
                }
            }
        }
    }
    shared.recorder.closed(connection);
}

/// An address where nothing listens: bound for as long as the process lives, so that nobody else
/// listens there either.
pub fn refused_address() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any_port).expect("a free port");
    let address = socket.local_addr().expect("bound");
    std::mem::forget(socket);
    address
}
