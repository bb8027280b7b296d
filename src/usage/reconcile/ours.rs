//! What the ledger has of a provider, by day and model: each call where it belongs, also those of a request that
//! somebody else answered in the end.

use super::{Amount, Count, Counts, DAY};
use crate::{
    chat::usage::Usage,
    price::{self, Usd},
    store::{
        Store, StoreError,
        usage::{Charge, Place, Scope},
    },
    usage::{record::Part, reprice::Pricer},
};

/// Requests that are read at once.
const PAGE: u32 = 1000;

/// What calls of the providers that `is_meant` used and cost in a time.
///
/// # Errors
/// Those of the store.
pub async fn ours(
    store: &Store,
    pricer: &Pricer,
    (since, until): (i64, i64),
    is_meant: impl Fn(&str) -> bool,
) -> Result<Counts, StoreError> {
    let scope = Scope {
        since,
        until,
        ..Scope::default()
    };
    let mut counts = Counts::new();
    let mut after = Place::default();
    loop {
        let (charges, end) = store.charges(&scope, &after, PAGE).await?;
        for charge in &charges {
            add(&mut counts, charge, pricer, &is_meant);
        }
        if charges.len() < PAGE as usize {
            return Ok(counts);
        }
        after = end;
    }
}

fn add(counts: &mut Counts, charge: &Charge, pricer: &Pricer, is_meant: impl Fn(&str) -> bool) {
    if matches!(
        charge.cache.as_deref(),
        Some("hit" | "coalesced" | "semantic")
    ) {
        return;
    }
    let mut add = |provider: &str, model: &str, usage: &Usage, cost: Option<Usd>| {
        if !is_meant(provider) {
            return;
        }
        let cost = cost.map(|cost| Amount(i128::try_from(cost.pico()).unwrap_or(i128::MAX)));
        let day = charge.at - charge.at.rem_euclid(DAY);
        let count = Count {
            input_tokens: Some(usage.input),
            output_tokens: Some(usage.output),
            cost,
        };
        counts
            .entry((day, model.to_owned()))
            .or_default()
            .add(count);
    };
    if let Some(parts) = &charge.parts {
        let parts: Vec<Part<'_>> = serde_json::from_str(parts).unwrap_or_default();
        for part in parts {
            let cost = price::cost(pricer.price(&part.provider, &part.model), &part.usage);
            add(&part.provider, &part.model, &part.usage, cost);
        }
        return;
    }
    let served = charge
        .provider
        .as_deref()
        .zip(charge.served_model.as_deref());
    if let (Some((provider, model)), Some(usage)) = (served, &charge.usage) {
        add(provider, model, usage, charge.cost);
    }
}
