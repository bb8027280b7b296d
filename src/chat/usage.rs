//! Tokens by kind, as a provider counted them, and what else decides what they cost.

use serde::{Deserialize, Serialize};

/// What a request used. Cached tokens, written or read, are part of `input`, as what was heard and seen
/// is; reasoning, speech and pictures are part of `output`; so that `input + output` is the total and
/// nothing is counted twice. A dialect that counts otherwise (Anthropic's `input_tokens` excludes the
/// cache, Gemini's candidates exclude thoughts) is converted by its reader, and back by its writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Tokens of the prompt that the provider read from its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Tokens of the prompt that the provider wrote to its cache, for however long.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Those of `cache_write` that it keeps for an hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Tokens of the answer that were reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Tokens of the prompt that were audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// Those of `audio_input` that are also part of `cached_input`.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_audio: u64,
    /// Tokens of the answer that were audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output: u64,
    /// Tokens of the prompt that were pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_input: u64,
    /// Tokens of the answer that were pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_output: u64,
    /// Searches that the provider made on its own, where it counts them in its usage.
    #[serde(skip_serializing_if = "is_zero")]
    pub searches: u64,
    /// Tokens of the prompt that the provider counts and does not bill, such as its own instructions.
    #[serde(skip_serializing_if = "is_zero")]
    pub unbilled_input: u64,
    /// The same of the answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub unbilled_output: u64,
    /// How the provider says that it served the request; `None` where it does not.
    #[serde(skip_serializing_if = "is_standard")]
    pub tier: Option<Tier>,
    /// What the provider itself says that the request cost, in pico-dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_cost_pico: Option<u64>,
}

/// How a provider serves a request, where that changes what it costs. Their order is part of the journal's
/// format: a new one goes to the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// At list prices.
    #[default]
    Standard,
    /// When there is room.
    Flex,
    /// Within a day.
    Batch,
    /// Before others.
    Priority,
    /// Faster than usual (Anthropic's `speed`).
    Fast,
}

impl Tier {
    /// All but the standard one.
    pub const SPECIAL: [Tier; 4] = [Tier::Flex, Tier::Batch, Tier::Priority, Tier::Fast];

    /// The tier that a provider calls so (`flex`, `PRIORITY`, `ON_DEMAND_FLEX`). A word that is not known
    /// is the standard one; `auto` is a wish, and says nothing of what came of it.
    pub fn read(word: &str) -> Option<Self> {
        if matches!(word, "" | "auto") {
            return None;
        }
        let has_name = |tier: &Tier| {
            let name = word.get(word.len().saturating_sub(tier.name().len())..);
            let before = word.len().checked_sub(tier.name().len() + 1);
            let is_word = before.is_none_or(|at| word.as_bytes().get(at) == Some(&b'_'));
            is_word && name.is_some_and(|name| name.eq_ignore_ascii_case(tier.name()))
        };
        let mut tiers = Tier::SPECIAL.into_iter();
        Some(tiers.find(has_name).unwrap_or_default())
    }

    /// Its name in files of prices and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Standard => "standard",
            Tier::Flex => "flex",
            Tier::Batch => "batch",
            Tier::Priority => "priority",
            Tier::Fast => "fast",
        }
    }
}

impl Usage {
    /// Each count of either report put into `of` with its counterpart; the rest is this one's, where it
    /// has any.
    fn joined(self, other: Usage, of: fn(u64, u64) -> u64) -> Usage {
        Usage {
            input: of(self.input, other.input),
            output: of(self.output, other.output),
            cached_input: of(self.cached_input, other.cached_input),
            cache_write: of(self.cache_write, other.cache_write),
            cache_write_1h: of(self.cache_write_1h, other.cache_write_1h),
            reasoning: of(self.reasoning, other.reasoning),
            audio_input: of(self.audio_input, other.audio_input),
            cached_audio: of(self.cached_audio, other.cached_audio),
            audio_output: of(self.audio_output, other.audio_output),
            image_input: of(self.image_input, other.image_input),
            image_output: of(self.image_output, other.image_output),
            searches: of(self.searches, other.searches),
            unbilled_input: of(self.unbilled_input, other.unbilled_input),
            unbilled_output: of(self.unbilled_output, other.unbilled_output),
            tier: self.tier.or(other.tier),
            stated_cost_pico: self.stated_cost_pico.or(other.stated_cost_pico),
        }
    }

    /// Of two reports on one answer, what is known of each kind. Providers that report more than once
    /// count up, or leave out what they said before.
    #[must_use]
    pub fn merged(self, earlier: Option<Usage>) -> Usage {
        match earlier {
            Some(earlier) => self.joined(earlier, u64::max),
            None => self,
        }
    }

    /// What two calls used together. Costs that are stated add up where both are.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        let costs = self.stated_cost_pico.zip(other.stated_cost_pico);
        Usage {
            stated_cost_pico: costs.map(|(one, other)| one.saturating_add(other)),
            ..self.joined(other, u64::saturating_add)
        }
    }

    /// The same with no count above `most`.
    #[must_use]
    pub fn capped(self, most: u64) -> Usage {
        let cap = Usage {
            input: most,
            output: most,
            cached_input: most,
            cache_write: most,
            cache_write_1h: most,
            reasoning: most,
            audio_input: most,
            cached_audio: most,
            audio_output: most,
            image_input: most,
            image_output: most,
            searches: most,
            unbilled_input: most,
            unbilled_output: most,
            ..Usage::default()
        };
        self.joined(cap, u64::min)
    }

    /// The counts alone.
    #[must_use]
    pub fn counts(self) -> Usage {
        Usage {
            tier: None,
            stated_cost_pico: None,
            ..self
        }
    }

    /// `input + output`.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// Dollars as a provider states them, in pico-dollars. `None` for what is no price.
pub fn pico_of_dollars(dollars: f64) -> Option<u64> {
    let pico = (dollars * 1e12).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked"
    )]
    (0.0..1e18).contains(&pico).then_some(pico as u64)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_standard(tier: &Option<Tier>) -> bool {
    matches!(tier, None | Some(Tier::Standard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_known_under_the_names_of_all_providers() {
        for (word, tier) in [
            ("priority", Tier::Priority),
            ("PRIORITY", Tier::Priority),
            ("flex", Tier::Flex),
            ("ON_DEMAND_FLEX", Tier::Flex),
            ("ON_DEMAND_PRIORITY", Tier::Priority),
            ("batch", Tier::Batch),
            ("fast", Tier::Fast),
            ("default", Tier::Standard),
            ("on_demand", Tier::Standard),
            ("standard", Tier::Standard),
            ("PROVISIONED_THROUGHPUT", Tier::Standard),
            ("breakfast", Tier::Standard),
            ("ü", Tier::Standard),
        ] {
            assert_eq!(Tier::read(word), Some(tier), "{word}");
        }
        assert_eq!((Tier::read("auto"), Tier::read("")), (None, None));
    }

    #[test]
    fn reports_of_one_answer_are_joined_and_those_of_two_added() {
        let (one, other) = (
            Usage {
                input: 5,
                cache_write_1h: 2,
                stated_cost_pico: Some(7),
                ..Usage::default()
            },
            Usage {
                input: 3,
                output: 4,
                tier: Some(Tier::Flex),
                stated_cost_pico: Some(1),
                ..Usage::default()
            },
        );
        let merged = other.merged(Some(one));
        assert_eq!((merged.input, merged.output), (5, 4));
        assert_eq!((merged.cache_write_1h, merged.tier), (2, Some(Tier::Flex)));
        assert_eq!(merged.stated_cost_pico, Some(1));
        let sum = one.plus(other);
        assert_eq!((sum.input, sum.stated_cost_pico), (8, Some(8)));
        assert_eq!(one.plus(Usage::default()).stated_cost_pico, None);
        assert_eq!(one.merged(None), one);
        assert_eq!(merged.capped(4).input, 4);
        assert_eq!(merged.counts().tier, None);
    }

    #[test]
    fn a_stated_price_is_exact_to_the_pico_dollar() {
        assert_eq!(pico_of_dollars(0.000_123_45), Some(123_450_000));
        assert_eq!(pico_of_dollars(-1.0), None);
        assert_eq!(pico_of_dollars(f64::NAN), None);
    }
}
