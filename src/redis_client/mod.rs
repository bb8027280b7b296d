//! A client for Redis, one server or a cluster, for whom an answer in time matters more than an answer: every
//! call has a deadline, and nobody asks a server that does not answer ([`node`]).
//!
//! Nothing connects by itself. [`Client::keep`] does, wherever it is polled, and the connections live on the runtime
//! that polls it; calls may come from any other.

mod cluster;
mod error;
pub mod node;
mod script;
mod slots;
mod subscribe;

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Pipeline, Value};

use crate::{config::RedisServers, telemetry::metrics::cache::RedisMetrics};
use cluster::Cluster;
use node::Node;

pub use error::Error;
pub use script::Script;
pub use slots::slot;
pub use subscribe::Heard;

/// One Redis server, or a cluster.
pub struct Client {
    kind: Kind,
    metrics: RedisMetrics,
}

enum Kind {
    One(Arc<Node>),
    Cluster(Box<Cluster>),
}

impl Client {
    /// A client that connects as soon as [`Client::keep`] is polled. A server counts as there while it
    /// answers within `patience`.
    ///
    /// # Errors
    /// A sentence for the operator where the servers cannot be named so.
    pub fn new(
        servers: RedisServers,
        patience: Duration,
        metrics: RedisMetrics,
    ) -> Result<Self, String> {
        let kind = match servers.hosts.as_slice() {
            [host] if !servers.is_cluster => Kind::One(Arc::new(Node::new(
                &servers,
                host,
                patience,
                metrics.clone(),
            )?)),
            _ => Kind::Cluster(Box::new(Cluster::new(servers, patience, metrics.clone()))),
        };
        Ok(Client { kind, metrics })
    }

    /// Keeps the connections for as long as it is polled.
    pub async fn keep(&self) {
        match &self.kind {
            Kind::One(node) => node.keep().await,
            Kind::Cluster(cluster) => cluster.keep().await,
        }
    }

    /// Asks one thing about `key`.
    ///
    /// # Errors
    /// No answer within `deadline`, or one that is an error.
    pub async fn call(
        &self,
        key: &[u8],
        command: &Cmd,
        deadline: Duration,
    ) -> Result<Value, Error> {
        match &self.kind {
            Kind::One(node) => node.call(command, deadline).await,
            Kind::Cluster(cluster) => cluster.call(key, command, deadline).await,
        }
    }

    /// Asks several things at once, all about `key` or keys of the same slot. An answer that is an error
    /// stands among the others, as [`Value::ServerError`].
    ///
    /// # Errors
    /// Not all answers within `deadline`.
    pub async fn pipeline(
        &self,
        key: &[u8],
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<Vec<Value>, Error> {
        match &self.kind {
            Kind::One(node) => node.pipeline(commands, deadline).await,
            Kind::Cluster(cluster) => cluster.pipeline(key, commands, deadline).await,
        }
    }

    /// The servers, each to be asked for itself. None before a cluster is known.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        match &self.kind {
            Kind::One(node) => vec![node.clone()],
            Kind::Cluster(cluster) => cluster.nodes(),
        }
    }

    /// Whether any server is asked.
    pub fn is_up(&self) -> bool {
        match &self.kind {
            Kind::One(node) => node.is_up(),
            Kind::Cluster(cluster) => cluster.is_up(),
        }
    }

    /// How the servers do.
    pub fn metrics(&self) -> &RedisMetrics {
        &self.metrics
    }
}
