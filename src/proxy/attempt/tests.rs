//! What `begin` does where there is no time left.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    config::{Config, Provider, Seconds},
    gateway::Gateway,
    proxy::endpoints::{self, Found},
    snapshot,
    telemetry::metrics::Metrics,
};

/// A request for the model `m` of a provider that nobody calls, planned and ready for its first attempt.
fn planned() -> Context {
    let gateway = Arc::new(Gateway::new(Metrics::new().unwrap()));
    let mut config = Config::default();
    let provider = Provider {
        kind: Some("openai".into()),
        base_url: Some("http://127.0.0.1:1/v1".into()),
        ..Provider::default()
    };
    config.providers.insert("p".into(), provider);
    config.routing.breaker.consecutive_failures = 1;
    config.routing.breaker.cooldown_seconds = Seconds(0.0);
    let snapshot = snapshot::build(config, (&*gateway).into()).unwrap();
    gateway.replace(snapshot);
    let mut context = Context::new(&gateway);
    let path = "/v1/chat/completions";
    if let Found::Endpoint(endpoint) = endpoints::find(&http::Method::POST, path) {
        context.endpoint = Some(endpoint);
    }
    context.body = Bytes::from_static(br#"{"model": "p/m", "messages": []}"#);
    context.request = context.caller.inspect(&context.body).unwrap();
    let router = &gateway.snapshot().router;
    context.plan = router
        .plan(Some("p/m"), None, &next::facts(&context))
        .unwrap();
    next::start(&mut context).unwrap();
    context
}

#[test]
fn a_probe_whose_time_is_over_when_its_connection_turns_out_dead_is_given_back() {
    let mut context = planned();
    let target = context.plan.current().unwrap().health.clone();
    let now = Instant::now();
    let limits = policy::breaker(&context.snapshot.config.routing);
    let mut failed = Leave::take(&target, now, &limits).unwrap();
    failed.report(false, now, &limits);
    begin(&mut context).unwrap();
    assert!(context.attempt.as_ref().unwrap().leave.is_probe());
    assert!(!target.breaker.is_passable(Instant::now()));

    // Pingora asks for a peer again.
    context.deadline = Some(Instant::now());
    begin(&mut context).unwrap_err();
    assert!(context.attempt.is_none(), "the attempt is over");
    assert_eq!(context.attempts[0].outcome, Outcome::Timeout);
    let later = Instant::now() + Duration::from_secs(1);
    assert!(target.breaker.is_passable(later), "room for another probe");
}
