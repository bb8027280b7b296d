//! The cheapest for this request, by the price list. One whose price nobody knows comes last.

use super::{Choice, Strategy, Target};
use crate::{
    price::{Price, Usd},
    routing::estimate,
};

/// So many of the cheapest are compared for each request: where many are near, the length of the prompt
/// and of the answer decides among them.
const COMPARED: usize = 16;
/// What they are put in order by: a prompt and an answer of usual length.
const USUAL_TOKENS: (u64, u64) = (2000, 500);

/// The places of the targets, the cheapest first.
pub(super) struct Cost(Vec<usize>);

impl Cost {
    pub(super) fn new(targets: &[Target]) -> Self {
        let usual = |at: &usize| {
            let price = targets.get(*at).and_then(|target| target.price.as_ref());
            let (prompt, answer) = USUAL_TOKENS;
            price.map_or(u128::MAX, |price| price.estimate(prompt, answer).pico())
        };
        let mut order: Vec<usize> = (0..targets.len()).collect();
        order.sort_by_key(usual);
        Cost(order)
    }
}

impl Strategy for Cost {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        let usable = self.0.iter().copied().filter(|at| (choice.is_usable)(*at));
        usable.take(COMPARED).min_by_key(|at| {
            let price = targets.get(*at).and_then(|target| price(target, choice));
            price.map_or(u128::MAX, |price| {
                let estimate: Usd = estimate(price, choice.facts);
                estimate.pico()
            })
        })
    }
}

fn price<'t>(target: &'t Target, choice: &Choice<'_>) -> Option<&'t Price> {
    match target.model {
        Some(_) => target.price.as_ref(),
        None => target.provider.price(choice.asked),
    }
}
