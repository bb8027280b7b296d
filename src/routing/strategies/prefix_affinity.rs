//! The same target for prompts that begin alike, so that it finds their beginning in its cache:
//! rendezvous hashing, with bounded load: a target with more than its share of the requests under way
//! passes them on to the next in line. Where a target leaves, only its own prompts move.
//!
//! Sources: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); Mirrokni,
//! Thorup and Zadimoghaddam, "Consistent hashing with bounded loads" (2018).

use std::hash::{Hash, Hasher};

use super::{Choice, Strategy, Target, usable};

/// A target may have so many times the average of requests under way, in quarters …
const MOST_QUARTERS: usize = 5;
/// … and always so many.
const ALWAYS: usize = 4;

/// The seeds of the targets, which depend on nothing but their names.
pub(super) struct PrefixAffinity(Vec<u64>);

impl PrefixAffinity {
    pub(super) fn new(targets: &[Target]) -> Self {
        let seed = |target: &Target| {
            let mut hasher = Stable::default();
            (&*target.provider.name, target.model.as_deref()).hash(&mut hasher);
            hasher.finish()
        };
        PrefixAffinity(targets.iter().map(seed).collect())
    }
}

impl Strategy for PrefixAffinity {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let beginning = choice.facts.prompt().beginning;
        let mut most = None;
        // The best of all first, and only then whether it may be asked: that costs more than its score.
        let mut above = None;
        for _ in 0..targets.len() {
            let best = self.below(above, beginning)?;
            above = Some(best);
            let (_, at) = best;
            if !(choice.is_usable)(at) {
                continue;
            }
            let busy = targets.get(at)?.busy(choice.asked);
            if busy < ALWAYS || busy < *most.get_or_insert_with(|| limit(targets, choice)) {
                return Some(at);
            }
        }
        usable(targets, choice).next()
    }
}

impl PrefixAffinity {
    /// The target with the highest score below `above`.
    fn below(&self, above: Option<(u64, usize)>, beginning: u64) -> Option<(u64, usize)> {
        let scores = self.0.iter().enumerate();
        let scores = scores.map(|(at, seed)| (mix(seed ^ beginning), at));
        scores
            .filter(|score| above.is_none_or(|above| *score < above))
            .max()
    }
}

/// How many requests a target may have under way.
fn limit(targets: &[Target], choice: &Choice<'_>) -> usize {
    let all: usize = targets.iter().map(|target| target.busy(choice.asked)).sum();
    let share = ((all + 1) * MOST_QUARTERS).div_ceil(4 * targets.len().max(1));
    share.max(ALWAYS)
}

/// The finalizer of SplitMix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// FNV-1a: the same in every process, so that several gateways agree.
struct Stable(u64);

impl Default for Stable {
    fn default() -> Self {
        Stable(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        mix(self.0)
    }
}
