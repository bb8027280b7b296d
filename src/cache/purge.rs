//! Which answers are to be dropped, how many were, and how the other processes learn of it.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time};

use super::{Cache, Labels, Memory, redis::Redis};
use crate::redis_client::Heard;

/// How often it is asked how many purges there have been, and the time between.
const JOIN_ATTEMPTS: usize = 40;
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// Which answers are to be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// Every one.
    All,
    /// Those that a gateway key of this name, or of this id in the store, asked for first.
    Key(String),
    /// Those that a key of this team asked for first.
    Team(String),
    /// Those to requests for this model, and those that it gave.
    Model(String),
}

impl Selector {
    /// Whether an answer with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Selector::All => true,
            Selector::Key(name) => [&labels.key, &labels.account]
                .into_iter()
                .flatten()
                .any(|known| **known == **name),
            Selector::Team(name) => labels.team.as_deref() == Some(name),
            Selector::Model(name) => *labels.asked == **name || *labels.model == **name,
        }
    }
}

/// How many answers a purge has dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Purged {
    /// From the memory of this process.
    pub memory: u64,
    /// From Redis; `None` where it is not in use or could not be asked.
    pub redis: Option<u64>,
    /// Why Redis could not be asked: the answers there, and in the memory of other processes, are still given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_error: Option<String>,
}

impl Purged {
    /// With what another purge has dropped.
    pub fn add(&mut self, other: Purged) {
        self.memory += other.memory;
        self.redis = match (self.redis, other.redis) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        self.redis_error = self.redis_error.take().or(other.redis_error);
    }
}

/// What the processes that share a Redis tell each other.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Who.
    from: u64,
    /// What is dropped.
    selector: Selector,
}

/// What this process knows of the purges of others.
pub(super) struct Purges {
    /// Who this is among them.
    id: u64,
    /// The last one that was heard of.
    heard: Mutex<Option<u64>>,
}

impl Purges {
    pub fn new(id: u64) -> Self {
        Purges {
            id,
            heard: Mutex::new(None),
        }
    }
}

impl Cache {
    /// Drops what `selector` means, here, in Redis and in the memory of other processes.
    pub async fn purge(&self, selector: Selector) -> Purged {
        let mut purged = Purged {
            memory: self.purge_memory(&selector),
            ..Purged::default()
        };
        if let Some(redis) = self.redis() {
            match redis.purge(&selector).await {
                Ok(count) => purged.redis = Some(count),
                Err(error) => purged.redis_error = Some(error.to_string()),
            }
            // What has been taken over from Redis meanwhile.
            purged.memory += self.purge_memory(&selector);
            let told = Told {
                from: self.purges.id,
                selector,
            };
            let message = serde_json::to_string(&told).unwrap_or_default();
            if let Err(error) = redis.announce(&message).await {
                purged.redis_error.get_or_insert(error.to_string());
            }
        }
        purged
    }

    /// Drops the one answer whose key begins so.
    pub(super) async fn forget(&self, short: &[u8; 16]) -> bool {
        let in_redis = match self.redis() {
            Some(redis) => redis.forget(short).await,
            None => false,
        };
        self.drop_from_memory(|memory| memory.purge(|key, _| key.0.starts_with(short))) > 0
            || in_redis
    }

    fn purge_memory(&self, selector: &Selector) -> u64 {
        self.drop_from_memory(|memory| memory.purge(|_, entry| selector.matches(&entry.labels)))
    }

    fn drop_from_memory(&self, how: impl FnOnce(&Memory) -> u64) -> u64 {
        self.begin_generation();
        self.memory().map_or(0, |memory| how(&memory))
    }

    /// Hears of purges elsewhere for as long as it is polled. Where one may have been missed, memory is emptied.
    pub(super) async fn hear(&self, redis: &Arc<Redis>) {
        let channel = redis.channel();
        let (sender, mut receiver) = mpsc::channel(1);
        let heed = async {
            while let Some(heard) = receiver.recv().await {
                match heard {
                    Heard::Joined => self.joined(redis).await,
                    Heard::Message(message) => self.told(&message),
                }
            }
        };
        futures::join!(redis.client.listen(&channel, sender), heed);
    }

    async fn joined(&self, redis: &Redis) {
        let mut count = redis.announced().await.ok();
        for _ in 0..JOIN_ATTEMPTS {
            if count.is_some() {
                break;
            }
            // What is heard meanwhile waits.
            time::sleep(JOIN_PAUSE).await;
            count = redis.announced().await.ok();
        }
        let before = std::mem::replace(&mut *self.purges.heard.lock(), count);
        // Nobody knows what was dropped elsewhere before the first time.
        if before.is_none() || before != count {
            self.purge_memory(&Selector::All);
        }
    }

    /// Nothing said on a connection is lost, and the count says what was said before it stood.
    fn told(&self, message: &[u8]) {
        let text = std::str::from_utf8(message).unwrap_or_default();
        let (count, told) = text.split_once(' ').unwrap_or_default();
        *self.purges.heard.lock() = count.parse().ok();
        match serde_json::from_str::<Told>(told) {
            Ok(told) if told.from == self.purges.id => {}
            Ok(told) => {
                self.purge_memory(&told.selector);
            }
            // Somebody of another version.
            Err(_) => {
                self.purge_memory(&Selector::All);
            }
        }
    }
}
