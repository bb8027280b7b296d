//! A cluster: who of its members has a key, learnt from any of them and learnt anew when that has changed. Each
//! member has a breaker of its own, so that one that is away costs the others nothing.
//!
//! The library's own cluster client holds every request back while it reconnects to one member or reads the
//! slots anew, and keeps no breaker; hence this one, on top of the library's connections.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures::{StreamExt, stream::FuturesUnordered};
use redis::{Cmd, Pipeline, Value};
use tokio::{sync::Notify, time};

use super::{
    Error,
    node::{Node, usual},
    slots::{self, Table},
};
use crate::{config::RedisServers, telemetry::metrics::cache::RedisMetrics};

/// How long a member may take to say who has what.
const ASK: Duration = Duration::from_secs(2);
/// How often that is asked where nothing has changed, as far as is known.
const LOOK: Duration = Duration::from_secs(30);
/// How often while a member is away: another one may have taken its place.
const ANXIOUS_LOOK: Duration = Duration::from_secs(2);
/// How long two questions are apart at least.
const BETWEEN: Duration = Duration::from_millis(200);

/// The members of a cluster.
pub(super) struct Cluster {
    servers: RedisServers,
    patience: Duration,
    metrics: RedisMetrics,
    table: ArcSwap<Table>,
    /// A member said that another one has a key.
    is_stale: Notify,
}

impl Cluster {
    pub fn new(servers: RedisServers, patience: Duration, metrics: RedisMetrics) -> Self {
        Cluster {
            servers,
            patience,
            metrics,
            table: ArcSwap::default(),
            is_stale: Notify::new(),
        }
    }

    /// The members that have slots, as far as they are known.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.table.load().nodes.values().cloned().collect()
    }

    /// Whether any of them is asked.
    pub fn is_up(&self) -> bool {
        self.table.load().nodes.values().any(|node| node.is_up())
    }

    /// Asks who has `key`, and whom that one names if it has it no longer.
    pub async fn call(
        &self,
        key: &[u8],
        command: &Cmd,
        deadline: Duration,
    ) -> Result<Value, Error> {
        let asked = self.of(key)?.call(command, deadline).await;
        let Err(Error::Moved { address, is_asking }) = asked else {
            return asked;
        };
        let node = self.moved(&address, is_asking)?;
        if !is_asking {
            return node.call(command, deadline).await;
        }
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING").add_command(command.clone());
        let answers = node.pipeline(&both, deadline).await?;
        let answer = answers.into_iter().nth(1).ok_or(Error::Unexpected)?;
        answer.extract_error().map_err(|error| Error::from(&error))
    }

    /// The same for several things about one key.
    pub async fn pipeline(
        &self,
        key: &[u8],
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<Vec<Value>, Error> {
        let answers = self.of(key)?.pipeline(commands, deadline).await?;
        let moved = answers.first().cloned().map(Value::extract_error);
        match moved {
            Some(Err(error)) => match Error::from(&error) {
                Error::Moved {
                    address,
                    is_asking: false,
                } => {
                    let node = self.moved(&address, false)?;
                    node.pipeline(commands, deadline).await
                }
                _ => Ok(answers),
            },
            _ => Ok(answers),
        }
    }

    fn of(&self, key: &[u8]) -> Result<Arc<Node>, Error> {
        let table = self.table.load();
        let node = table.of(slots::slot(key)).cloned();
        node.ok_or_else(|| Error::Away("the cluster".to_owned()))
    }

    fn moved(&self, address: &str, is_asking: bool) -> Result<Arc<Node>, Error> {
        if !is_asking {
            self.is_stale.notify_one();
        }
        let node = self.table.load().nodes.get(address).cloned();
        node.ok_or_else(|| Error::Away(address.to_owned()))
    }

    /// Keeps the table and each member's connection for as long as it is polled.
    pub async fn keep(&self) {
        let mut keepers = FuturesUnordered::new();
        let mut kept: HashMap<String, Arc<Notify>> = HashMap::new();
        loop {
            let next = async {
                let look = match self.nodes().iter().all(|node| node.is_up()) {
                    true => LOOK,
                    false => ANXIOUS_LOOK,
                };
                let _ = time::timeout(look, self.is_stale.notified()).await;
                time::sleep(BETWEEN).await;
                self.refresh().await
            };
            // The first time there is nothing to wait for.
            let table = match kept.is_empty() {
                true => self.first().await,
                false => tokio::select! {
                    table = next => table,
                    Some(()) = keepers.next() => continue,
                },
            };
            let Some(table) = table else { continue };
            let table = Arc::new(table);
            self.table.store(table.clone());
            kept.retain(|address, end| {
                let stays = table.nodes.contains_key(address);
                if !stays {
                    end.notify_one();
                }
                stays
            });
            for (address, node) in &table.nodes {
                if kept.contains_key(address) {
                    continue;
                }
                let end = Arc::new(Notify::new());
                kept.insert(address.clone(), end.clone());
                let node = node.clone();
                keepers.push(async move {
                    tokio::select! {
                        () = node.keep() => {}
                        () = end.notified() => {}
                    }
                });
            }
        }
    }

    async fn first(&self) -> Option<Table> {
        let table = self.refresh().await;
        if table.is_none() {
            time::sleep(ANXIOUS_LOOK).await;
        }
        table
    }

    /// Asks the members that are known, else those that the settings name, who has what.
    async fn refresh(&self) -> Option<Table> {
        for node in self.nodes() {
            let host = node.address.rsplit_once(':').map_or("", |(host, _)| host);
            let host = host.trim_matches(['[', ']']);
            if let Ok(answer) = node.call(&question(), ASK).await
                && let Some(table) = self.read(&answer, host)
            {
                return Some(table);
            }
        }
        for host in &self.servers.hosts {
            let asked = time::timeout(ASK, self.ask_stranger(host)).await;
            match asked {
                Ok(Ok(answer)) => {
                    if let Some(table) = self.read(&answer, &host.0) {
                        return Some(table);
                    }
                }
                Ok(Err(problem)) => log::warn!("redis cluster, {}: {problem}", host.0),
                Err(_) => log::warn!("redis cluster, {}: no answer", host.0),
            }
        }
        None
    }

    async fn ask_stranger(&self, host: &(String, u16)) -> Result<Value, String> {
        let node = self.node(host)?;
        let connection = node.open(&usual()).await;
        let mut connection = connection.map_err(|error| error.to_string())?;
        let answer = connection.send_packed_command(&question()).await;
        answer.map_err(|error| error.to_string())
    }

    /// A table from an answer to the question. Members that were known stay who they are.
    fn read(&self, answer: &Value, asked: &str) -> Option<Table> {
        let ranges = slots::ranges(answer, asked).ok()?;
        let before = self.table.load();
        let mut new: HashMap<(String, u16), Arc<Node>> = HashMap::new();
        let mut rows = Vec::with_capacity(ranges.len());
        for range in ranges {
            let node = match new.get(&range.host) {
                Some(node) => node.clone(),
                None => {
                    let node = self.node(&range.host).ok()?;
                    let node = match before.nodes.get(&node.address) {
                        Some(known) => known.clone(),
                        None => Arc::new(node),
                    };
                    new.insert(range.host, node.clone());
                    node
                }
            };
            rows.push((range.first, range.last, node));
        }
        Some(Table::new(rows))
    }

    fn node(&self, host: &(String, u16)) -> Result<Node, String> {
        Node::new(&self.servers, host, self.patience, self.metrics.clone())
    }
}

fn question() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    command
}
