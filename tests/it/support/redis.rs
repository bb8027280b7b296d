//! Redis servers of a test's own, which end with it, and one that is none.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use redis::{FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::eventually;

/// A real server.
pub struct RedisServer {
    pub port: u16,
    process: Child,
    _directory: TempDir,
}

impl RedisServer {
    /// Starts one on a free port, with more arguments.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments).await
    }

    /// Starts one on this port.
    pub async fn start_on(port: u16, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .arg("--dir")
            .arg(directory.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed; scripts/test.sh installs it");
        let server = RedisServer {
            port,
            process,
            _directory: directory,
        };
        eventually("redis-server answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Asks it, past the gateway.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connect().await;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
            .query_async(&mut connection)
            .await
            .expect("an answer")
    }

    pub async fn connect(&self) -> MultiplexedConnection {
        let url = format!("redis://127.0.0.1:{}/0", self.port);
        let client = redis::Client::open(url).expect("a URL");
        let connected = client.get_multiplexed_async_connection().await;
        connected.expect("it listens")
    }

    /// Ends it; what it held is gone.
    pub fn stop(self) -> u16 {
        self.port
    }

    /// Sends it a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nothing listens on, and whose port for a cluster's talk is a port too.
pub fn free_port() -> u16 {
    loop {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("bound").port();
        if port < 55_000 {
            return port;
        }
    }
}

/// What a server does that is no Redis.
#[derive(Debug, Clone, Copy)]
pub enum Pretender {
    /// Takes connections and never says a word.
    Silent,
    /// Answers everything with what is no answer.
    Babbling,
    /// Answers what is asked at the beginning, and nothing after.
    Dozing,
}

/// A server that is no Redis.
pub struct FakeRedis {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl FakeRedis {
    pub async fn start(kind: Pretender) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", free_port())).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, kind));
            }
        });
        FakeRedis { address, task }
    }

    /// Closes its socket.
    pub async fn stop(self) -> SocketAddr {
        self.task.abort();
        let address = self.address;
        let _ = self.task.await;
        address
    }
}

async fn serve(mut stream: tokio::net::TcpStream, kind: Pretender) {
    let mut piece = [0; 4096];
    while let Ok(1..) = stream.read(&mut piece).await {
        let text = String::from_utf8_lossy(&piece).into_owned();
        let answer = match kind {
            Pretender::Silent => "",
            Pretender::Babbling => "HTTP/1.1 400 Bad Request\r\n\r\n",
            Pretender::Dozing if text.contains("PING") => "+PONG\r\n",
            Pretender::Dozing if text.contains("SETINFO") => "+OK\r\n+OK\r\n",
            Pretender::Dozing => "",
        };
        piece.fill(0);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
