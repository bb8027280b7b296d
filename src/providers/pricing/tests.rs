use std::collections::HashSet;

use super::*;
use crate::{chat::usage::Usage, price::Usd, providers::catalog};

/// By the prices that are embedded.
fn price(kind: &str, model: &str) -> Option<&'static Price> {
    embedded().price(kind, model)
}

/// Models of the catalog without a price, and why.
const UNPRICED: [(&str, &str, &str); 5] = [
    (
        "openrouter",
        "openrouter/auto",
        "costs what the model costs that OpenRouter chooses; its answers say it",
    ),
    (
        "nvidia",
        "meta/llama-3.3-70b-instruct",
        "NVIDIA's API catalog has trial credits and no price per token",
    ),
    (
        "nvidia",
        "nvidia/llama-3.1-nemotron-70b-instruct",
        "NVIDIA's API catalog has trial credits and no price per token",
    ),
    (
        "huggingface",
        "meta-llama/Llama-3.3-70B-Instruct",
        "costs what the provider asks that the router chooses",
    ),
    (
        "huggingface",
        "openai/gpt-oss-120b",
        "costs what the provider asks that the router chooses",
    ),
];

fn parse(text: &str) -> Prices {
    Prices::parse(text, "prices.yaml").unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let problems = Prices::parse(text, "prices.yaml").unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn input(prices: &Prices, kind: &str, model: &str) -> Option<u64> {
    prices
        .price(kind, model)
        .map(|price| price.tariff.rates.input)
}

#[test]
fn the_embedded_file_is_sound() {
    let prices = Prices::read(SOURCE, FILE, &Prices::default()).unwrap();
    let kinds: HashSet<&str> = prices.layers[0].keys().map(String::as_str).collect();
    for kind in &kinds {
        assert!(catalog().contains_key(*kind) || *kind == "demo", "{kind}");
        let Some((source, as_of)) = prices.origin(kind) else {
            let is_local = catalog().get(*kind).is_none_or(|entry| entry.local);
            assert!(is_local, "{kind} does not say where its prices are from");
            continue;
        };
        assert!(source.starts_with("https://"), "{kind}");
        let is_date = as_of.len() == 10 && as_of.starts_with("202");
        assert!(is_date || as_of == "undated", "{kind}: {as_of}");
    }
}

#[test]
fn figures_are_plausible() {
    for (kind, section) in embedded().layers[0].iter() {
        let globs = section.globs.iter().map(|by| (&by.glob, &by.price));
        for (name, price) in section.exact.iter().chain(globs) {
            let at = format!("{kind} {name}");
            let tiers = price.tariff.tiers.iter().map(|tier| &tier.rates);
            for rates in [&price.tariff.rates].into_iter().chain(tiers) {
                assert!(rates.cache_read <= rates.input, "{at}");
                assert!(rates.cache_write >= rates.input, "{at}");
                assert!(rates.cache_write_1h >= rates.cache_write, "{at}");
                assert!(rates.input <= 200_000_000, "{at}");
                assert!(rates.output <= 1_000_000_000, "{at}");
                assert!(price.tariff.rates.input <= rates.input, "{at}");
                assert!(price.tariff.rates.output <= rates.output, "{at}");
            }
            let context = price.context_tokens.unwrap_or(u64::MAX);
            assert!(
                price.max_output_tokens.unwrap_or_default() <= context,
                "{at}"
            );
            let longest = price
                .tariff
                .tiers
                .last()
                .map_or(0, |tier| tier.above_tokens);
            assert!(longest <= context, "{at}");
        }
    }
}

#[test]
fn every_model_of_the_catalog_has_a_price_or_a_reason() {
    let mut unpriced = Vec::new();
    for (kind, entry) in catalog() {
        for model in entry.models.iter().chain(&entry.default_model) {
            let price = price(kind, model);
            if entry.local {
                let usage = Usage {
                    input: 1000,
                    output: 1000,
                    ..Usage::default()
                };
                assert_eq!(
                    price.map(|price| price.cost(&usage)),
                    Some(Usd::ZERO),
                    "{model}"
                );
            } else if price.is_none() {
                unpriced.push((kind.as_str(), model.as_str()));
            }
        }
        assert!(
            !entry.local || price(kind, "anything:at-all").is_some(),
            "{kind}"
        );
    }
    let mut expected = UNPRICED.map(|(kind, model, _)| (kind, model)).to_vec();
    expected.sort_unstable();
    unpriced.sort_unstable();
    assert_eq!(unpriced, expected);
}

#[test]
fn models_are_found_under_all_their_names() {
    for (kind, model, listed) in [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-5-mini-2025-08-07", "gpt-5-mini"),
        (
            "anthropic",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5",
        ),
        ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("vertex", "vertex/gemini-2.5-pro", "gemini-2.5-pro"),
        ("azure", "gpt-4.1-2025-04-14", "gpt-4.1"),
        ("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        (
            "bedrock",
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "us.anthropic.claude-haiku-4-5",
        ),
        (
            "bedrock",
            "global.anthropic.claude-opus-4-6-v1",
            "anthropic.claude-opus-4-6",
        ),
        (
            "bedrock",
            "amazon.nova-pro-v1:0:300k",
            "us.amazon.nova-pro-v1:0",
        ),
    ] {
        let found = price(kind, model);
        assert!(found.is_some(), "{kind} {model}");
        assert_eq!(found, price(kind, listed), "{kind} {model}");
    }
    assert_ne!(
        price("openai", "gpt-4o-2024-05-13"),
        price("openai", "gpt-4o")
    );
}

#[test]
fn what_is_not_known_has_no_price() {
    for (kind, model) in [
        ("openai", "gpt-5-turbo-mega"),
        ("anthropic", "claude-opus-4-5-thinking"),
        ("bedrock", "anthropic.claude-opus-9-v1:0"),
        ("nobody", "gpt-4o"),
        ("openai", ""),
        ("", ""),
    ] {
        assert_eq!(price(kind, model), None, "{kind} {model}");
    }
}

#[test]
fn regional_bedrock_costs_a_tenth_more() {
    let global = price(
        "bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    )
    .unwrap();
    let regional = price("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
    assert_eq!(
        regional.tariff.rates.input * 10,
        global.tariff.rates.input * 11
    );
    assert_eq!(
        regional.tariff.rates.cache_write_1h * 10,
        global.tariff.rates.cache_write_1h * 11
    );
    assert_eq!(
        regional.tariff.tiers[0].rates.output * 10,
        global.tariff.tiers[0].rates.output * 11
    );
}

#[test]
fn every_claude_costs_the_same_on_bedrock() {
    let anthropic = &embedded().layers[0]["anthropic"].exact;
    let mut compared = 0;
    for Glob { glob, price, .. } in &embedded().layers[0]["bedrock"].globs {
        let Some((place, name)) = glob.split_once("anthropic.") else {
            continue;
        };
        let Some(own) = anthropic.get(name) else {
            panic!("{name}")
        };
        let (of, in_all) = if place == "*" { (10, 10) } else { (11, 10) };
        let rate = |rates: &crate::price::Rates| {
            [
                rates.input,
                rates.output,
                rates.cache_read,
                rates.cache_write,
                rates.cache_write_1h,
            ]
        };
        assert_eq!(
            rate(&price.tariff.rates).map(|rate| rate * in_all),
            rate(&own.tariff.rates).map(|rate| rate * of),
            "{glob}"
        );
        compared += 1;
    }
    assert!(compared > 20);
}

#[test]
fn dollars_per_million_become_whole_numbers() {
    let prices = parse("x: {models: {a: {input: 0.145, output: 1e1, cache_read: 0.003625}}}");
    let rates = prices.price("x", "a").unwrap().tariff.rates;
    assert_eq!(
        (rates.input, rates.output, rates.cache_read),
        (145_000, 10_000_000, 3_625)
    );
}

#[test]
fn a_kind_that_is_left_out_costs_what_the_plain_one_does() {
    let prices = parse("x: {models: {a: {input: 1, output: 2, request: 0.005}}}");
    let price = prices.price("x", "a").unwrap();
    let rates = price.tariff.rates;
    let of_the_prompt = [
        rates.cache_read,
        rates.cache_write,
        rates.cache_write_1h,
        rates.audio_input,
    ];
    assert_eq!(of_the_prompt, [1_000_000; 4]);
    assert_eq!([rates.reasoning, rates.audio_output], [2_000_000; 2]);
    assert_eq!(price.request.to_string(), "0.005");
    assert_eq!(price.context_tokens, None);
}

#[test]
fn a_name_comes_before_a_glob_and_a_longer_glob_before_a_shorter_one() {
    let prices = parse(
        "x:\n  models:\n    '*': {input: 1, output: 1}\n    'gpt-*-mini': {input: 2, output: 1}\n    \
         'gpt-*': {input: 3, output: 1}\n    gpt-9: {input: 4, output: 1}\n",
    );
    for (model, expected) in [("gpt-9", 4), ("gpt-9-mini", 2), ("gpt-8", 3), ("other", 1)] {
        assert_eq!(
            input(&prices, "x", model),
            Some(expected * 1_000_000),
            "{model}"
        );
    }
    // A glob that matches the whole name comes before a shorter name.
    assert_eq!(input(&prices, "x", "gpt-9-2026-01-01"), Some(3_000_000));
}

#[test]
fn an_operators_file_lies_over_the_embedded_one() {
    let mut prices = embedded().clone();
    prices.merge(parse(
        "openai: {models: {gpt-4o: {input: 1, output: 2}, 'my-*': {input: 5, output: 5}}}\n\
         ours: {as: openai, models: {local: {input: 0, output: 0}}}\n",
    ));
    assert_eq!(input(&prices, "openai", "gpt-4o"), Some(1_000_000));
    // What is priced as another follows it.
    assert_eq!(input(&prices, "azure", "gpt-4o"), Some(1_000_000));
    assert_eq!(input(&prices, "ours", "my-tune"), Some(5_000_000));
    assert_eq!(input(&prices, "ours", "local"), Some(0));
    // A version that the embedded file lists stays; one that it does not follows the override.
    assert_eq!(
        prices.price("openai", "gpt-4o-2024-05-13"),
        price("openai", "gpt-4o-2024-05-13")
    );
    assert_eq!(
        input(&prices, "openai", "gpt-4o-2024-08-06"),
        Some(1_000_000)
    );
    assert_eq!(
        prices.price("openai", "gpt-4.1"),
        price("openai", "gpt-4.1")
    );
    assert!(prices.origin("openai").is_some());
}

#[test]
fn nothing_in_a_file_changes_nothing() {
    let mut prices = embedded().clone();
    prices.merge(parse("# none\n"));
    prices.merge(parse("openai: {}\nazure: {models: {}}\n"));
    assert_eq!(prices.price("azure", "gpt-4o"), price("openai", "gpt-4o"));
}

#[test]
fn a_wrong_file_is_refused_with_its_lines() {
    assert_eq!(
        problems(
            "x:\n  models:\n    a: {input: 1}\n    b: {input: -1, output: 1}\n    \
             c: {input: 1, output: 0.0000001}\n    d: {inptu: 1, input: 1, output: 1}\n    \
             e: {input: cheap, output: 1}\n    f: {input: 1, output: .nan}\n"
        ),
        [
            "prices.yaml:3:8: x.models.a: the key `output` is missing",
            "prices.yaml:4:16: x.models.b.input: expected dollars per million tokens, not negative \
             and no finer than 0.000001",
            "prices.yaml:5:27: x.models.c.output: expected dollars per million tokens, not negative \
             and no finer than 0.000001",
            "prices.yaml:6:9: x.models.d.inptu: unknown key `inptu`; did you mean `input`?",
            "prices.yaml:7:16: x.models.e.input: expected a number, found a string",
            "prices.yaml:8:27: x.models.f.output: expected dollars per million tokens, not negative \
             and no finer than 0.000001",
        ]
    );
}

#[test]
fn wrong_tiers_are_refused_with_their_lines() {
    let tiers = |tiers: &str| {
        problems(&format!(
            "x:\n  models:\n    a: {{input: 1, output: 1, {tiers}}}"
        ))
    };
    for (written, message) in [
        (
            "tiers: [{input: 2, output: 2}]",
            "a tier needs `above_tokens`",
        ),
        (
            "tiers: [{above_tokens: 9, input: 2, output: 2}, {above_tokens: 9, input: 3, output: 3}]",
            "tiers need growing",
        ),
        (
            "tiers: [{above_tokens: 0, input: 2, output: 2}]",
            "tiers need growing",
        ),
        (
            "tiers: [{above_tokens: 9, input: 2, output: 2, request: 1}]",
            "a tier has `above_tokens` and rates",
        ),
        ("above_tokens: 7", "belongs to an entry of `tiers`"),
        ("request: -1", "`request` is in dollars"),
    ] {
        let found = tiers(written);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("prices.yaml:3:"), "{found:?}");
        assert!(found[0].contains(message), "{found:?}");
    }
}

#[test]
fn a_section_is_priced_as_one_that_has_prices() {
    assert_eq!(
        problems("a: {as: opneai}\nb:\n  as: c\nc: {as: openai}\nd: {as: d}\n"),
        [
            "prices.yaml:1:9: a.as: there are no prices of `opneai`; did you mean `openai`?",
            "prices.yaml:3:7: b.as: `c` is itself priced as another",
            "prices.yaml:5:9: d.as: `d` is itself priced as another",
        ]
    );
}
