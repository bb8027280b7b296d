//! A finished request as the ledger keeps it: the plain type that `usage` writes to its journal and
//! `store` to the database.

use serde::{Deserialize, Serialize};

use crate::{
    chat::usage::{Tier as Service, Usage},
    price::Usd,
};

/// As much of the beginning of `text` as fits into so many bytes, in whole characters.
pub fn beginning(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// One finished request. Absent values are unknown, which is not the same as nothing.
///
/// The order of its fields is a format: journals of earlier versions are read by it, and a test holds on
/// to one. What came later is in [`Later`], which is written behind it; a new field goes to the end of a
/// struct of its own and needs a new version in `usage::journal::frame`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row<'a> {
    /// The request's id, as in `X-Request-Id`. A row is settled once for each.
    pub id: &'a str,
    /// When its head had arrived, in milliseconds since 1970.
    pub at_ms: u64,
    /// What keys are told apart by: the id of a stored key, the name of a configured one.
    pub account: Option<&'a str>,
    /// What people call the key; never the key.
    pub key: Option<&'a str>,
    /// The key's team.
    pub team: Option<&'a str>,
    /// The key's user.
    pub user: Option<&'a str>,
    /// The key's project.
    pub project: Option<&'a str>,
    /// The terms that the key shares with others by naming them.
    pub budget: Option<&'a str>,
    /// The key's organization.
    pub organization: Option<&'a str>,
    /// On whose behalf the client asked, in its own words.
    pub end_user: Option<&'a str>,
    /// Its tags, each once.
    #[serde(borrow)]
    pub tags: Vec<&'a str>,
    /// The route, without its query.
    pub path: &'a str,
    /// The client's dialect.
    pub dialect: &'a str,
    /// The provider's dialect, where one was asked.
    pub spoken: Option<&'a str>,
    /// The model that was asked for.
    pub model: Option<&'a str>,
    /// The provider that served, or that was tried last.
    pub provider: Option<&'a str>,
    /// The model's name there.
    pub served_model: Option<&'a str>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The attempts as JSON, where there is more to say than that one went well.
    pub tried: Option<&'a str>,
    /// The status that the client saw; 499 where it left.
    pub status: u16,
    /// A stable word for what went wrong.
    pub error: Option<&'a str>,
    /// What the cache did: `miss`, `bypass`, `hit`, `coalesced` or `semantic`.
    pub cache: Option<&'a str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Tokens by kind.
    #[serde(with = "tokens")]
    pub tokens: Option<Usage>,
    /// Whether the gateway counted them itself.
    pub is_estimated: bool,
    /// What it cost. `None` where tokens or price are not known.
    #[serde(with = "cost")]
    pub cost: Option<Usd>,
    /// From the request's head to the answer's end, in microseconds.
    pub latency_us: u64,
    /// From the request's head to the answer's first byte, in microseconds.
    pub first_byte_us: Option<u64>,
    /// What of that was the gateway's own time, in microseconds.
    pub overhead_us: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What each of several calls used, as JSON (`Part` in `usage::record`), where `tokens` are not those
    /// of one call to `served_model`.
    #[serde(skip)]
    pub parts: Option<&'a str>,
    /// Whether `tokens` has all that decides the cost. Rows of the journal's version 1 know some kinds only.
    #[serde(skip)]
    pub is_complete: bool,
}

/// What a row has since version 2 of the journal: the rest of what a bill is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Later<'a> {
    /// `cache_write_1h`, `cached_audio`, `image_input`, `image_output`, `searches`, `unbilled_input`,
    /// `unbilled_output`.
    kinds: [u64; 7],
    service: Option<Service>,
    stated_cost_pico: Option<u64>,
    parts: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// What is written behind it.
    pub fn later(&self) -> Later<'a> {
        let usage = self.tokens.unwrap_or_default();
        Later {
            kinds: [
                usage.cache_write_1h,
                usage.cached_audio,
                usage.image_input,
                usage.image_output,
                usage.searches,
                usage.unbilled_input,
                usage.unbilled_output,
            ],
            service: usage.tier,
            stated_cost_pico: usage.stated_cost_pico,
            parts: self.parts,
        }
    }

    /// It with what was written behind it.
    #[must_use]
    pub fn with(self, later: Later<'a>) -> Self {
        let [
            cache_write_1h,
            cached_audio,
            image_input,
            image_output,
            searches,
            unbilled_input,
            unbilled_output,
        ] = later.kinds;
        let whole = |usage| Usage {
            cache_write_1h,
            cached_audio,
            image_input,
            image_output,
            searches,
            unbilled_input,
            unbilled_output,
            tier: later.service,
            stated_cost_pico: later.stated_cost_pico,
            ..usage
        };
        Row {
            tokens: self.tokens.map(whole),
            parts: later.parts,
            is_complete: true,
            ..self
        }
    }
}

/// [`Usage`] leaves out what is nothing; the journal's format knows places only.
mod tokens {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::chat::usage::Usage;

    pub(super) fn serialize<S: Serializer>(
        tokens: &Option<Usage>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let kinds = |usage: Usage| {
            [
                usage.input,
                usage.output,
                usage.cached_input,
                usage.cache_write,
                usage.reasoning,
                usage.audio_input,
                usage.audio_output,
            ]
        };
        tokens.map(kinds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Usage>, D::Error> {
        let kinds = Option::<[u64; 7]>::deserialize(deserializer)?;
        let usage = |kinds| {
            let [
                input,
                output,
                cached_input,
                cache_write,
                reasoning,
                audio_input,
                audio_output,
            ] = kinds;
            Usage {
                input,
                output,
                cached_input,
                cache_write,
                reasoning,
                audio_input,
                audio_output,
                ..Usage::default()
            }
        };
        Ok(kinds.map(usage))
    }
}

/// Whole pico-dollars.
mod cost {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::price::Usd;

    pub(super) fn serialize<S: Serializer>(
        cost: &Option<Usd>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        cost.map(Usd::pico).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Usd>, D::Error> {
        Ok(Option::<u128>::deserialize(deserializer)?.map(Usd::from_pico))
    }
}
