//! Who comes next.

use std::ops::Range;

use super::*;
use crate::{
    health::leave::Leave,
    routing::policy::{Failure, Next},
};

fn failure(class: FailureClass) -> Failure {
    Failure {
        class: Some(class),
        is_repeatable: true,
        retry_after: None,
    }
}

/// Lets a target be known for a failure.
fn fails(candidate: &Candidate, rules: &Routing) {
    let now = Instant::now();
    let limits = policy::breaker(rules);
    let mut leave = Leave::take(&candidate.health, now, &limits).unwrap();
    leave.report(false, now, &limits);
}

fn is_after(next: Next, seconds: Range<f64>) -> bool {
    matches!(next, Next::After(wait) if seconds.contains(&wait.as_secs_f64()))
}

fn asking_to_wait(seconds: u64) -> Failure {
    Failure {
        retry_after: Some(Duration::from_secs(seconds)),
        ..failure(FailureClass::RateLimit)
    }
}

/// A plan for the pool `both` (vllm, then openai) that has asked its first.
fn begun(router: &Router, asking: &Asking<'_>) -> Plan {
    let mut plan = router.plan(Some("both"), None, &NOTHING).unwrap();
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm");
    plan
}

#[test]
fn candidates_are_asked_in_order_then_the_fallbacks_then_again() {
    let mut router = router();
    router.fallbacks.insert(
        "both".into(),
        ["solo".into(), "local:unknown".into()].into(),
    );
    let mut rules = Routing::default();
    rules.retries.max = 1;
    let asking = asking(&router, &rules);
    let mut plan = router.plan(Some("both"), None, &NOTHING).unwrap();
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm");
    let failed = failure(FailureClass::ServerError);
    assert_eq!(asking.next(&mut plan, failed), Next::Now);
    assert_eq!(who(&plan), "openai");
    assert_eq!(asking.next(&mut plan, failed), Next::Now);
    assert_eq!(who(&plan), "local");
    assert!(
        matches!(asking.next(&mut plan, failed), Next::After(wait) if wait <= Duration::from_millis(200))
    );
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm");
    assert_eq!(
        asking.next(&mut plan, failed),
        Next::Stop,
        "one repeat, and that was it"
    );
}

#[test]
fn what_the_request_got_wrong_stops_it_and_some_failures_stay_where_they_are() {
    let router = router();
    let mut rules = Routing::default();
    rules.retries.on.push(FailureClass::ContentPolicy);
    let asking = asking(&router, &rules);
    let mut plan = router.plan(Some("both"), None, &NOTHING).unwrap();
    asking.start(&mut plan);
    assert_eq!(asking.next(&mut plan, Failure::default()), Next::Stop);
    // No fallback of this class: the same one again.
    let refused = failure(FailureClass::ContentPolicy);
    assert!(matches!(asking.next(&mut plan, refused), Next::After(_)));
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm");
}

#[test]
fn nobody_waits_longer_than_allowed() {
    let router = router();
    let rules = Routing::default();
    let mut asking = asking(&router, &rules);
    let mut plan = router.plan(Some("solo"), None, &NOTHING).unwrap();
    asking.start(&mut plan);
    let wait = |seconds| Failure {
        retry_after: Some(Duration::from_secs(seconds)),
        ..failure(FailureClass::RateLimit)
    };
    assert_eq!(asking.next(&mut plan, wait(31)), Next::Stop);
    asking.deadline = Some(asking.now + Duration::from_secs(5));
    assert_eq!(asking.next(&mut plan, wait(5)), Next::Stop);
    // A little more than was asked for.
    let next = asking.next(&mut plan, wait(4));
    assert!(is_after(next, 4.0..4.5), "{next:?}");
}

#[test]
fn a_prompt_that_is_too_long_goes_where_longer_ones_go() {
    let mut router = router();
    router
        .context_window_fallbacks
        .insert("both".into(), ["solo".into()].into());
    let rules = Routing::default();
    let asking = asking(&router, &rules);
    let mut plan = router.plan(Some("both"), None, &NOTHING).unwrap();
    asking.start(&mut plan);
    assert_eq!(
        asking.next(&mut plan, failure(FailureClass::ContextWindow)),
        Next::Now
    );
    assert_eq!(who(&plan), "local");
    assert_eq!(
        asking.next(&mut plan, failure(FailureClass::ContextWindow)),
        Next::Stop
    );
}

#[test]
fn a_budget_that_is_used_up_lets_nobody_be_asked_again() {
    let router = router();
    let mut rules = Routing::default();
    rules.retries.max = 100;
    rules.retries.budget_size = 2;
    let asking = asking(&router, &rules);
    let mut plan = router.plan(Some("solo"), None, &NOTHING).unwrap();
    asking.start(&mut plan);
    // A target that is known to fail.
    fails(plan.current().unwrap(), &rules);
    for _ in 0..2 {
        assert!(matches!(
            asking.next(&mut plan, failure(FailureClass::ServerError)),
            Next::After(_)
        ));
        assert!(asking.start(&mut plan));
    }
    assert!(matches!(
        asking.next(&mut plan, failure(FailureClass::ServerError)),
        Next::After(_)
    ));
    assert!(!asking.start(&mut plan));
}

#[test]
fn one_that_wants_to_be_left_alone_does_not_keep_others_from_being_asked_again() {
    let router = router();
    let rules = Routing::default();
    let asking = asking(&router, &rules);
    let failed = failure(FailureClass::ServerError);
    let mut plan = begun(&router, &asking);
    assert_eq!(asking.next(&mut plan, asking_to_wait(20)), Next::Now);
    assert!(is_after(asking.next(&mut plan, failed), 0.0..0.3));
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "openai", "the other one is left alone");

    let mut plan = begun(&router, &asking);
    assert_eq!(asking.next(&mut plan, failed), Next::Now);
    // Beyond the cap: it is never asked again.
    assert!(is_after(
        asking.next(&mut plan, asking_to_wait(60)),
        0.0..0.3
    ));
    for _ in 0..3 {
        assert!(asking.start(&mut plan));
        assert_eq!(who(&plan), "vllm");
        let next = asking.next(&mut plan, failed);
        assert!(next == Next::Stop || is_after(next, 0.0..2.0), "{next:?}");
    }
}

#[test]
fn the_first_of_those_that_want_to_be_left_alone_is_waited_for() {
    let router = router();
    let rules = Routing::default();
    let asking = asking(&router, &rules);
    let mut plan = begun(&router, &asking);
    assert_eq!(asking.next(&mut plan, asking_to_wait(9)), Next::Now);
    let next = asking.next(&mut plan, asking_to_wait(3));
    assert!(is_after(next, 3.0..3.5), "{next:?}");
    let later = Asking {
        now: asking.now + Duration::from_secs(4),
        ..asking
    };
    assert!(later.start(&mut plan));
    assert_eq!(who(&plan), "openai");
}

#[test]
fn a_target_is_asked_once_a_round_wherever_its_name_stands() {
    let mut router = router();
    router.fallbacks.insert(
        "both".into(),
        ["openai/gpt-5".into(), "both".into(), "solo".into()].into(),
    );
    let rules = Routing::default();
    let asking = asking(&router, &rules);
    let mut plan = begun(&router, &asking);
    let failed = failure(FailureClass::ServerError);
    for name in ["openai", "local"] {
        assert_eq!(asking.next(&mut plan, failed), Next::Now);
        assert_eq!(who(&plan), name);
    }
    assert!(is_after(asking.next(&mut plan, failed), 0.0..0.3));
}

#[test]
fn an_empty_budget_leads_to_nobody_whom_fallback_on_excludes() {
    let mut router = router();
    router.fallback_on = vec![FailureClass::Connection];
    let mut rules = Routing::default();
    rules.retries.budget_size = 0;
    let asking = asking(&router, &rules);
    let mut plan = begun(&router, &asking);
    fails(plan.current().unwrap(), &rules);
    let failed = failure(FailureClass::ServerError);
    assert!(!asking.has_next(&plan, FailureClass::ServerError));
    assert!(asking.has_next(&plan, FailureClass::Connection));
    assert!(is_after(asking.next(&mut plan, failed), 0.0..0.3));
    assert!(!asking.start(&mut plan), "nothing is left for another call");
    assert_eq!(who(&plan), "vllm");
}

#[test]
fn the_plan_stands_at_nobody_who_is_not_called() {
    let router = router();
    let mut rules = Routing::default();
    rules.retries.budget_size = 0;
    let asking = asking(&router, &rules);
    let mut plan = begun(&router, &asking);
    let all = plan.candidates();
    all.iter().for_each(|candidate| fails(candidate, &rules));
    assert!(!asking.has_next(&plan, FailureClass::ServerError));
    let next = asking.next(&mut plan, failure(FailureClass::ServerError));
    assert!(
        is_after(next, 0.0..0.3),
        "nobody may be called now: {next:?}"
    );
    assert_eq!(who(&plan), "vllm");
    assert!(!asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm");
    // One that is picked, and then turns out not to be callable.
    rules.retries.budget_size = 10;
    let asking = super::asking(&router, &rules);
    let mut plan = begun(&router, &asking);
    asking.next(&mut plan, failure(FailureClass::ServerError));
    assert_eq!(who(&plan), "openai");
    assert!(!asking.skip(&mut plan));
    assert_eq!(who(&plan), "vllm", "the last that was asked");
}

#[test]
fn two_that_race_ask_nobody_twice_and_count_their_repeats_together() {
    let router = router();
    let mut rules = Routing::default();
    rules.retries.max = 1;
    let asking = asking(&router, &rules);
    let mut first = begun(&router, &asking);
    let mut second = first.twin();
    let contest = first.contest();
    assert!(asking.hedge(&mut second));
    assert_eq!(who(&second), "openai");
    // The other one asks that one already.
    let failed = failure(FailureClass::ServerError);
    assert!(is_after(asking.next(&mut first, failed), 0.0..0.3));
    assert!(asking.start(&mut first));
    assert_eq!(who(&first), "vllm");
    contest.decide();
    assert_eq!(asking.next(&mut first, failed), Next::Stop);
    assert_eq!(
        asking.next(&mut second, failed),
        Next::Stop,
        "one repeat was made"
    );
}

#[test]
fn nobody_is_asked_whose_allow_list_or_whose_callers_key_does_not_hold_the_model() {
    let mut router = router();
    let pool = |name: &str, targets: &[(&str, Option<&str>)]| {
        let target = |(provider, model): &(&str, Option<&str>)| Target {
            provider: router.members[*provider].provider.clone(),
            model: model.map(Into::into),
            health: None,
            price: None,
            weight: 1,
            rpm: None,
            tpm: None,
        };
        super::pool(name, targets.iter().map(target).collect())
    };
    let named = pool("named", &[("local", None), ("vllm", None)]);
    let shared = pool(
        "providers",
        &[("vllm", Some("dear")), ("openai", Some("gpt-5"))],
    );
    router.pools.insert("named".into(), named);
    router.shared_default = Some(shared);
    let rules = Routing::default();
    let asking = asking(&router, &rules);
    let mut plan = router.plan(Some("named"), None, &NOTHING).unwrap();
    assert!(asking.start(&mut plan));
    assert_eq!(who(&plan), "vllm", "`local` may be asked for qwen alone");
    for (allowed, who_is) in [
        ("gpt-*", Some("openai")),
        ("vllm/*", Some("vllm")),
        ("x", None),
    ] {
        let mut plan = router.plan(None, None, &NOTHING).unwrap();
        plan.limits.models = Some([vec![allowed.to_owned()]].into());
        assert_eq!(asking.start(&mut plan), who_is.is_some(), "{allowed}");
        match who_is {
            Some(name) => assert_eq!(who(&plan), name),
            None => assert_eq!(asking.nobody(&plan, None).code(), "model_not_permitted"),
        }
    }
}
