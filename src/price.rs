//! What a model costs, in whole numbers: the plain types that the prices' reader makes, and that
//! routing, limits and usage count with.
//!
//! A rate is in pico-dollars (10⁻¹²) per token, which is a millionth of the dollars per million
//! tokens that providers publish: sums are exact, however many requests are added up.

mod text;

pub use text::NoAmount;

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
};

use crate::chat::usage::Usage;

const PICO_PER_USD: u128 = 1_000_000_000_000;

/// An amount of US dollars, in pico-dollars. Sums end at the largest that it can hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u128);

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);

    /// So many pico-dollars.
    pub const fn from_pico(pico: u128) -> Self {
        Usd(pico)
    }

    /// An amount as people write it, to the nearest pico-dollar. `None` where it is negative or no
    /// number.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let pico = (dollars * PICO_PER_USD as f64).round();
        (pico >= 0.0 && pico.is_finite()).then_some(Usd(pico as u128))
    }

    /// It in pico-dollars.
    pub const fn pico(self) -> u128 {
        self.0
    }

    /// It in dollars, for metrics and estimates; not exact.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO_PER_USD as f64
    }

    /// What is left of it after `other`; nothing where that is more.
    #[must_use]
    pub fn saturating_sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }

    fn of(tokens: u64, rate: u64) -> Usd {
        Usd(u128::from(tokens) * u128::from(rate))
    }
}

impl Add for Usd {
    type Output = Usd;

    fn add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Usd) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Usd>>(amounts: I) -> Usd {
        amounts.fold(Usd::ZERO, Add::add)
    }
}

/// Decimal dollars without a sign, exact, with no more digits than needed: `0.000125`, `3`.
impl fmt::Display for Usd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / PICO_PER_USD, self.0 % PICO_PER_USD);
        let digits = format!("{rest:012}");
        match digits.trim_end_matches('0') {
            "" => formatter.pad(&whole.to_string()),
            digits => formatter.pad(&format!("{whole}.{digits}")),
        }
    }
}

/// What a token of each kind costs, in pico-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of the prompt, and none of the kinds below.
    pub input: u64,
    /// Of the answer, and none of the kinds below.
    pub output: u64,
    /// Of the prompt, read from the provider's cache.
    pub cache_read: u64,
    /// Of the prompt, written to the provider's cache for its usual time.
    pub cache_write: u64,
    /// The same for an hour, where that is offered. [`Usage`] does not tell the two apart, so that
    /// [`Price::cost`] counts every write at the usual rate.
    pub cache_write_1h: u64,
    /// Of the answer, thought.
    pub reasoning: u64,
    /// Of the prompt, heard.
    pub audio_input: u64,
    /// Of the answer, spoken.
    pub audio_output: u64,
}

/// The rates of long prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// They hold for the whole request where its prompt has more tokens than this, cached ones
    /// included.
    pub above_tokens: u64,
    /// The rates.
    pub rates: Rates,
}

/// What a model costs, and how much it can take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// The rates, where no tier holds.
    pub rates: Rates,
    /// The rates of longer prompts, the shortest first.
    pub tiers: Vec<Tier>,
    /// What each request costs beside its tokens.
    pub request: Usd,
    /// How many tokens prompt and answer may have together, where that is known.
    pub context_tokens: Option<u64>,
    /// How many tokens an answer may have, where that is known.
    pub max_output_tokens: Option<u64>,
}

impl Price {
    /// The rates of a request whose prompt has so many tokens.
    pub fn rates_at(&self, prompt_tokens: u64) -> &Rates {
        let tier = self
            .tiers
            .iter()
            .rfind(|tier| prompt_tokens > tier.above_tokens);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// What a request has cost. Each token counts once, at the rate of its kind.
    pub fn cost(&self, usage: &Usage) -> Usd {
        let rates = self.rates_at(usage.input);
        let (mut prompt, mut answer) = (usage.input, usage.output);
        let cache_read = take(&mut prompt, usage.cached_input);
        let cache_write = take(&mut prompt, usage.cache_write);
        let audio_input = take(&mut prompt, usage.audio_input);
        let reasoning = take(&mut answer, usage.reasoning);
        let audio_output = take(&mut answer, usage.audio_output);
        let tokens: Usd = [
            Usd::of(prompt, rates.input),
            Usd::of(cache_read, rates.cache_read),
            Usd::of(cache_write, rates.cache_write),
            Usd::of(audio_input, rates.audio_input),
            Usd::of(answer, rates.output),
            Usd::of(reasoning, rates.reasoning),
            Usd::of(audio_output, rates.audio_output),
        ]
        .into_iter()
        .sum();
        tokens + self.request
    }

    /// What a request may cost that has not been sent: nothing of its text is cached, and its
    /// answer is as long as it may be. More than the model can say is not counted.
    pub fn estimate(&self, prompt_tokens: u64, max_output_tokens: u64) -> Usd {
        let output = max_output_tokens.min(self.max_output_tokens.unwrap_or(u64::MAX));
        let rates = self.rates_at(prompt_tokens);
        Usd::of(prompt_tokens, rates.input)
            + Usd::of(output, rates.output.max(rates.reasoning))
            + self.request
    }
}

/// Takes tokens of one kind out of all of them: never more than there are, whatever was reported.
fn take(all: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*all);
    *all -= taken;
    taken
}

#[cfg(test)]
mod tests;
