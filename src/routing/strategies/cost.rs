//! The cheapest for this request, by the price list. One whose price nobody knows comes last.

use super::{Choice, Strategy, Target, usable};
use crate::{providers::pricing, routing::estimate};

pub(super) struct Cost;

impl Strategy for Cost {
    fn pick(&self, targets: &[Target], choice: &Choice<'_>) -> Option<usize> {
        usable(targets, choice).min_by_key(|at| {
            let target = targets.get(*at);
            let price = target.and_then(|target| match &target.model {
                Some(_) => target.price,
                None => pricing::price(&target.provider.kind, choice.asked),
            });
            price.map_or(u128::MAX, |price| estimate(price, choice.facts).pico())
        })
    }
}
