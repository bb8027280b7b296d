//! Who has been asked for a request, and who of them may be asked again. It knows targets by provider and
//! model, wherever their names stand: one that is in a pool and in the chain behind it is the same.
//! Two that race for the same answer (`routing.hedge`) share it, so that nobody is asked twice.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::Candidate;

/// Who has been asked. In a round each is asked once; repeats begin another.
#[derive(Default)]
pub(super) struct Round {
    known: SmallVec<[Known; 1]>,
    /// Calls to those that had been asked already.
    pub(super) repeats: u32,
}

/// A target that has had its turn.
struct Known {
    candidate: Candidate,
    /// How often it was asked; not at all where its retry budget did not allow it.
    calls: u32,
    /// Whether the last of them was a repeat.
    is_repeat: bool,
    /// How many of those go on.
    under_way: u32,
    /// Whether it has had its turn in this round.
    is_over: bool,
    /// From when on it may be asked again; `None` for never.
    again: Option<Instant>,
}

impl Round {
    fn find(&self, provider: &str, model: &str) -> Option<&Known> {
        let mut known = self.known.iter();
        known.find(|known| known.candidate.is(provider, model))
    }

    /// Whether a target may have its turn now. With `only_new` nobody is asked again.
    pub(super) fn is_open(
        &self,
        provider: &str,
        model: &str,
        now: Instant,
        only_new: bool,
    ) -> bool {
        self.find(provider, model).is_none_or(|known| {
            let may_repeat = known.again.is_some_and(|at| at <= now) && !only_new;
            !known.is_over && (known.calls == 0 || may_repeat)
        })
    }

    fn entry(&mut self, candidate: &Candidate, now: Instant) -> Option<&mut Known> {
        let is_same = |known: &Known| {
            known
                .candidate
                .is(&candidate.provider.name, &candidate.model)
        };
        let at = match self.known.iter().position(is_same) {
            Some(at) => at,
            None => {
                self.known.push(Known {
                    candidate: candidate.clone(),
                    calls: 0,
                    is_repeat: false,
                    under_way: 0,
                    is_over: false,
                    again: Some(now),
                });
                self.known.len() - 1
            }
        };
        self.known.get_mut(at)
    }

    /// It is called. A call with another of its keys (`is_other_key`) is no repeat.
    pub(super) fn call(&mut self, candidate: &Candidate, now: Instant, is_other_key: bool) {
        let Some(known) = self.entry(candidate, now) else {
            return;
        };
        known.is_repeat = known.calls > 0 && !is_other_key;
        known.calls += 1;
        known.under_way += u32::from(!is_other_key);
        known.is_over = true;
        let more = u32::from(known.is_repeat);
        self.repeats += more;
    }

    /// It was to be called and has not been.
    pub(super) fn take_back(&mut self, candidate: &Candidate, now: Instant) {
        let Some(known) = self.entry(candidate, now) else {
            return;
        };
        known.calls = known.calls.saturating_sub(1);
        known.under_way = known.under_way.saturating_sub(1);
        let less = u32::from(std::mem::take(&mut known.is_repeat));
        self.repeats = self.repeats.saturating_sub(less);
    }

    /// It has its turn without being called.
    pub(super) fn pass_over(&mut self, candidate: &Candidate, now: Instant) {
        if let Some(known) = self.entry(candidate, now) {
            known.is_over = true;
        }
    }

    /// It has failed, and may be asked again from then on.
    pub(super) fn fail(&mut self, candidate: &Candidate, now: Instant, again: Option<Instant>) {
        if let Some(known) = self.entry(candidate, now) {
            known.under_way = known.under_way.saturating_sub(1);
            known.again = again;
        }
    }

    /// All that have been asked and may be again, and from when on.
    pub(super) fn repeatable(&self) -> impl Iterator<Item = (&Candidate, Instant)> {
        let is_done = |known: &&Known| known.calls > 0 && known.under_way == 0;
        let known = self.known.iter().filter(is_done);
        known.filter_map(|known| Some((&known.candidate, known.again?)))
    }

    /// Everyone has another turn, but whoever is being asked by the other of two.
    pub(super) fn restart(&mut self) {
        for known in &mut self.known {
            known.is_over = known.under_way > 0;
        }
    }

    /// Nobody of those that have been asked is asked again.
    pub(super) fn close(&mut self) {
        for known in &mut self.known {
            known.again = None;
        }
    }

    /// The other of two is over.
    fn settle(&mut self) {
        for known in &mut self.known {
            known.under_way = 0;
        }
    }
}

/// The round of a plan: its own, or that of two.
pub(super) enum Rounds {
    Own(Round),
    Shared(Arc<Mutex<Round>>),
}

impl Default for Rounds {
    fn default() -> Self {
        Rounds::Own(Round::default())
    }
}

impl Rounds {
    pub(super) fn look<T>(&self, look: impl FnOnce(&Round) -> T) -> T {
        match self {
            Rounds::Own(round) => look(round),
            Rounds::Shared(round) => look(&round.lock()),
        }
    }

    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Round) -> T) -> T {
        match self {
            Rounds::Own(round) => change(round),
            Rounds::Shared(round) => change(&mut round.lock()),
        }
    }

    /// The same one for somebody else.
    pub(super) fn share(&mut self) -> Arc<Mutex<Round>> {
        let shared = match std::mem::take(self) {
            Rounds::Own(round) => Arc::new(Mutex::new(round)),
            Rounds::Shared(round) => round,
        };
        *self = Rounds::Shared(shared.clone());
        shared
    }
}

/// Two that race for the same answer.
pub struct Contest(pub(super) Arc<Mutex<Round>>);

impl Contest {
    /// It is decided: whoever goes on goes on alone.
    pub fn decide(&self) {
        self.0.lock().settle();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::routing::tests::provider;

    fn candidate(name: &str) -> Candidate {
        Candidate::new(&provider(name, name), "m".into())
    }

    #[test]
    fn each_has_one_turn_a_round_and_those_that_failed_for_good_none_after_it() {
        let (mut round, now) = (Round::default(), Instant::now());
        let [a, b, c] = ["a", "b", "c"].map(candidate);
        let is_open = |round: &Round, name: &str| round.is_open(name, "m", now, false);
        for candidate in [&a, &b] {
            assert!(is_open(&round, &candidate.provider.name));
            round.call(candidate, now, false);
        }
        round.pass_over(&c, now);
        assert!(!["a", "b", "c"].iter().any(|name| is_open(&round, name)));
        assert!(is_open(&round, "d") && round.is_open("a", "other", now, false));
        round.fail(&a, now, Some(now));
        round.fail(&b, now, None);
        round.restart();
        assert!(is_open(&round, "a") && !is_open(&round, "b") && is_open(&round, "c"));
        assert!(!round.is_open("a", "m", now, true), "asked before");
        assert!(round.is_open("c", "m", now, true), "never asked");
        let names = round
            .repeatable()
            .map(|(known, _)| known.provider.name.clone());
        assert_eq!(
            names.collect::<Vec<_>>(),
            std::slice::from_ref(&a.provider.name)
        );
        assert_eq!(round.repeats, 0);
        round.call(&a, now, false);
        assert_eq!(round.repeats, 1);
        round.take_back(&a, now);
        round.call(&c, now, false);
        assert_eq!(
            round.repeats, 0,
            "a call that did not come, and a first one"
        );
        round.call(&a, now, true);
        assert_eq!(round.repeats, 0, "another key is no repeat");
    }

    #[test]
    fn nobody_is_asked_before_the_time_that_it_named() {
        let (mut round, now) = (Round::default(), Instant::now());
        let a = candidate("a");
        round.call(&a, now, false);
        let later = now + Duration::from_secs(20);
        round.fail(&a, now, Some(later));
        round.restart();
        assert!(!round.is_open("a", "m", now, false));
        assert!(round.is_open("a", "m", later, false));
    }

    #[test]
    fn two_see_whom_the_other_asks_until_their_race_is_over() {
        let mut first = Rounds::default();
        let shared = first.share();
        let mut second = Rounds::Shared(shared.clone());
        let (a, now) = (candidate("a"), Instant::now());
        second.change(|round| round.call(&a, now, false));
        let is_open = |rounds: &Rounds| rounds.look(|round| round.is_open("a", "m", now, false));
        assert!(!is_open(&first));
        first.change(Round::restart);
        assert!(!is_open(&first), "still under way");
        Contest(shared).decide();
        first.change(Round::restart);
        assert!(is_open(&first));
    }
}
