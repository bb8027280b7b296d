//! What else goes wrong meanwhile: the store and Redis go away and come back, the configuration is read anew, keys
//! are made and revoked.

use std::{convert::Infallible, time::Duration};

use serde_json::{Value, json};

use crate::support::{Request, TestGateway, eventually, openai, redis::RedisServer, relay::Relay};

pub const MASTER: &str = "sk-master-of-endurance";
/// Between one disturbance and the next, and how long what is away stays so.
const PAUSE: Duration = Duration::from_secs(2);

pub struct Scene<'g> {
    gateway: &'g TestGateway,
    way: Relay,
    redis: Option<RedisServer>,
    yaml: String,
    counts: [u32; 4],
}

impl<'g> Scene<'g> {
    pub fn new(gateway: &'g TestGateway, way: Relay, redis: RedisServer, yaml: String) -> Self {
        Scene {
            gateway,
            way,
            redis: Some(redis),
            yaml,
            counts: [0; 4],
        }
    }

    /// One after the other, until nobody waits for it any longer.
    pub async fn disturb(&mut self) -> Infallible {
        loop {
            self.store_goes().await;
            self.redis_goes().await;
            self.reload().await;
            self.churn().await;
        }
    }

    async fn store_goes(&mut self) {
        self.counts[0] += 1;
        self.way.cut();
        tokio::time::sleep(PAUSE).await;
        self.way.mend();
        tokio::time::sleep(PAUSE).await;
    }

    async fn redis_goes(&mut self) {
        self.counts[1] += 1;
        if let Some(redis) = self.redis.take() {
            let port = redis.stop();
            tokio::time::sleep(PAUSE).await;
            self.redis = Some(RedisServer::start_on(port, &[]).await);
        }
        tokio::time::sleep(PAUSE).await;
    }

    async fn reload(&mut self) {
        self.counts[2] += 1;
        let number = self.counts[2];
        // A key more each time, in place of the one before.
        let more = format!("  keys:\n    - {{name: more, key: key-more-{number}}}\n");
        let yaml = self.yaml.replacen("  keys:\n", &more, 1);
        self.gateway.write_config(&yaml);
        let key = format!("key-more-{}", self.counts[2]);
        eventually("the new key counts", async || {
            self.status(&key).await != 401
        })
        .await;
    }

    /// A key is made, used, and revoked.
    async fn churn(&mut self) {
        self.counts[3] += 1;
        let made = eventually_some(async || {
            let made = self.ask("/key/generate", json!({"models": ["m"]})).await?;
            Some(made["key"].as_str()?.to_owned())
        });
        let key = made.await;
        eventually("the key may be used", async || {
            self.status(&key).await != 401
        })
        .await;
        eventually("the key is deleted", async || {
            self.ask("/key/delete", json!({"keys": [key]}))
                .await
                .is_some()
        })
        .await;
        eventually("the key is refused", async || {
            self.status(&key).await == 401
        })
        .await;
    }

    async fn status(&self, key: &str) -> u16 {
        let request = Request::post("/v1/chat/completions", marked()).bearer(key);
        self.gateway.call(request).await.status
    }

    async fn ask(&self, path: &str, body: Value) -> Option<Value> {
        let request = Request::post(path, body.to_string()).bearer(MASTER);
        let answer = self.gateway.admin_call(request).await;
        (answer.status == 200).then(|| answer.json())
    }

    /// Everything is there again.
    pub async fn mend(&mut self) {
        self.way.mend();
        let gateway = self.gateway;
        gateway
            .wait_metric("gateway_store_up", &[], |up| up > 0.5)
            .await;
    }

    pub fn tell(&self) {
        let [store, redis, reloads, keys] = self.counts;
        eprintln!(
            "endurance: the store went {store} times, Redis {redis}; {reloads} reloads, {keys} keys"
        );
    }
}

fn marked() -> String {
    let body = String::from_utf8_lossy(&openai::chat("m")).into_owned();
    body.replace("hello", "nonce-1-")
}

async fn eventually_some<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let mut found = None;
    eventually("an answer", async || {
        found = attempt().await;
        found.is_some()
    })
    .await;
    found.expect("found")
}
