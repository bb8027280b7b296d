use super::*;
use crate::{
    config::Config,
    price::Usd,
    row::Row,
    store::{Serving, tests::databases::databases},
    usage::reprice::Pricer,
};

/// 2026-01-01.
const START: i64 = 1_767_225_600_000;

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reconcile");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn read(name: &str) -> Theirs {
    Theirs::read(&fixture(name), &Columns::default()).unwrap()
}

fn count(input: Option<u64>, output: Option<u64>, dollars: Option<&str>) -> Count {
    Count {
        input_tokens: input,
        output_tokens: output,
        cost: dollars.map(|dollars| Amount::read(dollars).unwrap()),
    }
}

fn of_day(counts: &[(&str, Count)]) -> Counts {
    let counts = counts.iter();
    counts
        .map(|(model, count)| ((START, (*model).to_owned()), *count))
        .collect()
}

#[test]
fn each_export_is_read_in_its_own_form() {
    let tokens = |input, output| count(Some(input), Some(output), None);
    let dollars = |dollars| count(None, None, Some(dollars));
    for (name, kind, wanted) in [
        (
            "openai_usage.json",
            "openai",
            of_day(&[
                ("gpt-4o-2024-08-06", tokens(1500, 300)),
                ("gpt-4o-mini-2024-07-18", tokens(40, 10)),
            ]),
        ),
        (
            "openai_costs.json",
            "openai",
            of_day(&[
                ("gpt-4o-2024-08-06", dollars("0.006125")),
                ("gpt-4o-mini-2024-07-18", dollars("0.000012")),
            ]),
        ),
        (
            "openai_usage.csv",
            "openai",
            of_day(&[("gpt-4o-2024-08-06", tokens(1500, 300))]),
        ),
        (
            "openai_costs.csv",
            "openai",
            of_day(&[("", dollars("0.006125"))]),
        ),
        // 1000 + 200 + 100 + 300: the cache's tokens are counted apart.
        (
            "anthropic_usage.json",
            "anthropic",
            of_day(&[("claude-haiku-4-5-20251001", tokens(1600, 50))]),
        ),
        // Cents.
        (
            "anthropic_cost.json",
            "anthropic",
            of_day(&[("claude-haiku-4-5-20251001", dollars("1.24"))]),
        ),
        (
            "anthropic_usage.csv",
            "anthropic",
            of_day(&[("claude-haiku-4-5-20251001", tokens(1601, 51))]),
        ),
        (
            "anthropic_cost.csv",
            "anthropic",
            of_day(&[("Claude Haiku 4.5", dollars("1.24"))]),
        ),
    ] {
        let theirs = read(name);
        assert_eq!(theirs.counts, wanted, "{name}");
        assert_eq!(theirs.kind, Some(kind), "{name}");
        assert_eq!(theirs.has_more, name == "openai_costs.json", "{name}");
        assert_eq!(theirs.span(), (START, START + DAY), "{name}");
    }
}

#[test]
fn pages_may_come_one_after_the_other_or_in_an_array() {
    let (costs, usage) = (fixture("openai_costs.json"), fixture("openai_usage.json"));
    for text in [format!("{costs}\n{usage}"), format!("[{costs}, {usage}]")] {
        let theirs = Theirs::read(&text, &Columns::default()).unwrap();
        let both = count(Some(1500), Some(300), Some("0.006125"));
        let key = (START, "gpt-4o-2024-08-06".to_owned());
        assert_eq!(theirs.counts[&key], both);
        assert!(!theirs.has_more);
    }
}

#[test]
fn columns_can_be_named() {
    let named = |name: &str| Some(name.to_owned());
    let columns = Columns {
        date: None,
        model: named("Modell"),
        input: named("prompt"),
        output: named("Answer"),
        cost: named("Betrag"),
    };
    let theirs = Theirs::read(&fixture("generic.csv"), &columns).unwrap();
    let wanted = count(Some(1500), Some(300), Some("0.006125"));
    assert_eq!(theirs.counts, of_day(&[("gpt-4o", wanted)]));
    assert_eq!(theirs.kind, None);
}

#[test]
fn what_cannot_be_read_says_where() {
    for (text, wanted) in [
        ("", "neither CSV"),
        ("hello\n", "neither CSV"),
        ("{\"data\": ", "neither CSV"),
        ("{\"x\": 1}", "page 1: it has no `data`"),
        (
            "{\"data\": [{\"results\": []}]}",
            "bucket 1: it has neither",
        ),
        (
            "{\"data\": [{\"start_time\": 1, \"results\": [{\"amount\": {\"value\": 1, \"currency\": \"eur\"}}]}]}",
            "neither tokens nor an amount in USD",
        ),
        (
            "day,model,requests\n",
            "no column tells the cost; the titles are day, model, requests",
        ),
        ("when,cost\n", "no column tells the date"),
        (
            "day,cost\n2026-01-01,1\nsoon,2\n",
            "line 3: `soon` is no day",
        ),
        ("day,cost\n2026-01-01,much\n", "line 2: `much` is no amount"),
        (
            "day,input_tokens\n2026-01-01,1.5\n",
            "line 2: `1.5` is no number of tokens",
        ),
        ("day,cost\n", "there is no usage in it"),
    ] {
        let problem = Theirs::read(text, &Columns::default()).unwrap_err();
        assert!(problem.to_string().contains(wanted), "{text}: {problem}");
    }
    let columns = Columns {
        cost: Some("price".to_owned()),
        ..Columns::default()
    };
    let problem = Theirs::read("day,cost\n2026-01-01,1\n", &columns).unwrap_err();
    assert!(problem.to_string().contains("--cost-column"), "{problem}");
}

#[test]
fn moments_count_in_their_day_of_utc() {
    for (text, wanted) in [
        ("2026-01-01", START),
        ("1767225600", START),
        ("2026-01-01T00:00:00Z", START),
        ("2026-01-01T02:30:00+02:00", START + 1_800_000),
        ("2025-12-31T23:00:00.123-05:00", START + 4 * 3_600_000),
        ("2026-01-01 10:30:45", START + 37_845_000),
    ] {
        assert_eq!(csv::day(text), Some(wanted), "{text}");
    }
    assert_eq!((csv::day("soon"), csv::day("2026-13-01")), (None, None));
}

fn theirs_of(counts: &Counts) -> Theirs {
    Theirs {
        counts: counts.clone(),
        ..Theirs::default()
    }
}

const EXACT: Tolerance = Tolerance {
    percent: 0.0,
    usd: 0.0,
};

#[test]
fn models_are_compared_under_whatever_name() {
    let theirs = of_day(&[("Claude Haiku 4.5", count(None, None, Some("1.24")))]);
    let ours = of_day(&[(
        "claude-haiku-4-5-20251001",
        count(Some(5), Some(6), Some("1.25")),
    )]);
    let lines = compare(&theirs, &ours, EXACT, |_| String::new());
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert!(!line.within);
    assert_eq!(line.difference.cost, Amount::read("0.01"));
    let mut all = theirs_of(&theirs);
    all.between(i64::MIN, i64::MAX);
    assert_eq!(all.counts, theirs);
    all.between(START + 5, START + 6);
    assert_eq!(all.counts, theirs, "whole days");
    all.between(START + DAY, i64::MAX);
    assert!(all.counts.is_empty());
    // They said nothing of tokens.
    assert_eq!(line.difference.input_tokens, None);
    let rounded = Tolerance { usd: 0.01, ..EXACT };
    assert!(compare(&theirs, &ours, rounded, |_| String::new())[0].within);
    let percent = Tolerance {
        percent: 1.0,
        ..EXACT
    };
    assert!(compare(&theirs, &ours, percent, |_| String::new())[0].within);
}

#[test]
fn where_models_are_not_told_apart_days_are_compared() {
    let theirs = of_day(&[("", count(None, None, Some("3")))]);
    let ours = of_day(&[
        ("a", count(Some(1), Some(1), Some("1"))),
        ("b", count(Some(1), Some(1), Some("2"))),
    ]);
    let lines = compare(&theirs, &ours, EXACT, |_| String::new());
    assert_eq!(lines.len(), 1);
    assert!(lines[0].within && lines[0].model.is_empty());
}

#[test]
fn what_one_side_does_not_have_is_a_difference() {
    let theirs = of_day(&[("a", count(Some(10), Some(1), None))]);
    let ours = of_day(&[("b", count(Some(10), Some(1), None))]);
    let lines = compare(&theirs, &ours, EXACT, |_| String::new());
    let inputs: Vec<_> = lines
        .iter()
        .map(|line| line.difference.input_tokens)
        .collect();
    assert_eq!(inputs, [Some(-10), Some(10)]);
    assert!(lines.iter().all(|line| !line.within));
}

#[tokio::test]
async fn each_call_counts_where_it_was_made() {
    for database in databases().await {
        let store = &database.store;
        let row = |id| Row {
            id,
            at_ms: START as u64 + 5,
            path: "/v1/chat/completions",
            dialect: "openai_chat",
            provider: Some("mine"),
            served_model: Some("gpt-4o"),
            tokens: Some(crate::chat::usage::Usage {
                input: 1000,
                output: 100,
                ..Default::default()
            }),
            cost: Some(Usd::from_pico(3_500_000_000)),
            is_complete: true,
            status: 200,
            ..Row::default()
        };
        let parts = r#"[{"provider":"mine","model":"gpt-4o","usage":{"input":500,"output":0}},
            {"provider":"elsewhere","model":"x","usage":{"input":500,"output":100}}]"#;
        let answered_elsewhere = Row {
            provider: Some("elsewhere"),
            served_model: Some("x"),
            parts: Some(parts),
            ..row("req_2")
        };
        let repeated = Row {
            cache: Some("hit"),
            ..row("req_3")
        };
        let later = Row {
            at_ms: (START + DAY) as u64,
            ..row("req_4")
        };
        let batch = [row("req_1"), answered_elsewhere, repeated, later];
        store.settle(&batch).await.unwrap();
        let mut config = Config::default();
        let mine = crate::config::Provider {
            kind: Some("openai".to_owned()),
            ..Default::default()
        };
        config.providers.insert("mine".to_owned(), mine);
        let pricer = Pricer::new(&config, &Serving::default());
        let span = (START, START + DAY);
        let found = ours(store, &pricer, span, |name| name == "mine")
            .await
            .unwrap();
        // 500 tokens at 2.50 $ a million besides.
        let wanted = count(Some(1500), Some(100), Some("0.00475"));
        assert_eq!(found, of_day(&[("gpt-4o", wanted)]));
    }
}
