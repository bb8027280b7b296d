//! `GATEWAY_PROVIDERS` and `GATEWAY_WEIGHTS`: who shares what all of them serve, without a file.

use super::Applying;
use crate::config::validate::MAX_WEIGHT;

const PROVIDERS: &str = "GATEWAY_PROVIDERS";
const WEIGHTS: &str = "GATEWAY_WEIGHTS";

/// The variables' names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [PROVIDERS, WEIGHTS].into_iter()
}

/// Puts the providers and their weights in their place.
pub(super) fn apply(applying: &mut Applying<'_>) {
    let list = |text: &str| -> Vec<String> {
        let items = text.split(',').map(|item| item.trim().to_owned());
        items.filter(|item| !item.is_empty()).collect()
    };
    let Some(names) = applying.environment.get(PROVIDERS).map(list) else {
        if applying.environment.get(WEIGHTS).is_some() {
            let warning = format!("{WEIGHTS} has no effect without {PROVIDERS}");
            applying.warnings.push(warning);
        }
        return;
    };
    let is_named_twice =
        |(at, name): (usize, &String)| names.iter().take(at).any(|other| other == name);
    if names.iter().enumerate().any(is_named_twice) {
        return applying.refuse(
            PROVIDERS,
            "each provider's name once, such as openai,anthropic",
        );
    }
    let weights = match applying.environment.get(WEIGHTS) {
        None => vec![1; names.len()],
        Some(text) => {
            let weight = |text: &String| text.parse().ok().filter(|weight| *weight <= MAX_WEIGHT);
            let weights: Option<Vec<u16>> = list(text).iter().map(weight).collect();
            let is_right = |weights: &Vec<u16>| {
                weights.len() == names.len() && weights.iter().any(|weight| *weight > 0)
            };
            match weights.filter(is_right) {
                Some(weights) => weights,
                None => {
                    let takes = "as many whole numbers from 0 to 1000 as GATEWAY_PROVIDERS has names, not all of \
                                 them 0, such as 70,30";
                    return applying.refuse(WEIGHTS, takes);
                }
            }
        }
    };
    let providers = &mut applying.config.routing.providers;
    providers.clear();
    providers.extend(names.into_iter().zip(weights));
    applying
        .positions
        .set_source("routing.providers", "environment", PROVIDERS);
}
