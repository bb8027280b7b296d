//! Tells a webhook when a budget is used to half, to most or to all of it, once for each threshold and period.

mod webhook;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use super::{Limits, Settings, admission::Held, spend::Spend, state::State};
use crate::price::Usd;

pub use webhook::{Delivery, Post, Webhook};

/// Alerts that may wait to be sent.
const WAITING: usize = 1024;
/// The bit of the soft budget; thresholds have those below.
const SOFT: u32 = 31;
/// How often an alert is tried, and the first wait between; it doubles.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_secs(1);
/// How long it is remembered that an alert of a budget without a period was sent.
const FOREVER: Duration = Duration::from_secs(366 * 86_400);

/// What a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// `budget_threshold` or `soft_budget`.
    pub event: &'static str,
    /// What kind of thing has the budget: `key`, `team`, …
    pub subject: &'static str,
    /// Which one.
    pub id: Arc<str>,
    /// The threshold in percent of the budget; of the soft budget 100.
    pub threshold_percent: u32,
    /// What has been spent in the period, in dollars.
    pub spent_usd: String,
    /// The budget, in dollars.
    pub budget_usd: String,
    /// When the period began, in milliseconds since 1970.
    pub period_started_at: Option<i64>,
    /// When it ends.
    pub period_ends_at: Option<i64>,
}

/// Notices that thresholds are crossed, and keeps what is to be told of it.
pub struct Alerts {
    thresholds: ArcSwap<Vec<u32>>,
    sender: mpsc::Sender<Alert>,
    receiver: Mutex<mpsc::Receiver<Alert>>,
    /// Whether there is a webhook, be it later that somebody sends to it.
    is_heard: std::sync::atomic::AtomicBool,
}

impl Alerts {
    pub(super) fn new(settings: &Settings) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Alerts {
            thresholds: ArcSwap::from_pointee(settings.thresholds.clone()),
            sender,
            receiver: Mutex::new(receiver),
            is_heard: settings.alerts.into(),
        }
    }

    pub(super) fn apply(&self, settings: &Settings) {
        self.thresholds.store(Arc::new(settings.thresholds.clone()));
        self.is_heard.store(settings.alerts, Relaxed);
    }

    /// Looks whether what was just spent has crossed a threshold.
    pub(super) fn look(&self, held: &Held, state: &mut State) {
        let Some(rules) = &held.rules.spend else {
            return;
        };
        let Some((spent, _)) = state.spent() else {
            return;
        };
        let Some(spend) = state.spend.as_deref_mut() else {
            return;
        };
        let tell = |spend: &mut Spend, bit: u32, event, percent, budget: Usd| {
            let bit = 1_u32 << bit.min(SOFT);
            if spend.told & bit != 0 {
                return;
            }
            spend.told |= bit;
            if !self.is_heard.load(Relaxed) {
                return;
            }
            let alert = Alert {
                event,
                subject: held.meter.kind.name(),
                id: held.meter.id.clone(),
                threshold_percent: percent,
                spent_usd: spent.to_string(),
                budget_usd: budget.to_string(),
                period_started_at: spend.since.filter(|since| *since > 0),
                period_ends_at: spend.end,
            };
            if self.sender.try_send(alert).is_err() {
                log::warn!("limits: too many alerts wait for the webhook; one is dropped");
            }
        };
        if let Some(max) = rules.max {
            // The highest alone, where several are crossed at once; those below count as told.
            let thresholds = self.thresholds.load();
            let crossed = thresholds.iter().zip(0..SOFT);
            let mut crossed: Vec<_> = crossed
                .filter(|(percent, _)| is_crossed(spent, max, **percent))
                .collect();
            crossed.sort_unstable();
            if let Some((percent, bit)) = crossed.pop() {
                tell(spend, bit, "budget_threshold", *percent, max);
                for (_, bit) in crossed {
                    spend.told |= 1 << bit;
                }
            }
        }
        if let Some(soft) = rules.soft.filter(|soft| spent >= *soft) {
            tell(spend, SOFT, "soft_budget", 100, soft);
        }
    }
}

fn is_crossed(spent: Usd, max: Usd, percent: u32) -> bool {
    spent.pico().saturating_mul(100) >= max.pico().saturating_mul(u128::from(percent))
        && max > Usd::ZERO
}

impl Limits {
    /// Sends alerts for as long as it is polled. Once in a fleet, where there is Redis to agree on it.
    pub async fn send_alerts(&self, webhook: &Webhook, delivery: &dyn Delivery) {
        let mut receiver = self.alerts.receiver.lock().await;
        self.alerts.is_heard.store(true, Relaxed);
        while let Some(alert) = receiver.recv().await {
            let fleet = self.fleet.load_full();
            if let Some(fleet) = fleet {
                let since = alert.period_started_at.unwrap_or(0);
                let span = match (alert.period_started_at, alert.period_ends_at) {
                    (Some(since), Some(end)) => {
                        Duration::from_millis(u64::try_from(end - since).unwrap_or(0)) * 2
                    }
                    _ => FOREVER,
                };
                let name = format!(
                    "alert:{{{}:{}}}:{}:{}:{since}",
                    alert.subject, alert.id, alert.event, alert.threshold_percent
                );
                if !fleet.is_first(&name, span).await {
                    continue;
                }
            }
            self.metrics.alert(deliver(webhook, delivery, &alert).await);
        }
    }
}

/// Tries until the webhook has taken it.
async fn deliver(webhook: &Webhook, delivery: &dyn Delivery, alert: &Alert) -> &'static str {
    let mut pause = PAUSE;
    for attempt in 1..=TRIES {
        let request = webhook.request(alert);
        match delivery.post(request).await {
            Ok(()) => return "sent",
            Err(error) if attempt == TRIES => {
                log::warn!("limits: the webhook did not take an alert: {error}");
            }
            Err(error) => log::debug!("limits: the webhook did not take an alert: {error}"),
        }
        if attempt < TRIES {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    "failed"
}

#[cfg(test)]
mod tests;
