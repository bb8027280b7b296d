//! A gateway with a pool of two targets, either of which may have a fault.

use super::{
    CONNECTIONS,
    caller::Caller,
    fault::{Fault, good},
    load::{Turn, drive},
    requests,
};
use crate::support::{
    Request, ScriptedUpstream, TestGateway, config::Yaml, upstream::refused_address,
};

/// The defaults of the agreed configuration.
pub const CONSECUTIVE_FAILURES: usize = 5;
pub const BUDGET_SIZE: usize = 20;
/// More calls than this to a faulty target mean that its breaker does not work: those that open it,
/// those that are under way then, and the probes of a run that is longer than a cooldown.
pub const FEW: usize = CONSECUTIVE_FAILURES + CONNECTIONS + 10;

/// `one` is asked first, as long as its breaker is closed.
pub struct Scene {
    one: Option<ScriptedUpstream>,
    two: Option<ScriptedUpstream>,
    pub gateway: TestGateway,
}

impl Scene {
    /// `one` has the fault, `two` is well.
    pub async fn one_target(fault: Fault, stream: bool) -> Self {
        let two = ScriptedUpstream::start([good(stream)]).await;
        let one = (faulty(fault, stream).await, patience(fault));
        Scene::new(one, (Some(two), PATIENT), "").await
    }

    /// Both have the fault; `routing` such as `breaker: {enabled: false}`.
    pub async fn all_targets(fault: Fault, stream: bool, routing: &str) -> Self {
        let one = (faulty(fault, stream).await, patience(fault));
        let two = (faulty(fault, stream).await, patience(fault));
        Scene::new(one, two, routing).await
    }

    async fn new(one: Target, two: Target, routing: &str) -> Self {
        let provider = |name: &str, (upstream, seconds): &Target| {
            let url = match upstream {
                Some(upstream) => upstream.base_url(),
                None => format!("http://{}/v1", refused_address()),
            };
            format!(
                "  {name}: {{base_url: \"{url}\", api_key: secret-{name}, models: [m], \
                 timeouts: {{first_byte_seconds: {seconds}, idle_seconds: {seconds}}}}}"
            )
        };
        let yaml = Yaml::new()
            .and("providers:")
            .and(&provider("one", &one))
            .and(&provider("two", &two))
            .and(
                "pools: {both: {strategy: priority, targets: [{provider: one, priority: 1}, \
                 {provider: two, priority: 2}]}}",
            )
            .and("routes: [{model: m, pool: both}]")
            .and(&format!(
                "routing:\n  retries: {{base_seconds: 0.01, max_seconds: 0.05}}\n  {routing}"
            ));
        let gateway = TestGateway::with(&yaml).await;
        let (one, two) = (one.0, two.0);
        Scene { one, two, gateway }
    }

    /// Sends the cell's requests.
    pub async fn drive(&self, caller: Caller, request: &Request) -> Vec<Turn> {
        drive(self.gateway.address, caller, request, requests()).await
    }

    /// How often each target was called.
    pub async fn calls(&self) -> (usize, usize) {
        let one = self.calls_of("one", &self.one).await;
        (one, self.calls_of("two", &self.two).await)
    }

    /// Where nobody listens, nobody can count but the gateway.
    async fn calls_of(&self, name: &str, target: &Option<ScriptedUpstream>) -> usize {
        match target {
            Some(upstream) => upstream.count(),
            None => self.attempts(name, "refused").await,
        }
    }

    /// The attempts that the gateway has counted.
    pub async fn attempts(&self, provider: &str, outcome: &str) -> usize {
        let labels = [("provider", provider), ("outcome", outcome)];
        let count = self
            .gateway
            .metric("gateway_upstream_attempts_total", &labels)
            .await;
        count as usize
    }
}

/// Where it is, and for how many seconds it may say nothing.
type Target = (Option<ScriptedUpstream>, f64);

/// Long enough for cores that others use too.
const PATIENT: f64 = 10.0;

fn patience(fault: Fault) -> f64 {
    match fault {
        Fault::StallBeforeHead | Fault::StallMidStream => 0.3,
        _ => PATIENT,
    }
}

async fn faulty(fault: Fault, stream: bool) -> Option<ScriptedUpstream> {
    match fault.script(stream) {
        Some(script) => Some(ScriptedUpstream::start([script]).await),
        None => None,
    }
}
