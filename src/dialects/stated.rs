//! What an answer itself says that it cost: OpenRouter and Vercel (`cost`, dollars), Perplexity
//! (`cost.total_cost`), xAI (`cost_in_usd_ticks`, 10⁻¹⁰ dollars).

use serde_json::{Map, Value};

use crate::chat::usage::pico_of_dollars;

/// The members of a `usage` object that state a price.
#[derive(Default)]
pub(super) struct Stated<'a> {
    /// `cost`.
    pub(super) cost: Option<&'a Value>,
    /// `cost_in_usd_ticks`.
    pub(super) ticks: Option<&'a Value>,
    /// `cost_details`.
    pub(super) details: Option<&'a Value>,
    /// `is_byok`: the caller has a key of its own at the provider behind, who bills it apart.
    pub(super) is_byok: bool,
}

impl Stated<'_> {
    /// It in pico-dollars.
    pub(super) fn pico(&self) -> Option<u64> {
        // Azure's Grok says 0 and bills by itself: that is no price.
        let ticks = self.ticks.and_then(Value::as_u64);
        if let Some(ticks) = ticks.filter(|ticks| *ticks > 0) {
            return ticks.checked_mul(100);
        }
        let cost = self.cost?;
        let own = cost
            .as_f64()
            .or_else(|| cost.get("total_cost")?.as_f64())
            .and_then(pico_of_dollars)?;
        if !self.is_byok {
            return Some(own);
        }
        let behind = self
            .details
            .and_then(|details| details.get("upstream_inference_cost")?.as_f64())
            .and_then(pico_of_dollars);
        own.checked_add(behind?)
    }
}

/// What a `usage` object states, in pico-dollars.
pub(super) fn cost(usage: &Map<String, Value>) -> Option<u64> {
    let stated = Stated {
        cost: usage.get("cost"),
        ticks: usage.get("cost_in_usd_ticks"),
        details: usage.get("cost_details"),
        is_byok: usage.get("is_byok") == Some(&Value::Bool(true)),
    };
    stated.pico()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_are_read_in_the_words_of_each_provider() {
        let of = |usage: Value| cost(usage.as_object().unwrap());
        let micro = 1_000_000;
        assert_eq!(of(json!({"cost": 0.0000325})), Some(32_500_000));
        assert_eq!(
            of(json!({"cost": {"total_cost": 0.006}})),
            Some(6000 * micro)
        );
        assert_eq!(of(json!({"cost_in_usd_ticks": 10_000})), Some(micro));
        assert_eq!(of(json!({"cost": 0})), Some(0));
        let byok = json!({"cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}});
        assert_eq!(of(byok), Some(21_000 * micro));
        for none in [
            json!({}),
            json!({"cost": null}),
            json!({"cost": "free"}),
            json!({"cost": -1}),
            json!({"cost_in_usd_ticks": 0}),
            json!({"cost": 0, "is_byok": true}),
        ] {
            assert_eq!(of(none.clone()), None, "{none}");
        }
    }
}
