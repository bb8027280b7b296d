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

use crate::chat::usage::Tier as Service;

pub use bill::{Bill, cost};

mod bill;

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
        let (whole, rest) = self.split();
        let mut buffer = itoa::Buffer::new();
        let whole = buffer.format(whole);
        let mut digits = *b"000000000000";
        let mut left = rest;
        for digit in digits.iter_mut().rev() {
            *digit += (left % 10) as u8;
            left /= 10;
        }
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        match digits.trim_end_matches('0') {
            "" => formatter.pad(whole),
            // In every log line, where nothing is padded.
            digits if formatter.width().is_none() => {
                formatter.write_str(whole)?;
                formatter.write_str(".")?;
                formatter.write_str(digits)
            }
            digits => formatter.pad(&format!("{whole}.{digits}")),
        }
    }
}

impl Usd {
    /// Dollars, and the pico-dollars that are left. Division by a number of 128 bits is slow, and few amounts need it.
    fn split(self) -> (u128, u64) {
        const PICO: u64 = PICO_PER_USD as u64;
        match u64::try_from(self.0) {
            Ok(small) => ((small / PICO).into(), small % PICO),
            Err(_) => (self.0 / PICO_PER_USD, (self.0 % PICO_PER_USD) as u64),
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
    /// The same for an hour, where that is offered.
    pub cache_write_1h: u64,
    /// Of the answer, thought.
    pub reasoning: u64,
    /// Of the prompt, heard.
    pub audio_input: u64,
    /// Of the prompt, heard, and read from the provider's cache.
    pub audio_cache_read: u64,
    /// Of the answer, spoken.
    pub audio_output: u64,
    /// Of the prompt, seen.
    pub image_input: u64,
    /// Of the answer, drawn.
    pub image_output: u64,
}

impl Rates {
    /// All of them by so many times, to the nearest pico-dollar. `None` where that is no rate.
    pub fn times(&self, times: f64) -> Option<Rates> {
        let by = |rate: u64| {
            // Rates of a file are below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            let rate = (rate as f64 * times).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked"
            )]
            (0.0..1e15).contains(&rate).then_some(rate as u64)
        };
        Some(Rates {
            input: by(self.input)?,
            output: by(self.output)?,
            cache_read: by(self.cache_read)?,
            cache_write: by(self.cache_write)?,
            cache_write_1h: by(self.cache_write_1h)?,
            reasoning: by(self.reasoning)?,
            audio_input: by(self.audio_input)?,
            audio_cache_read: by(self.audio_cache_read)?,
            audio_output: by(self.audio_output)?,
            image_input: by(self.image_input)?,
            image_output: by(self.image_output)?,
        })
    }
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

/// What tokens cost by the prompt's length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariff {
    /// The rates, where no tier holds.
    pub rates: Rates,
    /// The rates of longer prompts, the shortest first.
    pub tiers: Vec<Tier>,
}

impl Tariff {
    /// The rates of a request whose prompt has so many tokens.
    pub fn rates_at(&self, prompt_tokens: u64) -> &Rates {
        let tier = self
            .tiers
            .iter()
            .rfind(|tier| prompt_tokens > tier.above_tokens);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// The same at so many times the rates. `None` where one of them is no rate then.
    pub fn times(&self, times: f64) -> Option<Tariff> {
        let tier = |tier: &Tier| {
            let rates = tier.rates.times(times)?;
            Some(Tier { rates, ..*tier })
        };
        Some(Tariff {
            rates: self.rates.times(times)?,
            tiers: self.tiers.iter().map(tier).collect::<Option<_>>()?,
        })
    }
}

/// What a model costs, and how much it can take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// What it costs where it is served as usual.
    pub tariff: Tariff,
    /// What it costs where it is served otherwise, and that has a price of its own.
    pub services: Vec<(Service, Tariff)>,
    /// What each request costs beside its tokens.
    pub request: Usd,
    /// What each search costs that the provider makes on its own.
    pub search: Usd,
    /// Whether what an answer says of its own cost comes before these rates.
    pub is_stated: bool,
    /// How many tokens prompt and answer may have together, where that is known.
    pub context_tokens: Option<u64>,
    /// How many tokens an answer may have, where that is known.
    pub max_output_tokens: Option<u64>,
}

impl Price {
    /// The rates of a request that is served as usual.
    pub fn rates_at(&self, prompt_tokens: u64) -> &Rates {
        self.tariff.rates_at(prompt_tokens)
    }

    /// What it costs where it is served so; as usual, where that is not known.
    pub fn tariff(&self, service: Option<Service>) -> &Tariff {
        let mut services = self.services.iter();
        let special = services.find(|(name, _)| Some(*name) == service);
        special.map_or(&self.tariff, |(_, tariff)| tariff)
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

#[cfg(test)]
mod tests;
