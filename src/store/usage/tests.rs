use crate::{
    chat::usage::Usage,
    price::Usd,
    row::Row,
    store::{Store, sql, tests::databases::databases},
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
            ("SELECT COUNT(*) FROM spend WHERE scope = 'model'", 1),
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
