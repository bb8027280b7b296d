use proptest::prelude::*;

use super::*;
use crate::chat::usage::Usage;

fn usual() -> Tariff {
    Tariff {
        rates: Rates {
            input: 3_000_000,
            output: 15_000_000,
            cache_read: 300_000,
            cache_write: 3_750_000,
            cache_write_1h: 6_000_000,
            reasoning: 16_000_000,
            audio_input: 4_000_000,
            audio_cache_read: 400_000,
            audio_output: 20_000_000,
            image_input: 5_000_000,
            image_output: 30_000_000,
        },
        tiers: Vec::new(),
    }
}

fn price() -> Price {
    Price {
        tariff: usual(),
        max_output_tokens: Some(1000),
        ..Price::default()
    }
}

fn with_tiers() -> Price {
    let longer = |above_tokens, times| Tier {
        above_tokens,
        rates: Rates {
            input: usual().rates.input * times,
            output: usual().rates.output * times,
            ..usual().rates
        },
    };
    Price {
        tariff: Tariff {
            tiers: vec![longer(1000, 2), longer(5000, 3)],
            ..usual()
        },
        ..price()
    }
}

#[test]
fn amounts_are_written_exactly_and_briefly() {
    for (pico, text) in [
        (0, "0"),
        (1, "0.000000000001"),
        (125_000_000, "0.000125"),
        (3 * PICO_PER_USD, "3"),
        (1_234_500_000_000_000, "1234.5"),
        (u64::MAX.into(), "18446744.073709551615"),
        (u128::from(u64::MAX) + 1, "18446744.073709551616"),
        (u128::MAX, "340282366920938463463374607.431768211455"),
    ] {
        assert_eq!(Usd::from_pico(pico).to_string(), text);
    }
    assert_eq!(format!("{:>6}|", Usd::from_pico(PICO_PER_USD)), "     1|");
    assert_eq!(
        format!("{:>6}|", Usd::from_pico(PICO_PER_USD / 2)),
        "   0.5|"
    );
}

#[test]
fn dollars_of_a_file_become_the_nearest_amount() {
    assert_eq!(Usd::from_dollars(0.1), Some(Usd(100_000_000_000)));
    assert_eq!(Usd::from_dollars(0.005), Some(Usd(5_000_000_000)));
    assert_eq!(Usd::from_dollars(-0.0), Some(Usd::ZERO));
    for wrong in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Usd::from_dollars(wrong), None);
    }
    assert_eq!(Usd::from_pico(PICO_PER_USD / 4).dollars(), 0.25);
}

#[test]
fn a_token_is_counted_once_at_the_rate_of_its_kind() {
    let usage = Usage {
        input: 1000,
        cached_input: 600,
        cache_write: 100,
        cache_write_1h: 30,
        audio_input: 50,
        cached_audio: 20,
        image_input: 40,
        unbilled_input: 10,
        output: 200,
        reasoning: 120,
        audio_output: 30,
        image_output: 20,
        unbilled_output: 5,
        searches: 2,
        ..Usage::default()
    };
    let price = Price {
        search: Usd(10_000_000_000),
        request: Usd(1_000_000_000),
        ..price()
    };
    // Of the prompt's 1000: 10 unbilled, 580 + 20 read, 70 + 30 written, 30 heard, 40 seen, 220 left.
    let bill = Bill {
        input: Usd(220 * 3_000_000),
        cache_read: Usd(580 * 300_000),
        cache_write: Usd(70 * 3_750_000),
        cache_write_1h: Usd(30 * 6_000_000),
        audio_input: Usd(20 * 400_000 + 30 * 4_000_000),
        image_input: Usd(40 * 5_000_000),
        // Of the answer's 200: 5 unbilled, 120 thought, 30 spoken, 20 drawn, 25 left.
        output: Usd(25 * 15_000_000),
        reasoning: Usd(120 * 16_000_000),
        audio_output: Usd(30 * 20_000_000),
        image_output: Usd(20 * 30_000_000),
        searches: Usd(20_000_000_000),
        request: Usd(1_000_000_000),
    };
    assert_eq!(price.bill(&usage), bill);
    // 660 + 174 + 262.5 + 180 + 128 + 200 + 375 + 1920 + 600 + 600 + 20000 + 1000 micro-dollars.
    assert_eq!(price.cost(&usage).to_string(), "0.0260995");
}

#[test]
fn what_is_not_used_costs_nothing() {
    assert_eq!(price().cost(&Usage::default()), Usd::ZERO);
}

#[test]
fn kinds_that_are_more_than_the_whole_cost_no_more_than_the_whole() {
    let usage = Usage {
        input: 10,
        cached_input: 8,
        audio_input: 8,
        output: 5,
        reasoning: 50,
        ..Usage::default()
    };
    let expected = 8 * 300_000 + 2 * 4_000_000 + 5 * 16_000_000;
    assert_eq!(price().cost(&usage), Usd(expected));
}

#[test]
fn a_long_prompt_changes_the_rates_of_the_whole_request() {
    let price = with_tiers();
    for (prompt, times) in [(1000, 1), (1001, 2), (5000, 2), (5001, 3)] {
        let usage = Usage {
            input: prompt,
            output: 10,
            ..Usage::default()
        };
        let plain = u128::from(prompt) * 3_000_000 + 10 * 15_000_000;
        assert_eq!(price.cost(&usage), Usd(times * plain), "{prompt}");
    }
    // Cached tokens are part of the prompt that decides.
    let cached = Usage {
        input: 1001,
        cached_input: 1001,
        ..Usage::default()
    };
    assert_eq!(price.rates_at(cached.input).input, 6_000_000);
}

#[test]
fn a_service_has_its_own_rates_and_an_unknown_one_those_of_the_usual() {
    let price = Price {
        services: vec![(Service::Batch, with_tiers().tariff.times(0.5).unwrap())],
        ..with_tiers()
    };
    let cost = |tier, input| {
        price.cost(&Usage {
            input,
            tier,
            ..Usage::default()
        })
    };
    assert_eq!(cost(Some(Service::Batch), 1000), Usd(1000 * 1_500_000));
    assert_eq!(cost(Some(Service::Batch), 2000), Usd(2000 * 3_000_000));
    for tier in [None, Some(Service::Standard), Some(Service::Priority)] {
        assert_eq!(cost(tier, 1000), Usd(1000 * 3_000_000));
    }
    assert_eq!(usual().times(f64::NAN), None);
    assert_eq!(usual().times(-1.0), None);
}

#[test]
fn what_an_answer_states_counts_where_it_is_trusted_or_nothing_else_is_known() {
    let stated = Usage {
        input: 1,
        stated_cost_pico: Some(42),
        ..Usage::default()
    };
    let silent = Usage {
        stated_cost_pico: None,
        ..stated
    };
    let trusted = Price {
        is_stated: true,
        ..price()
    };
    assert_eq!(cost(Some(&price()), &stated), Some(Usd(3_000_000)));
    assert_eq!(cost(Some(&trusted), &stated), Some(Usd(42)));
    assert_eq!(cost(Some(&trusted), &silent), Some(Usd(3_000_000)));
    assert_eq!(cost(None, &stated), Some(Usd(42)));
    assert_eq!(cost(None, &silent), None);
}

#[test]
fn a_request_has_its_own_price() {
    let price = Price {
        request: Usd(5_000_000_000),
        ..price()
    };
    assert_eq!(price.cost(&Usage::default()).to_string(), "0.005");
    assert_eq!(price.estimate(0, 0).to_string(), "0.005");
}

#[test]
fn an_estimate_is_the_dearest_answer_that_the_model_can_give() {
    let thought = 16_000_000;
    assert_eq!(
        price().estimate(100, 50),
        Usd(100 * 3_000_000 + 50 * thought)
    );
    assert_eq!(price().estimate(0, u64::MAX), Usd(1000 * thought));
    let endless = Price {
        max_output_tokens: None,
        ..price()
    };
    assert!(endless.estimate(u64::MAX, u64::MAX) > Usd::ZERO);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let rates = Rates {
        input: u64::MAX,
        output: u64::MAX,
        ..Rates::default()
    };
    let most = Price {
        tariff: Tariff {
            rates,
            tiers: Vec::new(),
        },
        search: Usd(u128::MAX),
        ..Price::default()
    };
    let usage = Usage {
        input: u64::MAX,
        output: u64::MAX,
        searches: u64::MAX,
        ..Usage::default()
    };
    assert!(most.cost(&usage) <= Usd(u128::MAX));
    assert_eq!(Usd(u128::MAX) + Usd(1), Usd(u128::MAX));
    assert_eq!(Usd(1).saturating_sub(Usd(2)), Usd::ZERO);
}

prop_compose! {
    /// A usage whose kinds fit into the whole, as every reader reports it.
    fn usage()(
        prompt in prop::array::uniform7(0_u64..100_000),
        answer in prop::array::uniform4(0_u64..100_000),
        searches in 0_u64..10,
    ) -> Usage {
        Usage {
            input: prompt.iter().sum(),
            cached_input: prompt[0] + prompt[5],
            cache_write: prompt[1] + prompt[2],
            cache_write_1h: prompt[2],
            audio_input: prompt[3] + prompt[5],
            cached_audio: prompt[5],
            image_input: prompt[4],
            output: answer.iter().sum(),
            reasoning: answer[0],
            audio_output: answer[1],
            image_output: answer[2],
            searches,
            ..Usage::default()
        }
    }
}

proptest! {
    #[test]
    fn what_two_requests_cost_is_the_sum(a in usage(), b in usage()) {
        let price = Price { search: Usd(7), ..price() };
        prop_assert_eq!(price.cost(&a.plus(b)), price.cost(&a) + price.cost(&b));
    }

    #[test]
    fn more_tokens_never_cost_less(a in usage(), b in usage()) {
        let price = with_tiers();
        prop_assert!(price.cost(&a.plus(b)) >= price.cost(&a));
    }

    #[test]
    fn no_answer_costs_more_than_its_estimate(input in 0_u64..10_000, output in 0_u64..1000, thought in 0_u64..1000) {
        let usage = Usage { input, output, reasoning: thought, ..Usage::default() };
        prop_assert!(with_tiers().cost(&usage) <= with_tiers().estimate(input, output));
    }

    #[test]
    fn what_is_written_is_the_amount(pico in 0_u128..u128::from(u64::MAX)) {
        let text = Usd(pico).to_string();
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        let again = whole.parse::<u128>().unwrap() * PICO_PER_USD
            + format!("{rest:0<12}").parse::<u128>().unwrap();
        prop_assert_eq!(again, pico);
    }
}
