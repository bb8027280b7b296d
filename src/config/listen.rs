//! The `listen` section: sockets, and the bounds on what comes in through them.

use std::{net::IpAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Seconds};

/// Where the gateway listens, and its bounds on connections and requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The address to bind; `GATEWAY_BIND`. Any address but loopback needs a client key.
    pub address: IpAddr,
    /// The port that clients call; `GATEWAY_PORT`, `PORT`. 0 lets the system choose.
    pub port: u16,
    /// The port of the admin interface and the metrics; `GATEWAY_ADMIN_PORT`.
    pub admin_port: u16,
    /// Whether the client port answers LiteLLM's management routes (`/key/*`, `/team/*`, `/spend/*`, …) as
    /// the admin port does, for its clients that know one base URL. They need the master key or a key with
    /// an `admin` grant, from loopback too. `GATEWAY_MANAGEMENT_ROUTES`.
    pub management_routes: bool,
    /// A certificate for the client port. With it HTTP/2 is agreed by ALPN; without it the port
    /// speaks HTTP/1.1 and HTTP/2 with prior knowledge (h2c).
    pub tls: Option<Tls>,
    /// Threads that serve requests; the number of cores unless set.
    pub threads: Option<usize>,
    /// Connections that one address may hold open; 0 for no bound. Behind a load balancer that
    /// hides its clients' addresses, set 0.
    pub connections_per_address: usize,
    /// The largest request body. A larger one is refused with 413.
    pub max_body_bytes: ByteSize,
    /// How long a connection may take to send a whole request head, counted from its start or
    /// from the end of the answer before it.
    pub head_timeout_seconds: Seconds,
    /// How long a client may pause inside a request body.
    pub body_idle_timeout_seconds: Seconds,
    /// How long a whole request body may take. Past it the request is refused with 408.
    pub body_timeout_seconds: Seconds,
    /// How long a client may take nothing of an answer that waits for it. Past it the client counts
    /// as gone.
    pub write_timeout_seconds: Seconds,
    /// How long a stream may be silent before the client gets a sign of life: an SSE comment, or
    /// Anthropic's `ping`. 0 switches it off.
    pub keep_alive_seconds: Seconds,
    /// How long requests in flight may go on after SIGTERM or an upgrade.
    pub drain_timeout_seconds: Seconds,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            address: IpAddr::from([127, 0, 0, 1]),
            port: 4080,
            admin_port: 4081,
            management_routes: false,
            tls: None,
            threads: None,
            connections_per_address: 8192,
            max_body_bytes: ByteSize(32 << 20),
            head_timeout_seconds: Seconds(75.0),
            body_idle_timeout_seconds: Seconds(30.0),
            body_timeout_seconds: Seconds(300.0),
            write_timeout_seconds: Seconds(120.0),
            keep_alive_seconds: Seconds(15.0),
            drain_timeout_seconds: Seconds(300.0),
        }
    }
}

/// A certificate and its key, both as PEM files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
