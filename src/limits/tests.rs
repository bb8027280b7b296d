use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use futures::FutureExt;
use prometheus::{IntCounter, IntGauge, Registry};
use proptest::prelude::*;

use super::*;
use crate::{chat::usage::Usage, telemetry::metrics::cache::RedisMetrics};
use subject::{Rules, SpendRules};

pub(super) fn metrics() -> LimitMetrics {
    let counter = || IntCounter::new("c", "c").unwrap();
    let gauge = || IntGauge::new("g", "g").unwrap();
    let redis = RedisMetrics {
        errors: counter(),
        timeouts: counter(),
        servers: gauge(),
        up: gauge(),
    };
    LimitMetrics::new(&Registry::new(), redis).unwrap()
}

pub(super) fn limits(change: impl FnOnce(&mut Settings)) -> &'static Limits {
    let mut settings = Settings::default();
    change(&mut settings);
    Limits::leak(settings, metrics())
}

fn try_admit(
    limits: &'static Limits,
    subjects: &[Subject<'_>],
    ask: &Estimate,
    now: Now,
) -> Result<Admission, Refusal> {
    // Without Redis nothing is waited for.
    limits.admit(subjects, ask, now).now_or_never().unwrap()
}

fn rpm(limit: u64) -> Rules {
    Rules {
        requests_per_minute: Some(limit),
        ..Rules::default()
    }
}

fn pico(pico: u128) -> Usd {
    Usd::from_pico(pico)
}

fn budget(max: u128) -> Rules {
    Rules {
        spend: Some(SpendRules {
            max: Some(pico(max)),
            ..SpendRules::default()
        }),
        ..Rules::default()
    }
}

fn usage(tokens: u64) -> Usage {
    Usage {
        input: tokens,
        ..Usage::default()
    }
}

const ONE: Estimate = Estimate {
    input_tokens: 0,
    output_tokens: 0,
    cost: Usd::ZERO,
};

#[test]
fn whoever_waits_as_long_as_told_is_let_in() {
    let limits = limits(|_| {});
    let now = Now::read();
    let subject = [
        Subject::new(Kind::Key, "k", rpm(3)),
        Subject::new(Kind::Global, "", rpm(2)),
    ];
    for _ in 0..2 {
        try_admit(limits, &subject, &ONE, now)
            .unwrap()
            .settle_at(&usage(0), Usd::ZERO, now);
    }
    let refusal = try_admit(limits, &subject, &ONE, now).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.quota.limit),
        (Kind::Global, Limit::RequestsPerMinute)
    );
    let Wait::After(wait) = refusal.wait else {
        panic!()
    };
    assert_eq!(wait, Duration::from_secs(30));
    let early = now.after(wait - Duration::from_nanos(1));
    assert!(try_admit(limits, &subject, &ONE, early).is_err());
    assert!(try_admit(limits, &subject, &ONE, now.after(wait)).is_ok());
}

#[test]
fn a_refusal_takes_nothing_from_anyone() {
    let limits = limits(|_| {});
    let now = Now::read();
    let narrow = Subject::new(Kind::Key, "k", rpm(10));
    let wide = Subject::new(Kind::Global, "", rpm(1));
    try_admit(limits, &[wide], &ONE, now)
        .unwrap()
        .settle_at(&usage(0), Usd::ZERO, now);
    for _ in 0..100 {
        assert!(try_admit(limits, &[narrow, wide], &ONE, now).is_err());
    }
    let all = (0..10).map(|_| try_admit(limits, &[narrow], &ONE, now));
    assert!(all.collect::<Result<Vec<_>, _>>().is_ok());
}

#[test]
fn tokens_are_reserved_then_settled_and_given_back_on_failure() {
    let limits = limits(|_| {});
    let now = Now::read();
    let rules = Rules {
        tokens_per_minute: Some(1000),
        ..Rules::default()
    };
    let subject = [Subject::new(Kind::User, "u", rules)];
    let ask = Estimate {
        input_tokens: 300,
        output_tokens: 300,
        cost: Usd::ZERO,
    };
    let first = try_admit(limits, &subject, &ask, now).unwrap();
    assert_eq!(first.standing().tokens.unwrap().remaining, 400);
    assert!(try_admit(limits, &subject, &ask, now).is_err());
    first.settle_at(&usage(400), Usd::ZERO, now);
    let second = try_admit(limits, &subject, &ask, now).unwrap();
    assert_eq!(second.standing().tokens.unwrap().remaining, 0);
    drop(second);
    assert_eq!(
        try_admit(limits, &subject, &ask, now)
            .unwrap()
            .standing()
            .tokens
            .unwrap()
            .remaining,
        0
    );
    // One that used more than it said leaves a debt.
    try_admit(limits, &subject, &ask, now)
        .unwrap()
        .settle_at(&usage(1600), Usd::ZERO, now);
    let refusal = try_admit(limits, &subject, &ONE, now);
    assert!(refusal.is_err());
    let later = now.after(Duration::from_secs(60));
    assert!(try_admit(limits, &subject, &ONE, later).is_ok());
    // One that asks for more than there ever is waits for all of it.
    let endless = Estimate {
        input_tokens: 1,
        output_tokens: u64::MAX,
        cost: Usd::ZERO,
    };
    let later = now.after(Duration::from_secs(600));
    assert!(try_admit(limits, &subject, &endless, later).is_ok());
}

#[test]
fn requests_at_once_are_free_again_when_they_end() {
    let limits = limits(|_| {});
    let now = Now::read();
    let rules = Rules {
        parallel: Some(2),
        ..Rules::default()
    };
    let subject = [Subject::new(Kind::Team, "t", rules)];
    let one = try_admit(limits, &subject, &ONE, now).unwrap();
    let other = try_admit(limits, &subject, &ONE, now).unwrap();
    assert_eq!(
        try_admit(limits, &subject, &ONE, now).unwrap_err().wait,
        Wait::Ending
    );
    drop(one);
    let third = try_admit(limits, &subject, &ONE, now).unwrap();
    other.settle(&usage(1), Usd::ZERO);
    third.settle(&usage(1), Usd::ZERO);
    assert!(try_admit(limits, &subject, &ONE, now).is_ok());
}

#[test]
fn a_budget_refuses_the_next_one_and_begins_anew_with_its_period() {
    let limits = limits(|_| {});
    let now = Now::read();
    let mut rules = budget(100);
    rules.spend.as_mut().unwrap().period = Some("30s".parse().unwrap());
    rules.spend.as_mut().unwrap().since = Some(now.wall);
    let subject = [Subject::new(Kind::Key, "k", rules)];
    let ask = Estimate {
        cost: pico(60),
        ..ONE
    };
    let first = try_admit(limits, &subject, &ask, now).unwrap();
    let second = try_admit(limits, &subject, &ask, now).unwrap();
    assert_eq!(
        try_admit(limits, &subject, &ask, now).unwrap_err().wait,
        Wait::Ending
    );
    first.settle_at(&usage(0), pico(60), now);
    second.settle_at(&usage(0), pico(59), now);
    let refusal = try_admit(limits, &subject, &ask, now).unwrap_err();
    assert_eq!(refusal.wait, Wait::After(Duration::from_secs(30)));
    assert_eq!(limits.spent(Kind::Key, "k"), Some(pico(119)));
    let later = now.after(Duration::from_secs(30));
    assert!(try_admit(limits, &subject, &ask, later).is_ok());
}

#[test]
fn what_the_store_remembers_counts() {
    let limits = limits(|_| {});
    limits.restore(Kind::Key, "k", pico(100), 0);
    let subject = [Subject::new(Kind::Key, "k", budget(100))];
    let refusal = try_admit(limits, &subject, &ONE, Now::read()).unwrap_err();
    assert_eq!(refusal.wait, Wait::Never);
    limits.reset_spend(Kind::Key);
    assert!(try_admit(limits, &subject, &ONE, Now::read()).is_ok());
}

#[test]
fn limits_that_change_hold_from_the_next_request_on() {
    let limits = limits(|_| {});
    let now = Now::read();
    let admit = |limit| {
        try_admit(
            limits,
            &[Subject::new(Kind::Key, "k", rpm(limit))],
            &ONE,
            now,
        )
    };
    assert!(admit(1).map(std::mem::forget).is_ok());
    assert!(admit(1).is_err());
    assert!(admit(0).is_err());
    assert_eq!(admit(0).unwrap_err().wait, Wait::Never);
}

#[test]
fn a_limit_that_was_raised_stays_so_when_requests_of_before_end() {
    let limits = limits(|_| {});
    let now = Now::read();
    let admit = |limit, tokens, now| {
        let rules = Rules {
            tokens_per_minute: Some(limit),
            ..Rules::default()
        };
        let ask = Estimate {
            input_tokens: tokens,
            ..ONE
        };
        try_admit(limits, &[Subject::new(Kind::Key, "k", rules)], &ask, now).unwrap()
    };
    let before = admit(100, 50, now);
    let later = now.after(Duration::from_secs(60));
    admit(100_000, 1, later).settle_at(&usage(1), Usd::ZERO, later);
    before.settle_at(&usage(10), Usd::ZERO, later);
    let next = admit(100_000, 1, later);
    let left = next.standing().tokens.unwrap().remaining;
    assert!(left > 99_000, "{left}");
}

#[test]
fn what_somebody_else_took_back_in_the_store_counts_no_longer() {
    let limits = limits(|_| {});
    let now = Now::read();
    let rules = budget(100);
    let rules = Rules {
        spend: rules.spend.map(|spend| SpendRules {
            since: Some(0),
            ..spend
        }),
        ..rules
    };
    let subject = [Subject::new(Kind::Key, "k", rules)];
    let spend = |at: Now| {
        let ask = Estimate {
            cost: pico(100),
            ..ONE
        };
        let admission = try_admit(limits, &subject, &ask, at).unwrap();
        admission.settle_at(&usage(0), pico(100), at);
    };
    spend(now);
    // The store may not have heard of it yet.
    limits.restore(Kind::Key, "k", Usd::ZERO, 0);
    assert!(try_admit(limits, &subject, &ONE, now).is_err());
    limits.set_spent(Kind::Key, "k", Usd::ZERO);
    let long_ago = Now {
        wall: now.wall - 60_000,
        ..now
    };
    spend(long_ago);
    assert!(try_admit(limits, &subject, &ONE, now).is_err());
    limits.restore(Kind::Key, "k", pico(7), 0);
    assert!(try_admit(limits, &subject, &ONE, now).is_ok());
    assert_eq!(limits.spent(Kind::Key, "k"), Some(pico(7)));
}

#[test]
fn idle_subjects_are_forgotten_and_others_are_not() {
    let limits = limits(|_| {});
    let now = Now::read();
    for number in 0..10_000 {
        let id = format!("key-{number}");
        let rules = if number % 10 == 0 { budget(10) } else { rpm(6) };
        let subject = [Subject::new(Kind::Key, &id, rules)];
        let admission = try_admit(limits, &subject, &ONE, now).unwrap();
        admission.settle_at(&usage(1), pico(1), now);
    }
    assert_eq!(limits.subjects(), 10_000);
    limits.tidy(Limits::parts(), now.after(Duration::from_secs(9)));
    assert_eq!(limits.subjects(), 10_000);
    limits.tidy(Limits::parts(), now.after(Duration::from_secs(10)));
    assert_eq!(limits.subjects(), 1000);
}

#[test]
fn a_hundred_thousand_keys_under_their_limits_are_never_refused_and_one_beyond_its_own_is() {
    for algorithm in [Algorithm::TokenBucket(1000), Algorithm::SlidingWindow] {
        let limits = limits(|settings| settings.algorithm = algorithm);
        let start = Now::read();
        let global = Subject::new(Kind::Global, "", rpm(100_000_000));
        let ids: Vec<String> = (0..100_000).map(|number| format!("key-{number}")).collect();
        let refused = AtomicU64::new(0);
        let admitted = AtomicU64::new(0);
        thread::scope(|scope| {
            for part in ids.chunks(50_000) {
                let (refused, global) = (&refused, &global);
                scope.spawn(move || {
                    // Six a minute, at the rate of their limit.
                    for round in 0..6_u64 {
                        let now = start.after(Duration::from_secs(10 * round));
                        for id in part {
                            let subjects = [Subject::new(Kind::Key, id, rpm(6)), *global];
                            match try_admit(limits, &subjects, &ONE, now) {
                                Ok(one) => one.settle_at(&usage(1), Usd::ZERO, now),
                                Err(_) => {
                                    refused.fetch_add(1, SeqCst);
                                }
                            }
                        }
                    }
                });
            }
            let (admitted, global) = (&admitted, &global);
            scope.spawn(move || {
                // 6000 a minute where 600 are allowed, for five minutes after the first burst.
                for request in 0..36_000_u64 {
                    let now = start.after(Duration::from_millis(10 * request));
                    let subjects = [Subject::new(Kind::Key, "greedy", rpm(600)), *global];
                    if let Ok(one) = try_admit(limits, &subjects, &ONE, now) {
                        one.settle_at(&usage(1), Usd::ZERO, now);
                        admitted.fetch_add(u64::from(request >= 6000), SeqCst);
                    }
                }
            });
        });
        assert_eq!(refused.load(SeqCst), 0, "{algorithm:?}");
        let admitted = admitted.load(SeqCst);
        assert!(
            (2970..=3030).contains(&admitted),
            "{algorithm:?}: {admitted}"
        );
    }
}

/// What one of several threads does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Asks, and uses this much of what it asked for, in percent.
    Settle(u64),
    /// Asks, and is cancelled.
    Cancel,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Threads that ask, settle and are cancelled as the system has it never get more than there is, and leave
    /// nothing behind.
    #[test]
    fn threads_never_get_more_than_there_is(
        limit in 1..60_u64,
        max in 1..500_u128,
        cost in 1..50_u128,
        plans in prop::collection::vec(prop::collection::vec(
            prop_oneof![(0..=100_u64).prop_map(Step::Settle), Just(Step::Cancel)], 1..40), 2..4),
    ) {
        let limits = limits(|_| {});
        let now = Now::read();
        let key = Rules { parallel: Some(3), ..rpm(limit) };
        let team = Rules { tokens_per_minute: Some(limit * 10), ..budget(max) };
        let (settled, tokens, spent, at_once) =
            (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let ask = Estimate { input_tokens: 4, output_tokens: 6, cost: pico(cost) };
        let is_over = AtomicU64::new(0);
        thread::scope(|scope| {
            for plan in &plans {
                let (settled, tokens, spent, at_once, is_over) = (&settled, &tokens, &spent, &at_once, &is_over);
                scope.spawn(move || {
                    for step in plan {
                        let subjects = [Subject::new(Kind::Team, "t", team), Subject::new(Kind::Key, "k", key)];
                        let Ok(admission) = try_admit(limits, &subjects, &ask, now) else { continue };
                        is_over.fetch_add(u64::from(at_once.fetch_add(1, SeqCst) >= 3), SeqCst);
                        thread::yield_now();
                        at_once.fetch_sub(1, SeqCst);
                        if let Step::Settle(percent) = step {
                            let used = u64::try_from(cost).unwrap() * percent / 100;
                            settled.fetch_add(1, SeqCst);
                            tokens.fetch_add(10 * percent / 100, SeqCst);
                            spent.fetch_add(used, SeqCst);
                            admission.settle_at(&usage(10 * percent / 100), pico(used.into()), now);
                        }
                    }
                });
            }
        });
        prop_assert_eq!(is_over.load(SeqCst), 0);
        prop_assert!(settled.load(SeqCst) <= limit);
        prop_assert!(tokens.load(SeqCst) <= limit * 10);
        prop_assert!(u128::from(spent.load(SeqCst)) < max + cost);
        // Nothing is left behind: what was not used is there.
        let meter = limits.meter(Kind::Team, "t");
        let state = meter.state.lock();
        let spend = state.spend.as_deref().cloned().unwrap_or_default();
        prop_assert_eq!(spend.reserved, Usd::ZERO);
        prop_assert_eq!(spend.spent, pico(spent.load(SeqCst).into()));
        drop(state);
        let left = limit - settled.load(SeqCst);
        let key = [Subject::new(Kind::Key, "k", rpm(limit))];
        let all: Vec<_> = (0..=limit).map_while(|_| try_admit(limits, &key, &ONE, now).ok()).collect();
        prop_assert_eq!(u64::try_from(all.len()).unwrap(), left);
    }
}

#[tokio::test]
async fn whoever_is_cancelled_at_any_await_leaves_nothing_behind() {
    let limits = limits(|_| {});
    let rules = Rules {
        parallel: Some(1),
        tokens_per_minute: Some(10),
        ..budget(10)
    };
    let ask = Estimate {
        input_tokens: 5,
        output_tokens: 5,
        cost: pico(10),
    };
    // Cancelled after so many times of being polled.
    for polls in 0..4 {
        let request = async {
            let subject = [Subject::new(Kind::Key, "k", rules)];
            let admission = limits.admit(&subject, &ask, Now::read()).await.unwrap();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            admission.settle(&usage(10), pico(10));
        };
        let mut request = Box::pin(request);
        for _ in 0..polls {
            assert!(futures::poll!(&mut request).is_pending());
        }
    }
    let subject = [Subject::new(Kind::Key, "k", rules)];
    let admission = limits.admit(&subject, &ask, Now::read()).await.unwrap();
    assert_eq!(admission.standing().tokens.unwrap().remaining, 0);
}
