//! What each strategy promises, by many choices.

use std::{
    sync::{Arc, OnceLock, atomic::Ordering},
    time::{Duration, Instant},
};

use super::*;
use crate::routing::{facts::Facts, prompt::Prompt, tests::provider};

fn targets(count: usize) -> Vec<Target> {
    let one = |number: usize| Target {
        provider: provider(&format!("p{number}"), "none"),
        model: Some("m".into()),
        health: None,
        price: None,
        weight: 1,
        rpm: None,
        tpm: None,
    };
    let mut targets: Vec<Target> = (0..count).map(one).collect();
    for target in &mut targets {
        target.health = Some(target.provider.health.target("m"));
    }
    targets
}

struct World {
    targets: Vec<Target>,
    strategy: Box<dyn Strategy>,
    now: Instant,
    is_question: bool,
}

impl World {
    fn new(name: StrategyName, targets: Vec<Target>) -> Self {
        World {
            strategy: build(name, &targets),
            targets,
            now: Instant::now(),
            is_question: false,
        }
    }

    fn pick_of(&self, beginning: u64, is_usable: &dyn Fn(usize) -> bool) -> Option<usize> {
        let prompt = OnceLock::from(Prompt {
            beginning,
            ..Prompt::default()
        });
        let facts = Facts {
            key: None,
            team: None,
            own_tags: &[],
            headers: None,
            has_wishes: false,
            stream: false,
            body: b"",
            prompt: &prompt,
        };
        let choice = Choice {
            facts: &facts,
            asked: &Arc::from("m"),
            is_usable,
            is_question: self.is_question,
            now: self.now,
        };
        self.strategy.pick(&self.targets, &choice)
    }

    fn pick(&self) -> usize {
        self.pick_of(0, &|_| true).unwrap()
    }

    /// How often each is picked.
    fn counts(&self, times: usize, is_usable: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.targets.len()];
        for _ in 0..times {
            counts[self.pick_of(0, is_usable).unwrap()] += 1;
        }
        counts
    }

    /// Serves requests one tick after the other, each target taking its own time in ticks, and gives back
    /// how many each was sent.
    fn serve(&mut self, ticks: &[u64]) -> Vec<usize> {
        let mut sent = vec![0; self.targets.len()];
        let mut under_way: Vec<(u64, usize)> = Vec::new();
        let health = |world: &World, at: usize| world.targets[at].health("m").into_owned();
        for tick in 0..6000 {
            self.now += Duration::from_millis(10);
            for (_, at) in under_way.extract_if(.., |(until, _)| *until <= tick) {
                let took = Duration::from_millis(10 * ticks[at]);
                health(self, at).in_flight.fetch_sub(1, Ordering::Relaxed);
                health(self, at).latency.add(took, self.now);
            }
            let at = self.pick();
            health(self, at).in_flight.fetch_add(1, Ordering::Relaxed);
            under_way.push((tick + ticks[at], at));
            sent[at] += 1;
        }
        sent
    }
}

#[test]
fn weights_are_kept_where_whoever_has_most_of_it_is_out() {
    let mut targets = targets(4);
    for (target, weight) in targets.iter_mut().zip([980, 10, 10, 0]) {
        target.weight = weight;
    }
    let world = World::new(StrategyName::Weighted, targets);
    let counts = world.counts(10_000, &|at| at != 0);
    assert!(
        counts[1].abs_diff(5000) < 300 && counts[2].abs_diff(5000) < 300,
        "{counts:?}"
    );
    assert_eq!(counts[3], 0, "for emergencies");
    assert_eq!(world.pick_of(0, &|at| at == 3), Some(3));
}

#[test]
fn a_question_takes_nobodys_turn() {
    let mut world = World::new(StrategyName::RoundRobin, targets(2));
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(world.pick());
        world.is_question = true;
        (0..3).for_each(|_| assert!(world.pick() < 2));
        world.is_question = false;
    }
    let (even, odd) = (turns[0], turns[1]);
    assert_ne!(even, odd);
    assert_eq!(turns, [even, odd, even, odd, even, odd]);
}

#[test]
fn weights_are_kept_within_a_hundredth_over_many_choices() {
    let mut targets = targets(3);
    for (target, weight) in targets.iter_mut().zip([50, 30, 20]) {
        target.weight = weight;
    }
    let world = World::new(StrategyName::Weighted, targets);
    let counts = world.counts(100_000, &|_| true);
    for (count, share) in counts.iter().zip([50_000, 30_000, 20_000_usize]) {
        assert!(count.abs_diff(share) <= 1000, "{counts:?}");
    }
    // Without the first the others keep their proportion.
    let counts = world.counts(100_000, &|at| at != 0);
    assert_eq!(counts[0], 0);
    assert!(counts[1].abs_diff(60_000) <= 1000, "{counts:?}");
}

#[test]
fn a_weight_of_nothing_is_for_emergencies() {
    let mut targets = targets(2);
    targets[0].weight = 0;
    let world = World::new(StrategyName::Weighted, targets);
    assert_eq!(world.counts(100, &|_| true), [0, 100]);
    assert_eq!(world.counts(10, &|at| at == 0), [10, 0]);
    assert_eq!(world.pick_of(0, &|_| false), None);
}

#[test]
fn each_has_its_turn() {
    let world = World::new(StrategyName::RoundRobin, targets(4));
    assert_eq!(world.counts(400, &|_| true), [100; 4]);
    let counts = world.counts(300, &|at| at != 2);
    assert_eq!(counts[2], 0);
}

#[test]
fn a_slow_one_of_three_gets_little() {
    for name in [StrategyName::Latency, StrategyName::LeastBusy] {
        let mut world = World::new(name, targets(3));
        let sent = world.serve(&[3, 3, 30]);
        let share = sent[2] * 100 / sent.iter().sum::<usize>();
        assert!(share < 15, "{}: {sent:?}", name.name());
    }
}

#[test]
fn conversations_stay_where_they_are_when_one_of_eight_leaves() {
    let world = World::new(StrategyName::PrefixAffinity, targets(8));
    let conversations = 0..4000_u64;
    let at =
        |number: u64, usable: &dyn Fn(usize) -> bool| world.pick_of(number * 7919, usable).unwrap();
    let before: Vec<usize> = conversations
        .clone()
        .map(|number| at(number, &|_| true))
        .collect();
    for place in 0..8 {
        let count = before.iter().filter(|at| **at == place).count();
        assert!((400..600).contains(&count), "{place}: {count}");
    }
    let stayed = conversations
        .filter(|number| before[*number as usize] != 3)
        .filter(|number| at(*number, &|place| place != 3) == before[*number as usize])
        .count();
    let others = before.iter().filter(|at| **at != 3).count();
    assert!(stayed * 100 >= others * 95, "{stayed} of {others}");
}

#[test]
fn a_prompt_that_everybody_sends_is_spread() {
    let world = World::new(StrategyName::PrefixAffinity, targets(4));
    let mut counts = [0_usize; 4];
    for _ in 0..400 {
        let at = world.pick();
        world.targets[at]
            .health("m")
            .in_flight
            .fetch_add(1, Ordering::Relaxed);
        counts[at] += 1;
    }
    assert!(counts.iter().all(|count| *count <= 127), "{counts:?}");
}

#[test]
fn room_is_what_is_left_of_the_limits() {
    let mut targets = targets(3);
    targets[0].rpm = Some(10);
    targets[1].rpm = Some(100);
    targets[2].tpm = Some(1000);
    let world = World::new(StrategyName::Usage, targets);
    for (at, requests, tokens) in [(0, 5.0, 0.0), (1, 20.0, 0.0), (2, 1.0, 900.0)] {
        world.targets[at]
            .health("m")
            .minute
            .add(requests, tokens, world.now);
    }
    assert_eq!(world.pick(), 1);
    assert_eq!(world.pick_of(0, &|at| at != 1), Some(0));
}

#[test]
fn every_strategy_takes_only_who_may_be_asked_and_is_registered() {
    for (name, _) in STRATEGIES {
        let world = World::new(name, targets(5));
        assert_eq!(world.pick_of(1, &|at| at == 4), Some(4), "{}", name.name());
        assert_eq!(world.pick_of(1, &|_| false), None, "{}", name.name());
        let empty = World::new(name, Vec::new());
        assert_eq!(empty.pick_of(1, &|_| true), None, "{}", name.name());
    }
}
