//! Answers in Redis. Look-ups have a deadline, writes wait in a bounded queue, and whatever goes wrong is a miss.
//!
//! The name of an answer is its key, for nothing else is known when it is looked up. A purge goes through
//! all names (`SCAN`), on each member of a cluster, and reads the labels at each record's beginning.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use futures::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Entry, Key, Selector, record};
use crate::{
    config,
    redis_client::{Client, Error, Script, node::Node},
    telemetry::metrics::cache::CacheMetrics,
};

/// Answers that may wait to be written …
const WAITING: usize = 1024;
/// … and their bytes.
const WAITING_BYTES: usize = 32 << 20;
/// Answers that are written at once.
const BATCH: usize = 32;
/// How long a write may take, and each step of a purge.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names that a purge looks at in one step, about.
const STEP: usize = 1000;

/// Answers in Redis.
pub(super) struct Redis {
    pub(super) client: Client,
    deadline: Duration,
    prefix: String,
    most: usize,
    sender: mpsc::Sender<Waiting>,
    receiver: Mutex<mpsc::Receiver<Waiting>>,
    waiting_bytes: AtomicUsize,
    announce: Script,
    metrics: CacheMetrics,
}

/// Counts a purge and tells of it, with its number. Both at once: who hears a number that is not the next one has
/// missed something.
const ANNOUNCE: &str = r"
local count = redis.call('INCR', KEYS[1])
redis.call('PUBLISH', ARGV[1], count .. ' ' .. ARGV[2])
return count";

/// What waits in the queue.
enum Waiting {
    Answer(Key, Arc<Entry>),
    /// Somebody wants to know when all before it is written.
    Mark(oneshot::Sender<()>),
}

impl Redis {
    /// The server that the settings name. Nothing is connected before [`Redis::keep`] is polled.
    ///
    /// # Errors
    /// A sentence for the operator where it cannot be named so.
    pub fn new(settings: &config::Cache, metrics: &CacheMetrics) -> Result<Self, String> {
        let url = settings.redis_url.as_ref();
        let url = url.ok_or("cache.redis_url is not set")?;
        let servers = config::RedisServers::parse(url.expose())?;
        let deadline = Duration::from_millis(u64::from(settings.lookup_timeout_ms));
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok(Redis {
            client: Client::new(servers, deadline, metrics.redis.clone())?,
            deadline,
            prefix: settings.redis_prefix.clone(),
            most: settings.max_entry_bytes.0,
            sender,
            receiver: Mutex::new(receiver),
            waiting_bytes: AtomicUsize::new(0),
            announce: Script::new(ANNOUNCE),
            metrics: metrics.clone(),
        })
    }

    /// The answer under `key`, if it comes in time and is what it should be.
    pub async fn get(&self, key: &Key) -> Option<Entry> {
        let name = self.name(&key.short());
        let answer = self
            .client
            .call(name.as_bytes(), &command("GET", &name), self.deadline)
            .await;
        match answer {
            Ok(Value::BulkString(record)) => {
                let entry = record::decode(key, &record, self.most);
                if entry.is_none() {
                    self.metrics.redis.errors.inc();
                    log::debug!("redis holds under {name} what is no answer to this request");
                }
                entry.filter(|entry| entry.is_fresh(SystemTime::now()))
            }
            Ok(Value::Nil) => None,
            Ok(_) => {
                self.metrics.redis.errors.inc();
                None
            }
            Err(error) => {
                log::debug!("a look-up in redis: {error}");
                None
            }
        }
    }

    /// Has an answer written soon. Where too many wait already it is dropped.
    pub fn put(&self, key: Key, entry: Arc<Entry>) {
        if entry.body.len() > self.most {
            return;
        }
        let bytes = entry.weight();
        let waiting = self.waiting_bytes.fetch_add(bytes, Relaxed);
        let has_room = waiting <= WAITING_BYTES && self.client.is_up();
        if !has_room || self.sender.try_send(Waiting::Answer(key, entry)).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.metrics.dropped_writes.inc();
        }
    }

    /// Keeps the connections and writes what waits, for as long as it is polled.
    pub async fn keep(&self) {
        futures::join!(self.client.keep(), self.write());
    }

    async fn write(&self) {
        let mut receiver = self.receiver.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            let mut answers = Vec::with_capacity(batch.len());
            let mut marks = Vec::new();
            for waiting in batch.drain(..) {
                match waiting {
                    Waiting::Answer(key, entry) => answers.push((key, entry)),
                    Waiting::Mark(mark) => marks.push(mark),
                }
            }
            self.write_batch(answers).await;
            for mark in marks {
                // Whoever wanted to know may be gone.
                let _ = mark.send(());
            }
        }
    }

    async fn write_batch(&self, answers: Vec<(Key, Arc<Entry>)>) {
        let bytes: usize = answers.iter().map(|(_, entry)| entry.weight()).sum();
        // Compressing takes a while, and look-ups are waited for by this thread.
        let records = tokio::task::spawn_blocking(move || {
            let encoded = answers.iter().map(|(key, entry)| {
                let left = entry.left(SystemTime::now()).as_millis();
                let record = record::encode(key, entry).filter(|_| left > 0);
                record.map(|record| (*key, record, u64::try_from(left).unwrap_or(u64::MAX)))
            });
            encoded.collect::<Vec<_>>()
        });
        let writes = records.await.unwrap_or_default().into_iter().flatten();
        let writes = writes.map(|(key, record, left)| self.write_one(key, record, left));
        join_all(writes).await;
        self.waiting_bytes.fetch_sub(bytes, Relaxed);
    }

    async fn write_one(&self, key: Key, record: Vec<u8>, left: u64) {
        let name = self.name(&key.short());
        let mut set = command("SET", &name);
        set.arg(record).arg("PX").arg(left);
        if let Err(error) = self.client.call(name.as_bytes(), &set, PATIENCE).await {
            self.metrics.dropped_writes.inc();
            log::debug!("an answer was not written to redis: {error}");
        }
    }

    /// Until what waits now has been written, or for a while.
    pub async fn flush(&self) {
        if self.waiting_bytes.load(Relaxed) == 0 {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        let flushed = async {
            if self.sender.send(Waiting::Mark(sender)).await.is_ok() {
                let _ = receiver.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, flushed).await;
    }

    /// Drops what `selector` means, and says how many that were.
    ///
    /// # Errors
    /// A server that could not be asked; others may have been.
    pub async fn purge(&self, selector: &Selector) -> Result<u64, Error> {
        self.flush().await;
        let nodes = self.client.nodes();
        if nodes.is_empty() {
            return Err(Error::Away("the cluster".to_owned()));
        }
        let counts = join_all(nodes.iter().map(|node| self.purge_node(node, selector))).await;
        counts.into_iter().sum()
    }

    async fn purge_node(&self, node: &Node, selector: &Selector) -> Result<u64, Error> {
        let pattern = format!("{}*", self.name_prefix());
        let mut count = 0;
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(STEP);
            let step = node.call(&scan, PATIENCE).await?;
            let (next, names): (u64, Vec<Vec<u8>>) =
                redis::from_redis_value(step).map_err(|_| Error::Unexpected)?;
            let names = match selector {
                Selector::All => names,
                _ => self.meant(node, names, selector).await?,
            };
            if !names.is_empty() {
                let mut unlink = Pipeline::with_capacity(names.len());
                // One by one: a cluster refuses several names of different slots.
                names.iter().for_each(|name| {
                    unlink.cmd("UNLINK").arg(name);
                });
                let gone = node.pipeline(&unlink, PATIENCE).await?;
                let gone = gone.iter().map(|one| u64::from(*one == Value::Int(1)));
                count += gone.sum::<u64>();
            }
            if next == 0 {
                return Ok(count);
            }
            cursor = next;
        }
    }

    /// Those of `names` whose records have the labels that are meant.
    async fn meant(
        &self,
        node: &Node,
        names: Vec<Vec<u8>>,
        selector: &Selector,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut meant = Vec::new();
        if names.is_empty() {
            return Ok(meant);
        }
        let mut read = Pipeline::with_capacity(names.len());
        for name in &names {
            read.cmd("GETRANGE")
                .arg(name)
                .arg(0)
                .arg(record::LABELS_END - 1);
        }
        let beginnings = node.pipeline(&read, PATIENCE).await?;
        for (name, beginning) in names.into_iter().zip(beginnings) {
            let Value::BulkString(mut beginning) = beginning else {
                continue;
            };
            if let Err(needed) = record::labels(&beginning) {
                let mut more = redis::cmd("GETRANGE");
                more.arg(&name).arg(0).arg(needed - 1);
                if let Value::BulkString(longer) = node.call(&more, PATIENCE).await? {
                    beginning = longer;
                }
            }
            let labels = record::labels(&beginning).ok().flatten();
            if labels.is_some_and(|labels| selector.matches(&labels)) {
                meant.push(name);
            }
        }
        Ok(meant)
    }

    /// Drops the answer of this name.
    pub async fn forget(&self, short: &[u8; 16]) -> bool {
        let name = self.name(short);
        let unlink = command("UNLINK", &name);
        let gone = self.client.call(name.as_bytes(), &unlink, PATIENCE).await;
        gone == Ok(Value::Int(1))
    }

    /// Tells the other processes of a purge.
    ///
    /// # Errors
    /// They were not told.
    pub async fn announce(&self, message: &str) -> Result<(), Error> {
        let (name, channel) = (self.count_name(), self.channel());
        let arguments = [channel.as_bytes(), message.as_bytes()];
        self.client
            .script(&self.announce, &[name.as_bytes()], &arguments, PATIENCE)
            .await
            .map(drop)
    }

    /// How many purges have been told of.
    ///
    /// # Errors
    /// It could not be learnt.
    pub async fn announced(&self) -> Result<u64, Error> {
        let name = self.count_name();
        let get = command("GET", &name);
        match self.client.call(name.as_bytes(), &get, PATIENCE).await? {
            Value::Nil => Ok(0),
            answer => number(&answer).ok_or(Error::Unexpected),
        }
    }

    /// Where purges are told of.
    pub fn channel(&self) -> String {
        format!("{}:purges", self.prefix)
    }

    fn count_name(&self) -> String {
        format!("{}:purges:count", self.prefix)
    }

    fn name_prefix(&self) -> String {
        format!("{}:answer:", self.prefix)
    }

    fn name(&self, short: &[u8; 16]) -> String {
        let number = u128::from_be_bytes(*short);
        format!("{}:answer:{number:032x}", self.prefix)
    }
}

fn command(what: &str, name: &str) -> Cmd {
    let mut command = redis::cmd(what);
    command.arg(name);
    command
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
