//! `conf/pricing.yaml` as it is written: dollars per million tokens, kinds left out where they cost
//! what another does.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::services::{self, Services};
use crate::price::{Price, Rates, Tariff, Tier, Usd};

/// The finest price: a millionth of a dollar per million tokens, which is a pico-dollar per token.
const PARTS: f64 = 1e6;

/// The prices of one kind of provider.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Plain")]
pub(super) struct Section {
    pub(super) same_as: Option<String>,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    /// By the model's name there, or a glob.
    pub(super) models: IndexMap<String, Price>,
}

/// A section as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    /// The kind whose prices hold for every model that is not listed here.
    #[serde(rename = "as")]
    same_as: Option<String>,
    /// Where the figures are from.
    source: Option<String>,
    /// The day of which they are, `2026-10-27`, or `undated`.
    as_of: Option<String>,
    /// Whether its answers say what they cost, and that counts.
    #[serde(default)]
    stated: bool,
    /// What each of its searches costs, in dollars, where a model's entry does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<f64>,
    /// What its services cost, for models whose entry does not say it.
    #[serde(default)]
    services: Services,
    #[serde(default)]
    models: IndexMap<String, Checked>,
}

impl TryFrom<Plain> for Section {
    type Error = &'static str;

    fn try_from(plain: Plain) -> Result<Self, Self::Error> {
        let search = Usd::from_dollars(plain.search.unwrap_or_default())
            .ok_or("`search` is in dollars, and not negative")?;
        let with_defaults = |(name, Checked(mut price))| {
            services::add(&plain.services, &mut price)?;
            price.is_stated = plain.stated;
            if price.search == Usd::ZERO {
                price.search = search;
            }
            Ok((name, price))
        };
        let models = plain.models.into_iter().map(with_defaults);
        Ok(Section {
            models: models.collect::<Result<_, Self::Error>>()?,
            same_as: plain.same_as,
            source: plain.source,
            as_of: plain.as_of,
        })
    }
}

/// A price that has been read and checked.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Checked(Price);

/// What a model costs, in dollars per million tokens, or a tier of it. What is left out costs what another kind
/// does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ModelPrice")]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Of a tier: it holds for requests whose prompt has more tokens than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    above_tokens: Option<u64>,
    /// Tokens of prompts.
    input: Rate,
    /// Tokens of answers.
    output: Rate,
    /// Tokens of prompts that the provider's cache had. As `input`, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<Rate>,
    /// Those that it took. As `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<Rate>,
    /// Those that it took for an hour. As `cache_write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_1h: Option<Rate>,
    /// Tokens of answers that were thought. As `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Rate>,
    /// Tokens of prompts that were heard. As `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_input: Option<Rate>,
    /// Those of them that the provider's cache had. As `cache_read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_cache_read: Option<Rate>,
    /// Tokens of answers that were spoken. As `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_output: Option<Rate>,
    /// Tokens of prompts that were seen. As `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_input: Option<Rate>,
    /// Tokens of answers that were drawn. As `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_output: Option<Rate>,
    /// Dollars for each search.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<f64>,
    /// Dollars for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<f64>,
    /// How many tokens prompt and answer may have together.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    /// How many tokens an answer may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    /// Other rates for long prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<serde_json::Value>")]
    tiers: Vec<Written>,
    /// What `batch`, `flex`, `priority` and `fast` cost: so many times as much, or rates of their own.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "IndexMap<String, serde_json::Value>")]
    services: Services,
}

/// Pico-dollars per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate(u64);

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Read from a number that was as fine.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        serializer.serialize_f64(self.0 as f64 / PARTS)
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": 0})
    }
}

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
        let cache_read = or(self.cache_read, self.input);
        Rates {
            input: self.input.0,
            output: self.output.0,
            cache_read: cache_read.0,
            cache_write: cache_write.0,
            cache_write_1h: or(self.cache_write_1h, cache_write).0,
            reasoning: or(self.reasoning, self.output).0,
            audio_input: or(self.audio_input, self.input).0,
            audio_cache_read: or(self.audio_cache_read, cache_read).0,
            audio_output: or(self.audio_output, self.output).0,
            image_input: or(self.image_input, self.input).0,
            image_output: or(self.image_output, self.output).0,
        }
    }

    /// Whether it says nothing but what tokens cost.
    fn is_only_rates(&self) -> bool {
        self.request.is_none()
            && self.search.is_none()
            && self.context_tokens.is_none()
            && self.max_output_tokens.is_none()
            && self.services.is_empty()
    }

    /// It as what a service costs, whose rates are all its own.
    pub(super) fn service(&self) -> Result<Tariff, &'static str> {
        if self.above_tokens.is_some() || !self.is_only_rates() {
            return Err(
                "a service has rates and `tiers`, or says how often the usual rates it costs",
            );
        }
        self.tariff()
    }

    fn tariff(&self) -> Result<Tariff, &'static str> {
        let mut tiers: Vec<Tier> = Vec::new();
        for tier in &self.tiers {
            let below = tiers.last().map_or(0, |tier| tier.above_tokens);
            tiers.push(tier.tier(below)?);
        }
        Ok(Tariff {
            rates: self.rates(),
            tiers,
        })
    }

    /// It as a tier above one that ends at `below`.
    fn tier(&self, below: u64) -> Result<Tier, &'static str> {
        if !self.is_only_rates() || !self.tiers.is_empty() {
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

impl Written {
    /// It as the price of a model.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn price(&self) -> Result<Price, &'static str> {
        if self.above_tokens.is_some() {
            return Err("`above_tokens` belongs to an entry of `tiers`");
        }
        let tariff = self.tariff()?;
        let dollars = |of: Option<f64>| Usd::from_dollars(of.unwrap_or_default());
        Ok(Price {
            services: services::read(&self.services, &tariff)?,
            tariff,
            request: dollars(self.request).ok_or("`request` is in dollars, and not negative")?,
            search: dollars(self.search).ok_or("`search` is in dollars, and not negative")?,
            is_stated: false,
            context_tokens: self.context_tokens,
            max_output_tokens: self.max_output_tokens,
        })
    }
}

impl TryFrom<Written> for Checked {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        written.price().map(Checked)
    }
}
