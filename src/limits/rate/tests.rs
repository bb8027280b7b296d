use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn rate(limit: u64, algorithm: Algorithm) -> Rate {
    Rate {
        limit,
        window: MINUTE,
        algorithm,
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::SlidingWindow),
        (1..2000_u32).prop_map(Algorithm::TokenBucket)
    ]
}

proptest! {
    /// In any stretch of time no more gets through than was saved up and what came in meanwhile; by the window, no
    /// more than the limit in any window.
    #[test]
    fn no_stretch_of_time_sees_more_than_its_limit(
        limit in 1..500_u64,
        algorithm in algorithm(),
        steps in prop::collection::vec((0..5 * SECOND, 1..20_u64), 1..300),
    ) {
        let rate = rate(limit, algorithm);
        let mut now = 1_000 * MINUTE;
        let mut counter = Counter::new(&rate, now, true);
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for (pause, amount) in steps {
            now += pause;
            counter.advance(&rate, now);
            let amount = rate.share(amount);
            if counter.has(&rate, amount) {
                counter.take(&rate, amount, now);
                taken.push((now, amount));
            }
        }
        for (place, (first, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (at, amount) in &taken[place..] {
                sum += amount;
                match algorithm {
                    Algorithm::SlidingWindow if at - first < MINUTE => prop_assert!(sum <= limit),
                    Algorithm::SlidingWindow => break,
                    Algorithm::TokenBucket(_) => {
                        let come_in = (at - first) * limit;
                        prop_assert!(sum * MINUTE <= rate.capacity() * MINUTE + come_in);
                    }
                }
            }
        }
    }

    /// Waiting exactly as long as told is enough, and a nanosecond less is not.
    #[test]
    fn waits_are_true(
        limit in 1..500_u64,
        algorithm in algorithm(),
        steps in prop::collection::vec((0..5 * SECOND, 1..50_u64), 1..100),
        amount in 1..600_u64,
    ) {
        let rate = rate(limit, algorithm);
        let mut now = 1_000 * MINUTE;
        let mut counter = Counter::new(&rate, now, true);
        for (pause, amount) in steps {
            now += pause;
            counter.advance(&rate, now);
            // Beyond the limit too: what was used is not always what was asked for.
            if counter.left(&rate) > 0 {
                counter.take(&rate, amount, now);
            }
        }
        let amount = rate.share(amount);
        let wait = counter.wait(&rate, amount, now);
        let after = |wait| {
            let mut later = counter.clone();
            later.advance(&rate, now + wait);
            later.has(&rate, amount)
        };
        prop_assert!(after(wait));
        prop_assert!(wait == 0 || !after(wait - 1));
    }

    /// What is given back is there again, and no more than that.
    #[test]
    fn giving_back_undoes_taking(
        limit in 1..500_u64,
        algorithm in algorithm(),
        first in 0..500_u64,
        amount in 1..500_u64,
        pause in 0..30 * SECOND,
    ) {
        let rate = rate(limit, algorithm);
        let now = 1_000 * MINUTE;
        let mut counter = Counter::new(&rate, now, true);
        counter.take(&rate, rate.share(first), now);
        let mut other = counter.clone();
        other.take(&rate, amount, now);
        for one in [&mut counter, &mut other] {
            one.advance(&rate, now + pause);
        }
        other.give_back(&rate, amount, now);
        prop_assert_eq!(counter.left(&rate), other.left(&rate));
    }
}

#[test]
fn a_bucket_fills_exactly_however_often_it_is_looked_at() {
    let rate = rate(7, Algorithm::TokenBucket(1000));
    let start = 1_000 * MINUTE;
    let mut counter = Counter::new(&rate, start, true);
    counter.take(&rate, 7, start);
    for step in 1..=1_000_000 {
        counter.advance(&rate, start + step * 60_000);
    }
    assert_eq!(counter.left(&rate), 7);
    assert!(counter.is_full(&rate, start + MINUTE));
}

#[test]
fn limits_beyond_all_reason_are_no_trouble() {
    for algorithm in [Algorithm::TokenBucket(1000), Algorithm::SlidingWindow] {
        let rate = rate(u64::MAX / 4, algorithm);
        let now = 1_000 * MINUTE;
        let mut counter = Counter::new(&rate, now, true);
        counter.take(&rate, u64::MAX / 4, now);
        assert!(!counter.has(&rate, 1));
        counter.advance(&rate, now + 2 * MINUTE);
        assert!(counter.has(&rate, u64::MAX / 4));
    }
}
