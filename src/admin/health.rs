//! `GET /admin/health`: how each provider is doing, down to each model that was asked. `gateway provider
//! health` prints it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Route},
    refusal::Refusal,
};
use crate::{
    config::Routing,
    gateway::Gateway,
    health::{Target, breaker},
    routing::{Member, policy},
};

/// How everything is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `ok`, or `draining` while the process ends.
    pub status: String,
    /// The gateway's version.
    pub version: String,
    /// By name, in the order of the configuration.
    pub providers: IndexMap<String, ProviderReport>,
}

/// How a provider is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProviderReport {
    /// Its host.
    pub host: String,
    /// Whether its name has an address: `resolved` or `unresolved`.
    pub status: String,
    /// How many models it lists.
    pub models: usize,
    /// Whether there is no problem.
    pub healthy: bool,
    /// What keeps it from being asked.
    pub problems: Vec<String>,
    /// What the active check says: `up`, `down`, or `off` where it is not asked.
    pub check: String,
    /// Its retry budget.
    pub retry_budget: BudgetReport,
    /// Its keys.
    pub keys: KeysReport,
    /// The models that were asked there.
    pub targets: IndexMap<String, TargetReport>,
}

/// Calls beyond requests' first that a provider may get.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BudgetReport {
    /// How many are left.
    pub left: f64,
    /// How many there are at most.
    pub size: u32,
}

/// A provider's keys, by number. Never the keys.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeysReport {
    /// How many there are.
    pub count: usize,
    /// Those that are not used for now.
    pub benched: Vec<BenchedKey>,
}

/// A key that did not work of late.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BenchedKey {
    /// Which of the provider's, from 1.
    pub key: usize,
    /// How long it is not used.
    pub seconds_left: f64,
}

/// A model at a provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TargetReport {
    /// `closed`, `half_open` or `open`.
    pub breaker: String,
    /// How long nobody is sent there.
    pub retry_in_seconds: Option<f64>,
    /// Requests under way there.
    pub in_flight: usize,
    /// Milliseconds to the first byte, on average; none before the first answer.
    pub first_byte_ms: Option<f64>,
    /// Requests of about the last minute.
    pub requests_last_minute: f64,
    /// Tokens of about the last minute.
    pub tokens_last_minute: f64,
}

/// Answers how everything is.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/admin/health",
        Reach::All,
        "How each provider is doing, down to each model that was asked.",
    );
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Report;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<Report, Refusal> {
        Ok(report(&call.gateway))
    }
}

pub(super) fn report(gateway: &Gateway) -> Report {
    let snapshot = gateway.snapshot();
    let (rules, now) = (&snapshot.config.routing, Instant::now());
    let members = snapshot.router.members.iter();
    Report {
        status: if gateway.is_draining() {
            "draining"
        } else {
            "ok"
        }
        .to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        providers: members
            .map(|(name, member)| (name.to_string(), provider(member, rules, now)))
            .collect(),
    }
}

fn provider(member: &Member, rules: &Routing, now: Instant) -> ProviderReport {
    let provider = &member.provider;
    let keys = keys(member, now);
    let asked = provider.health.targets().into_iter();
    let targets: IndexMap<String, TargetReport> = asked
        .filter(|(_, health)| health.was_asked())
        .map(|(model, health)| (model.to_string(), target(&health, now)))
        .collect();
    let is_resolved = provider.has_address();
    // Some have nothing that could be asked for without spending tokens.
    let is_checked = rules.health_check.active && provider.models_path.is_some();
    let check = match (is_checked, provider.health.is_up()) {
        (false, _) => "off",
        (true, true) => "up",
        (true, false) => "down",
    };
    let mut problems = Vec::new();
    if !is_resolved {
        problems.push(format!("no address is known for {}", provider.host_name()));
    }
    if check == "down" {
        problems.push("the health check does not reach it".to_owned());
    }
    if !provider.credential.has_token() {
        problems.push("there is no access token".to_owned());
    }
    if !provider.credential.has_free_key(now) {
        problems.push("none of its keys worked of late".to_owned());
    }
    let ill = targets
        .iter()
        .filter(|(_, target)| target.breaker != breaker::State::Closed.name());
    problems.extend(ill.map(|(model, target)| match target.retry_in_seconds {
        Some(seconds) => {
            format!("{model} failed too often: nobody is sent there for {seconds:.0} s")
        }
        None => format!("{model} failed too often: the next request tries it"),
    }));
    let limits = policy::budget(&rules.retries);
    ProviderReport {
        host: provider.host_name().to_owned(),
        status: if is_resolved {
            "resolved"
        } else {
            "unresolved"
        }
        .to_owned(),
        models: member.models.len(),
        healthy: problems.is_empty(),
        problems,
        check: check.to_owned(),
        retry_budget: BudgetReport {
            left: provider.health.budget.left(&limits),
            size: limits.size,
        },
        keys,
        targets,
    }
}

fn keys(member: &Member, now: Instant) -> KeysReport {
    let credential = &member.provider.credential;
    let count = credential.key_count();
    let benched = (0..count).filter_map(|at| {
        let until = credential.key_health(at)?.benched_until(now)?;
        Some(BenchedKey {
            key: at + 1,
            seconds_left: tenths(until - now),
        })
    });
    KeysReport {
        count,
        benched: benched.collect(),
    }
}

fn target(health: &Target, now: Instant) -> TargetReport {
    let counts = health.minute.counts(now);
    let retry_at = health.breaker.retry_at().filter(|at| *at > now);
    let first_byte = health.latency.last();
    TargetReport {
        breaker: health.breaker.state(now).name().to_owned(),
        retry_in_seconds: retry_at.map(|at| tenths(at - now)),
        in_flight: health.in_flight.load(Ordering::Relaxed),
        first_byte_ms: first_byte.map(|took| tenths(took * 1000)),
        requests_last_minute: counts.requests.round(),
        tokens_last_minute: counts.tokens.round(),
    }
}

/// Seconds, to a tenth.
fn tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// The breakers of all targets that were asked: provider, model and state, for the metrics.
pub(super) fn breakers(gateway: &Gateway) -> Vec<(Arc<str>, Arc<str>, i64)> {
    let (snapshot, now) = (gateway.snapshot(), Instant::now());
    let members = snapshot.router.members.values();
    let targets = members.flat_map(|member| {
        let provider = &member.provider;
        let asked = provider.health.targets().into_iter();
        asked
            .filter(|(_, health)| health.was_asked())
            .map(|(model, health)| {
                let state = health.breaker.state(now).number();
                (provider.name.clone(), model, state)
            })
    });
    targets.collect()
}
