//! Keeps limits: their part in Redis, what the store knows of spending, and alerts to a webhook.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, Uri};
use pingora::{server::ShutdownWatch, services::background::BackgroundService};

use crate::{
    gateway::Gateway,
    limits::{Delivery, Post, Webhook},
    store,
    upstream::client::{Call, Client},
};

/// How often it is looked whether something is due, or the webhook is another one.
const LOOK: Duration = Duration::from_secs(1);
/// How soon after the start the store is asked again: rows of processes before this one are settled by then.
const AGAIN: [i64; 3] = [3000, 15_000, 60_000];
/// How often it is asked after that.
const EVERY: i64 = 300_000;
/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Keeps limits and their part in Redis. A service and a thread of its own: requests wait for it.
pub struct LimitsKeeper(
    /// Whose limits.
    pub Arc<Gateway>,
);

#[async_trait]
impl BackgroundService for LimitsKeeper {
    async fn start(&self, _: ShutdownWatch) {
        self.0.limits.run().await;
    }
}

/// Tells the limits what was spent, and begins periods anew in the store.
pub(super) async fn sync(gateway: &Gateway) {
    let started = store::now();
    let mut again = AGAIN.iter().map(|after| started + after);
    let mut next = again.next();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = store::now();
        if let Some(at) = next.filter(|at| *at <= now) {
            gateway.spending.now();
            next = again.next().or(Some(at.max(now) + EVERY));
        }
        let Some(store) = gateway.store.load_full() else {
            continue;
        };
        if gateway.spending.take(now)
            && let Err(error) = gateway.sync_spending(&store).await
        {
            log::debug!("limits do not know what was spent: {error}");
            gateway.spending.at(now + EVERY / 10);
        }
    }
}

/// Sends alerts to the webhook of the configuration.
pub(super) async fn alert(gateway: &Gateway) {
    loop {
        let Some(webhook) = webhook(gateway) else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let carrier = Carrier(&gateway.client);
        let changed = async {
            while self::webhook(gateway).as_ref() == Some(&webhook) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = gateway.limits.send_alerts(&webhook, &carrier) => {}
            () = changed => {}
        }
    }
}

fn webhook(gateway: &Gateway) -> Option<Webhook> {
    let config = gateway.written.load();
    let alerts = &config.rate_limiting.alerts;
    let url = alerts.webhook_url.clone()?;
    Some(Webhook {
        url,
        secret: alerts.webhook_secret.clone(),
    })
}

/// Carries alerts over the connections of the gateway's own calls.
struct Carrier<'a>(&'a Client);

impl Delivery for Carrier<'_> {
    fn post(&self, post: Post) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let url: Uri = post.url.parse().map_err(|_| "its URL is none".to_owned())?;
            let headers: Vec<_> = post
                .headers
                .into_iter()
                .filter_map(|(name, value)| {
                    let value = HeaderValue::try_from(value).ok()?;
                    Some((HeaderName::from_static(name), value))
                })
                .collect();
            let call = Call {
                method: Method::POST,
                url: &url,
                headers: &headers,
                body: post.body,
                timeout: PATIENCE,
                max_bytes: MAX_ANSWER_BYTES,
            };
            let answer = self.0.call(call).await.map_err(|error| error.to_string())?;
            match answer.status.is_success() {
                true => Ok(()),
                false => Err(format!("it answered {}", answer.status)),
            }
        })
    }
}
