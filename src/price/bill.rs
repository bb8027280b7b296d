//! What a request has cost, kind by kind: pure functions of its usage and its model's price, for
//! routing, limits, the ledger, and whoever prices the past anew.

use super::{Price, Usd};
use crate::chat::usage::Usage;

/// What a request has cost, by kind. Each token is on one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// The prompt, as far as no other line has it.
    pub input: Usd,
    /// What of the prompt was read from the provider's cache.
    pub cache_read: Usd,
    /// What of it was written to that cache for the usual time.
    pub cache_write: Usd,
    /// The same for an hour.
    pub cache_write_1h: Usd,
    /// What of it was heard, cached or not.
    pub audio_input: Usd,
    /// What of it was seen.
    pub image_input: Usd,
    /// The answer, as far as no other line has it.
    pub output: Usd,
    /// What of the answer was thought.
    pub reasoning: Usd,
    /// What of it was spoken.
    pub audio_output: Usd,
    /// What of it was drawn.
    pub image_output: Usd,
    /// Searches.
    pub searches: Usd,
    /// The request itself.
    pub request: Usd,
}

impl Bill {
    /// All lines.
    pub fn lines(&self) -> [(&'static str, Usd); 12] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("cache_write_1h", self.cache_write_1h),
            ("audio_input", self.audio_input),
            ("image_input", self.image_input),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("audio_output", self.audio_output),
            ("image_output", self.image_output),
            ("searches", self.searches),
            ("request", self.request),
        ]
    }

    /// Their sum.
    pub fn total(&self) -> Usd {
        self.lines().into_iter().map(|(_, amount)| amount).sum()
    }
}

impl Price {
    /// What a request has cost, by kind: each token once, at the rate of its kind.
    pub fn bill(&self, usage: &Usage) -> Bill {
        let rates = self.tariff(usage.tier).rates_at(usage.input);
        let (mut prompt, mut answer) = (usage.input, usage.output);
        take(&mut prompt, usage.unbilled_input);
        take(&mut answer, usage.unbilled_output);
        let of = |all: &mut u64, part: u64, rate: u64| Usd::of(take(all, part), rate);
        // Longer names first: what is of two kinds is on the line of the narrower one.
        let cached_audio = of(&mut prompt, usage.cached_audio, rates.audio_cache_read);
        let read = usage.cached_input.saturating_sub(usage.cached_audio);
        let kept = usage.cache_write.saturating_sub(usage.cache_write_1h);
        let heard = usage.audio_input.saturating_sub(usage.cached_audio);
        Bill {
            cache_read: of(&mut prompt, read, rates.cache_read),
            cache_write_1h: of(&mut prompt, usage.cache_write_1h, rates.cache_write_1h),
            cache_write: of(&mut prompt, kept, rates.cache_write),
            audio_input: cached_audio + of(&mut prompt, heard, rates.audio_input),
            image_input: of(&mut prompt, usage.image_input, rates.image_input),
            input: Usd::of(prompt, rates.input),
            reasoning: of(&mut answer, usage.reasoning, rates.reasoning),
            audio_output: of(&mut answer, usage.audio_output, rates.audio_output),
            image_output: of(&mut answer, usage.image_output, rates.image_output),
            output: Usd::of(answer, rates.output),
            searches: Usd::from_pico(self.search.pico().saturating_mul(usage.searches.into())),
            request: self.request,
        }
    }

    /// What a request has cost by these rates.
    pub fn cost(&self, usage: &Usage) -> Usd {
        self.bill(usage).total()
    }
}

/// What a request has cost: by its model's price, or as the answer states it where that comes first or
/// there is no price. `None` where nobody knows, which is not the same as nothing.
pub fn cost(price: Option<&Price>, usage: &Usage) -> Option<Usd> {
    let stated = usage
        .stated_cost_pico
        .map(|pico| Usd::from_pico(pico.into()));
    match price {
        Some(price) if !price.is_stated => Some(price.cost(usage)),
        Some(price) => stated.or_else(|| Some(price.cost(usage))),
        None => stated,
    }
}

/// Takes tokens of one kind out of all of them: never more than there are, whatever was reported.
fn take(all: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*all);
    *all -= taken;
    taken
}
