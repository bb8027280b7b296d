//! The past anew: what requests cost by the prices of now, from the ledger alone.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::record::Part;
use crate::{
    config::Config,
    price::{self, Price, Usd},
    providers::pricing::Prices,
    store::{
        Serving, Store, StoreError,
        usage::{Charge, Place, Repriced, Scope},
    },
};

/// Requests that are read at once.
const PAGE: u32 = 1000;
/// Requests that are written at once: whoever settles rows waits for them.
const BATCH: usize = 500;

/// The prices that hold now, by the names of providers.
#[derive(Debug, Clone, Default)]
pub struct Pricer {
    prices: Prices,
    /// The kinds of providers that are not called as their kind.
    kinds: HashMap<String, String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It costs so much.
    Costs(Usd),
    /// There was nothing to pay for, or nobody counted it.
    Nothing,
    /// Nobody knows what its model costs.
    Unpriced,
    /// It is from before all kinds of tokens were kept.
    Incomplete,
}

impl Pricer {
    /// By the configuration, and the providers of the store.
    pub fn new(config: &Config, serving: &Serving) -> Self {
        let mut kinds = HashMap::new();
        let stored = serving.providers.iter();
        let stored = stored.map(|provider| (&provider.name, &provider.settings));
        for (name, settings) in stored.chain(&config.providers) {
            if let Some(kind) = &settings.kind {
                kinds.insert(name.clone(), kind.clone());
            }
        }
        // Deployments with a key or an address of their own are asked as providers of their own.
        for model in &serving.models {
            let of = &model.provider;
            let name = format!("{of}-{}", model.id).replace('/', "-");
            let kind = kinds.get(of).unwrap_or(of).clone();
            kinds.entry(name).or_insert(kind);
        }
        Pricer {
            prices: config.pricing.prices.clone(),
            kinds,
        }
    }

    /// The kind of a provider: its entry in the catalog, or its own name.
    pub fn kind<'p>(&'p self, provider: &'p str) -> &'p str {
        self.kinds.get(provider).map_or(provider, String::as_str)
    }

    /// The price of a model at a provider. One that is configured no longer is taken for the one of that name
    /// in the catalog.
    pub fn price(&self, provider: &str, model: &str) -> Option<&Price> {
        self.prices.at(provider, self.kind(provider), model)
    }

    /// What a request costs now. With `any` so does one of which not all is known.
    pub fn judge(&self, charge: &Charge, any: bool) -> Verdict {
        let is_repeated = matches!(
            charge.cache.as_deref(),
            Some("hit" | "coalesced" | "semantic")
        );
        let Some(usage) = charge.usage.as_ref().filter(|_| !is_repeated) else {
            return Verdict::Nothing;
        };
        if !charge.is_complete && !any {
            return Verdict::Incomplete;
        }
        let cost = match &charge.parts {
            Some(parts) => {
                let parts: Vec<Part<'_>> = serde_json::from_str(parts).unwrap_or_default();
                let cost = |part: &Part<'_>| {
                    price::cost(self.price(&part.provider, &part.model), &part.usage)
                };
                match parts.is_empty() {
                    true => return Verdict::Incomplete,
                    false => parts.iter().map(cost).sum(),
                }
            }
            None => {
                let served = charge
                    .provider
                    .as_deref()
                    .zip(charge.served_model.as_deref());
                let price = served.and_then(|(provider, model)| self.price(provider, model));
                price::cost(price, usage)
            }
        };
        cost.map_or(Verdict::Unpriced, Verdict::Costs)
    }
}

/// How it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Nothing is written.
    pub is_dry: bool,
    /// Requests of which not all is known are priced as well, by what is.
    pub any: bool,
}

/// What requests of one model at one provider come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// How many requests there are.
    pub requests: u64,
    /// How many cost something else now.
    pub changed: u64,
    /// How many of these had no cost before.
    pub newly_priced: u64,
    /// How many have no price now, and stay as they are.
    pub unpriced: u64,
    /// How many are left as they are, for not all that they used is known.
    pub incomplete: u64,
    /// What they all cost before, in USD, as far as that was known.
    pub before_usd: Usd,
    /// What they all cost now.
    pub after_usd: Usd,
}

impl Line {
    fn add(&mut self, charge: &Charge, verdict: Verdict) {
        let old = charge.cost.unwrap_or_default();
        self.requests += 1;
        self.before_usd += old;
        match verdict {
            Verdict::Costs(new) => {
                self.after_usd += new;
                self.changed += u64::from(charge.cost != Some(new));
                self.newly_priced += u64::from(charge.cost.is_none());
            }
            _ => self.after_usd += old,
        }
        self.unpriced += u64::from(verdict == Verdict::Unpriced);
        self.incomplete += u64::from(verdict == Verdict::Incomplete);
    }

    fn plus(&mut self, other: &Line) {
        self.requests += other.requests;
        self.changed += other.changed;
        self.newly_priced += other.newly_priced;
        self.unpriced += other.unpriced;
        self.incomplete += other.incomplete;
        self.before_usd += other.before_usd;
        self.after_usd += other.after_usd;
    }
}

/// What was found, and what was done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By provider and model.
    pub lines: Vec<Line>,
    /// All together.
    pub total: Line,
    /// How many costs were written.
    pub written: u64,
}

/// Prices the requests of `scope` anew. `progress` is told how many have been seen. Safe at any time and as often
/// as one likes: rows that were settled meanwhile count once, and what is right stays.
///
/// # Errors
/// Those of the store. What was written by then stays, and is right.
pub async fn reprice(
    store: &Store,
    pricer: &Pricer,
    scope: &Scope,
    how: How,
    mut progress: impl FnMut(u64),
) -> Result<Report, StoreError> {
    let mut lines: BTreeMap<(String, String), Line> = BTreeMap::new();
    let (mut after, mut written, mut seen) = (Place::default(), 0, 0);
    loop {
        let (charges, end) = store.charges(scope, &after, PAGE).await?;
        let is_last = charges.len() < PAGE as usize;
        seen += charges.len() as u64;
        let mut changes = Vec::new();
        for charge in charges {
            let verdict = pricer.judge(&charge, how.any);
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            let key = (name(&charge.provider), name(&charge.served_model));
            lines.entry(key).or_default().add(&charge, verdict);
            match verdict {
                Verdict::Costs(new) if charge.cost != Some(new) => changes.push(Repriced {
                    charge,
                    cost: Some(new),
                }),
                _ => {}
            }
        }
        if !how.is_dry {
            for batch in changes.chunks(BATCH) {
                written += store.reprice(batch).await? as u64;
            }
        }
        progress(seen);
        if is_last {
            break;
        }
        after = end;
    }
    let mut report = Report {
        written,
        ..Report::default()
    };
    for ((provider, model), line) in lines {
        report.total.plus(&line);
        report.lines.push(Line {
            provider,
            model,
            ..line
        });
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
