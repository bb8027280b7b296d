//! `conf/pricing.yaml` as it is written: dollars per million tokens, kinds left out where they cost
//! what another does.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de::Error};

use crate::price::{Price, Rates, Tier, Usd};

/// The finest price: a millionth of a dollar per million tokens, which is a pico-dollar per token.
const PARTS: f64 = 1e6;

/// The prices of one kind of provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// The kind whose prices hold for every model that is not listed here.
    #[serde(rename = "as")]
    pub(super) same_as: Option<String>,
    /// Where the figures are from.
    pub(super) source: Option<String>,
    /// The day of which they are, `2026-10-27`, or `undated`.
    pub(super) as_of: Option<String>,
    /// By the model's name there, or a glob.
    #[serde(default)]
    pub(super) models: IndexMap<String, Checked>,
}

/// A price that has been read and checked.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Checked(pub(super) Price);

/// A price, or a tier of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    above_tokens: Option<u64>,
    input: Rate,
    output: Rate,
    /// `input`, where it is left out.
    cache_read: Option<Rate>,
    /// `input`.
    cache_write: Option<Rate>,
    /// `cache_write`.
    cache_write_1h: Option<Rate>,
    /// `output`.
    reasoning: Option<Rate>,
    /// `input`.
    audio_input: Option<Rate>,
    /// `output`.
    audio_output: Option<Rate>,
    /// Dollars for each request.
    request: Option<f64>,
    context_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(default)]
    tiers: Vec<Written>,
}

/// Pico-dollars per token.
#[derive(Debug, Clone, Copy)]
struct Rate(u64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = f64::deserialize(deserializer)? * PARTS;
        let whole = parts.round();
        // Decimal fractions are not exact in binary; what is not a whole number of parts at all is
        // a slip, such as dollars per token.
        if !(0.0..1e15).contains(&whole) || (parts - whole).abs() > 1e-3 {
            return Err(D::Error::custom(
                "expected dollars per million tokens, not negative and no finer than 0.000001",
            ));
        }
        Ok(Rate(whole as u64))
    }
}

impl Written {
    fn rates(&self) -> Rates {
        let or = |kind: Option<Rate>, other: Rate| kind.unwrap_or(other);
        let cache_write = or(self.cache_write, self.input);
        Rates {
            input: self.input.0,
            output: self.output.0,
            cache_read: or(self.cache_read, self.input).0,
            cache_write: cache_write.0,
            cache_write_1h: or(self.cache_write_1h, cache_write).0,
            reasoning: or(self.reasoning, self.output).0,
            audio_input: or(self.audio_input, self.input).0,
            audio_output: or(self.audio_output, self.output).0,
        }
    }

    /// It as a tier above one that ends at `below`.
    fn tier(&self, below: u64) -> Result<Tier, &'static str> {
        let only_rates = self.request.is_none()
            && self.context_tokens.is_none()
            && self.max_output_tokens.is_none()
            && self.tiers.is_empty();
        if !only_rates {
            return Err("a tier has `above_tokens` and rates, nothing else");
        }
        let above_tokens = self
            .above_tokens
            .ok_or("a tier needs `above_tokens`, the longest prompt that it does not hold for")?;
        if above_tokens <= below {
            return Err("tiers need growing `above_tokens`, each more than 0");
        }
        Ok(Tier {
            above_tokens,
            rates: self.rates(),
        })
    }
}

impl TryFrom<Written> for Checked {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        if written.above_tokens.is_some() {
            return Err("`above_tokens` belongs to an entry of `tiers`");
        }
        let mut tiers: Vec<Tier> = Vec::new();
        for tier in &written.tiers {
            let below = tiers.last().map_or(0, |tier| tier.above_tokens);
            tiers.push(tier.tier(below)?);
        }
        let request = Usd::from_dollars(written.request.unwrap_or_default())
            .ok_or("`request` is in dollars, and not negative")?;
        Ok(Checked(Price {
            rates: written.rates(),
            tiers,
            request,
            context_tokens: written.context_tokens,
            max_output_tokens: written.max_output_tokens,
        }))
    }
}
