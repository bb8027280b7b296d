use proptest::prelude::*;

use super::*;

fn price() -> Price {
    Price {
        rates: Rates {
            input: 3_000_000,
            output: 15_000_000,
            cache_read: 300_000,
            cache_write: 3_750_000,
            cache_write_1h: 6_000_000,
            reasoning: 16_000_000,
            audio_input: 4_000_000,
            audio_output: 20_000_000,
        },
        max_output_tokens: Some(1000),
        ..Price::default()
    }
}

fn with_tiers() -> Price {
    let longer = |above_tokens, times| Tier {
        above_tokens,
        rates: Rates {
            input: price().rates.input * times,
            output: price().rates.output * times,
            ..price().rates
        },
    };
    Price {
        tiers: vec![longer(1000, 2), longer(5000, 3)],
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
    ] {
        assert_eq!(Usd::from_pico(pico).to_string(), text);
    }
    assert_eq!(format!("{:>6}|", Usd::from_pico(PICO_PER_USD)), "     1|");
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
        audio_input: 50,
        output: 200,
        reasoning: 120,
        audio_output: 30,
    };
    let expected = 250 * 3_000_000
        + 600 * 300_000
        + 100 * 3_750_000
        + 50 * 4_000_000
        + 50 * 15_000_000
        + 120 * 16_000_000
        + 30 * 20_000_000;
    assert_eq!(price().cost(&usage), Usd(expected));
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
    let most = Price {
        rates: Rates {
            input: u64::MAX,
            output: u64::MAX,
            ..Rates::default()
        },
        ..Price::default()
    };
    let usage = Usage {
        input: u64::MAX,
        output: u64::MAX,
        ..Usage::default()
    };
    assert!(most.cost(&usage) <= Usd(u128::MAX));
    assert_eq!(Usd(u128::MAX) + Usd(1), Usd(u128::MAX));
    assert_eq!(Usd(1).saturating_sub(Usd(2)), Usd::ZERO);
}

prop_compose! {
    /// A usage whose kinds fit into the whole, as every reader reports it.
    fn usage()(
        prompt in prop::array::uniform4(0_u64..100_000),
        answer in prop::array::uniform3(0_u64..100_000),
    ) -> Usage {
        Usage {
            input: prompt.iter().sum(),
            cached_input: prompt[0],
            cache_write: prompt[1],
            audio_input: prompt[2],
            output: answer.iter().sum(),
            reasoning: answer[0],
            audio_output: answer[1],
        }
    }
}

fn both(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input + b.input,
        output: a.output + b.output,
        cached_input: a.cached_input + b.cached_input,
        cache_write: a.cache_write + b.cache_write,
        reasoning: a.reasoning + b.reasoning,
        audio_input: a.audio_input + b.audio_input,
        audio_output: a.audio_output + b.audio_output,
    }
}

proptest! {
    #[test]
    fn what_two_requests_cost_is_the_sum(a in usage(), b in usage()) {
        let price = price();
        prop_assert_eq!(price.cost(&both(a, b)), price.cost(&a) + price.cost(&b));
    }

    #[test]
    fn more_tokens_never_cost_less(a in usage(), b in usage()) {
        let price = with_tiers();
        prop_assert!(price.cost(&both(a, b)) >= price.cost(&a));
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
