use parking_lot::Mutex;

use crate::{
    chat::usage::{Tier, Usage},
    price::Usd,
    row::Row,
    store::{
        Location, Store, StoreError, sql,
        tests::databases::databases,
        usage::{Age, By, Cell, Place, Scope, Sum, Writer},
    },
};

fn row(id: &str) -> Row<'_> {
    Row {
        id,
        at_ms: 1_760_000_000_123,
        account: Some("k1"),
        key: Some("app"),
        team: Some("team"),
        tags: vec!["one", "two"],
        path: "/v1/chat/completions",
        dialect: "openai_chat",
        model: Some("fast"),
        provider: Some("openai"),
        served_model: Some("gpt-4o"),
        attempts: 1,
        status: 200,
        tokens: Some(Usage {
            input: 10,
            output: 5,
            ..Usage::default()
        }),
        cost: Some(Usd::from_pico(1000)),
        latency_us: 20,
        ..Row::default()
    }
}

async fn number(store: &Store, query: &str) -> i64 {
    let text = format!("SELECT CAST(({query}) AS BIGINT) AS number");
    let found = store.first(sql(text)).await.unwrap().unwrap();
    found.integer("number").unwrap()
}

#[tokio::test]
async fn a_row_counts_once_however_often_it_is_offered() {
    for database in databases().await {
        let store = &database.store;
        let batch = [row("req_1"), row("req_2"), row("req_2")];
        assert_eq!(store.settle(&batch).await.unwrap(), 2);
        assert_eq!(store.settle(&batch).await.unwrap(), 0);
        let other = Row {
            at_ms: 1_760_003_600_000,
            status: 502,
            cost: None,
            tokens: None,
            provider: None,
            served_model: None,
            ..row("req_3")
        };
        assert_eq!(store.settle(&[row("req_1"), other]).await.unwrap(), 1);
        for (query, wanted) in [
            ("SELECT COUNT(*) FROM requests", 3),
            ("SELECT SUM(requests) FROM usage_hours", 3),
            ("SELECT COUNT(*) FROM usage_hours", 2),
            ("SELECT SUM(cost) FROM usage_hours", 2000),
            ("SELECT SUM(failures) FROM usage_hours", 1),
            ("SELECT SUM(unpriced) FROM usage_hours", 1),
            ("SELECT SUM(input_tokens) FROM usage_hours", 20),
            (
                "SELECT SUM(requests) FROM usage_tag_hours WHERE tag = 'two'",
                3,
            ),
            (
                "SELECT amount FROM spend WHERE scope = 'key' AND id = 'k1'",
                2000,
            ),
            (
                "SELECT total FROM spend WHERE scope = 'tag' AND id = 'one'",
                2000,
            ),
            ("SELECT COUNT(*) FROM spend WHERE scope = 'model'", 2),
            (
                "SELECT last_used_at FROM spend WHERE scope = 'global'",
                1_760_003_600_000,
            ),
        ] {
            assert_eq!(number(store, query).await, wanted, "{query}");
        }
        let kept = "SELECT * FROM requests WHERE id = 'req_3'";
        let kept = store.first(sql(kept)).await.unwrap().unwrap();
        assert_eq!(kept.optional_integer("input_tokens").unwrap(), None);
        assert_eq!(kept.text("tags").unwrap(), r#"["one","two"]"#);
        assert!(!kept.flag("stream").unwrap());
    }
}

#[tokio::test]
async fn all_that_a_bill_is_made_of_is_kept() {
    let usage = Usage {
        input: 100,
        cache_write: 40,
        cache_write_1h: 30,
        cached_audio: 3,
        image_input: 4,
        image_output: 5,
        searches: 6,
        unbilled_input: 7,
        unbilled_output: 8,
        tier: Some(Tier::Flex),
        stated_cost_pico: Some(9_000_000_000_000),
        ..Usage::default()
    };
    for database in databases().await {
        let store = &database.store;
        let whole = Row {
            tokens: Some(usage),
            is_complete: true,
            parts: Some("[]"),
            budget: Some("shared"),
            ..row("req_1")
        };
        // Version 1 of the journal knows less, and what it does not know is not nothing.
        let batch = [whole, row("req_2")];
        assert_eq!(store.settle(&batch).await.unwrap(), 2);
        let kept = store.requests(&all(), &Place::default(), 10).await;
        let (kept, _) = kept.unwrap();
        let json: Vec<serde_json::Value> =
            kept.iter().map(|kept| serde_json::json!(kept)).collect();
        for (column, wanted) in [
            ("cache_write_1h_tokens", serde_json::json!(30)),
            ("cached_audio_tokens", 3.into()),
            ("image_input_tokens", 4.into()),
            ("image_output_tokens", 5.into()),
            ("searches", 6.into()),
            ("unbilled_input_tokens", 7.into()),
            ("unbilled_output_tokens", 8.into()),
            ("service", "flex".into()),
            ("stated_cost_usd", 9.0.into()),
            ("parts", serde_json::json!([])),
            ("budget_id", "shared".into()),
        ] {
            assert_eq!(json[0][column], wanted, "{column}");
            assert_eq!(json[1].get(column), None, "{column}");
        }
    }
}

fn all() -> Scope {
    Scope {
        until: i64::MAX,
        ..Scope::default()
    }
}

#[tokio::test]
async fn names_that_differ_by_what_databases_know_not_are_one_line() {
    for database in databases().await {
        let store = &database.store;
        let odd = |id| Row {
            model: Some("fast\0"),
            served_model: Some("gpt\0-4o"),
            account: Some("k1\0"),
            tags: vec!["one\0"],
            ..row(id)
        };
        let batch = [row("req_1"), odd("req_2"), row("req_3"), odd("req_4")];
        assert_eq!(store.settle(&batch).await.unwrap(), 4);
        assert_eq!(number(store, "SELECT COUNT(*) FROM usage_hours").await, 1);
        let spent = "SELECT COUNT(*) FROM spend WHERE scope = 'model'";
        assert_eq!(number(store, spent).await, 2);
    }
}

#[tokio::test]
async fn whatever_clients_send_is_kept_and_nothing_is_refused() {
    let long = "x".repeat(5000) + "é";
    let injected = "'); DROP TABLE requests; --";
    for database in databases().await {
        let store = &database.store;
        let strange = Row {
            at_ms: u64::MAX,
            account: Some(&long),
            key: Some(injected),
            end_user: Some("zero\0byte \\u0000 \u{1f600} \"quoted\""),
            tags: vec![&long, "a\0b", ""],
            tokens: Some(Usage {
                input: u64::MAX,
                ..Usage::default()
            }),
            cost: Some(Usd::from_pico(u128::MAX)),
            latency_us: u64::MAX,
            ..row("req_1")
        };
        assert_eq!(store.settle(&[strange]).await.unwrap(), 1);
        let kept = store.first(sql("SELECT * FROM requests")).await.unwrap();
        let kept = kept.unwrap();
        assert_eq!(kept.text("key_label").unwrap(), injected);
        assert_eq!(
            kept.text("end_user").unwrap(),
            "zerobyte \\u0000 \u{1f600} \"quoted\""
        );
        assert_eq!(kept.integer("input_tokens").unwrap(), i64::MAX);
    }
}

#[tokio::test]
async fn two_processes_that_settle_the_same_at_once_count_it_once() {
    for database in databases().await {
        let ids: Vec<String> = (0..200).map(|number| format!("req_{number}")).collect();
        let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
        let backwards: Vec<_> = rows.iter().rev().cloned().collect();
        let other = Store::open(&database.location).await.unwrap();
        let (one, two) = tokio::join!(database.store.settle(&rows), other.settle(&backwards));
        let settled = |result: Result<usize, _>| result.unwrap_or_default();
        let again = database.store.settle(&rows).await.unwrap();
        assert_eq!(settled(one) + settled(two) + again, 200);
        let sum = number(&database.store, "SELECT SUM(requests) FROM usage_hours").await;
        assert_eq!(sum, 200);
    }
}

#[tokio::test]
async fn where_the_file_cannot_be_opened_rows_are_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (writer, names) = (Writer::default(), Mutex::default());
    let settle = || writer.settle(&path, &[row("req_1"), row("req_2")], &names);
    assert!(
        matches!(settle(), Err(StoreError::Away(_))),
        "{:?}",
        settle()
    );
    let store = Store::open(&Location::Sqlite(path.clone())).await.unwrap();
    assert_eq!(settle().unwrap(), 2);
    assert_eq!(settle().unwrap(), 0);
    // As somebody who writes for long does.
    let held = store.begin().await.unwrap();
    assert!(matches!(settle(), Err(StoreError::Away(_))));
    drop(held);
    assert_eq!(writer.settle(&path, &[row("req_3")], &names).unwrap(), 1);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM requests").await, 3);
}

fn always() -> Scope {
    Scope {
        until: i64::MAX,
        ..Scope::default()
    }
}

#[tokio::test]
async fn sums_say_who_used_what() {
    for database in databases().await {
        let store = &database.store;
        let day = 86_400_000;
        let rows = [
            row("req_1"),
            row("req_2"),
            Row {
                at_ms: 1_760_000_000_123 + day,
                account: Some("k2"),
                key: Some("other"),
                provider: Some("anthropic"),
                served_model: Some("claude"),
                cost: Some(Usd::from_pico(5000)),
                tags: vec!["two"],
                cache: Some("hit"),
                latency_us: 5000,
                ..row("req_3")
            },
            Row {
                account: None,
                key: None,
                provider: None,
                served_model: None,
                cost: None,
                tokens: None,
                status: 404,
                tags: Vec::new(),
                ..row("req_4")
            },
        ];
        store.settle(&rows).await.unwrap();
        let of = async |by, scope: &Scope| {
            let sums = store.sums(by, scope).await.unwrap();
            let line = |sum: &Sum| (sum.name.clone(), sum.requests, sum.cost.pico());
            sums.iter().map(line).collect::<Vec<_>>()
        };
        let line = |name: &str, requests, cost| (name.to_owned(), requests, cost);
        assert_eq!(
            of(By::Key, &always()).await,
            [line("k2", 1, 5000), line("k1", 2, 2000), line("", 1, 0)]
        );
        assert_eq!(
            of(By::Model, &always()).await,
            [
                line("claude", 1, 5000),
                line("gpt-4o", 2, 2000),
                line("", 1, 0)
            ]
        );
        assert_eq!(
            of(By::Tag, &always()).await,
            [line("two", 3, 7000), line("one", 2, 2000)]
        );
        let days = of(By::Day, &always()).await;
        assert_eq!(
            days,
            [
                line("1759968000000", 3, 2000),
                line("1760054400000", 1, 5000)
            ]
        );
        let first_day = Scope {
            until: 1_760_054_400_000,
            ..always()
        };
        assert_eq!(of(By::Provider, &first_day).await.len(), 2);
        let keys = Scope {
            key: Some("other".into()),
            ..always()
        };
        assert_eq!(of(By::Hour, &keys).await, [line("1760083200000", 1, 5000)]);
        let one = store.sums(By::Key, &keys).await.unwrap();
        assert_eq!(one[0].label.as_deref(), Some("other"));
        assert_eq!((one[0].hits, one[0].latency_ms), (1, 5));
        let refused = store.sums(By::Tag, &keys).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
        let all = store.sums(By::Key, &always()).await.unwrap();
        let total = Sum::total(&all);
        assert_eq!((total.requests, total.failures, total.unpriced), (4, 1, 1));
        assert_eq!(total.input_tokens, 30);
    }
}

#[tokio::test]
async fn requests_are_read_back_page_by_page() {
    for database in databases().await {
        let store = &database.store;
        let ids: Vec<String> = (0..25).map(|number| format!("req_{number:02}")).collect();
        let rows: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(number, id)| Row {
                // Several at the same time.
                at_ms: 1000 + number as u64 / 10,
                ..row(id)
            })
            .collect();
        store.settle(&rows).await.unwrap();
        let (mut read, mut after) = (Vec::new(), Place::default());
        loop {
            let (page, end) = store.requests(&always(), &after, 10).await.unwrap();
            let ids = page.iter().filter_map(|kept| match kept.cells().next() {
                Some(("id", Cell::Text(id))) => id.clone(),
                _ => None,
            });
            read.extend(ids);
            if page.is_empty() {
                break;
            }
            after = end;
        }
        assert_eq!(read, ids);
        let (page, _) = store
            .requests(&always(), &Place::default(), 1)
            .await
            .unwrap();
        let json = serde_json::to_value(&page[0]).unwrap();
        assert_eq!(json["tags"][1], "two");
        assert_eq!(json["cost_usd"], 0.000_000_001);
        assert_eq!(json["stream"], false);
        assert!(json.get("error").is_none());
        let none = Scope {
            team: Some("others".into()),
            ..always()
        };
        let (page, end) = store.requests(&none, &Place::default(), 10).await.unwrap();
        assert!(page.is_empty() && end == Place::default());
    }
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_a_few_at_a_time() {
    for database in databases().await {
        let store = &database.store;
        let hour = 3_600_000;
        let ids: Vec<String> = (0..25).map(|number| format!("req_{number}")).collect();
        let rows: Vec<_> = ids
            .iter()
            .zip(0..)
            .map(|(id, number)| Row {
                at_ms: number * hour,
                ..row(id)
            })
            .collect();
        store.settle(&rows).await.unwrap();
        let before = 20 * 3_600_000;
        for (what, table) in [
            (Age::Requests, "requests"),
            (Age::Sums, "usage_hours"),
            (Age::TagSums, "usage_tag_hours WHERE tag = 'one'"),
        ] {
            let mut forgotten = Vec::new();
            while forgotten.last() != Some(&0) {
                forgotten.push(store.forget(what, before, 16).await.unwrap());
            }
            let sum: u64 = forgotten.iter().sum();
            assert!(forgotten[0] == 16 && sum >= 20, "{forgotten:?}");
            let left = number(store, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 5, "{table}");
        }
        // The tags and the model's two names are in use.
        assert_eq!(store.forget(Age::Unused, before, 16).await.unwrap(), 0);
        let later = 30 * 3_600_000;
        assert_eq!(store.forget(Age::Unused, later, 16).await.unwrap(), 4);
        let others = "SELECT COUNT(*) FROM spend WHERE scope IN ('key', 'team', 'provider')";
        assert_eq!(number(store, others).await, 3);
    }
}
