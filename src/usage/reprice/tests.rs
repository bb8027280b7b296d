use super::*;
use crate::{
    chat::usage::{Tier, Usage},
    row::Row,
    store::{sql, tests::databases::databases},
};

/// 2026-01-01.
const START: u64 = 1_767_225_600_000;

fn pricer(models: &str) -> Pricer {
    let prices = format!("openai:\n  models:\n    {models}\n");
    let mut config = Config::default();
    let own = Prices::parse(&prices, "prices.yaml").unwrap();
    config.pricing.prices.merge(own);
    let other = crate::config::Provider {
        kind: Some("openai".to_owned()),
        ..Default::default()
    };
    config.providers.insert("mine".to_owned(), other);
    Pricer::new(&config, &Serving::default())
}

fn row(id: &str) -> Row<'_> {
    Row {
        id,
        at_ms: START,
        account: Some("k1"),
        team: Some("red"),
        user: Some("rosa"),
        budget: Some("shared"),
        tags: vec!["one"],
        path: "/v1/chat/completions",
        dialect: "openai_chat",
        model: Some("fast"),
        provider: Some("mine"),
        served_model: Some("m"),
        attempts: 1,
        status: 200,
        tokens: Some(Usage {
            input: 1000,
            output: 100,
            ..Usage::default()
        }),
        // 1000 × 1 $ and 100 × 2 $ a million.
        cost: Some(Usd::from_pico(1_200_000_000)),
        is_complete: true,
        ..Row::default()
    }
}

fn all() -> Scope {
    Scope {
        until: i64::MAX,
        ..Scope::default()
    }
}

async fn number(store: &Store, query: &str) -> i64 {
    let text = format!("SELECT CAST(COALESCE(({query}), -1) AS BIGINT) AS number");
    let found = store.first(sql(text)).await.unwrap().unwrap();
    found.integer("number").unwrap()
}

/// All places where the sum of all costs is kept.
async fn sums(store: &Store) -> Vec<i64> {
    let mut sums = Vec::new();
    for query in [
        "SELECT SUM(cost) FROM requests",
        "SELECT SUM(cost) FROM usage_hours",
        "SELECT SUM(cost) FROM usage_tag_hours",
        "SELECT amount FROM spend WHERE scope = 'key' AND id = 'k1'",
        "SELECT total FROM spend WHERE scope = 'team' AND id = 'red'",
        "SELECT amount FROM spend WHERE scope = 'user' AND id = 'rosa'",
        "SELECT amount FROM spend WHERE scope = 'budget' AND id = 'shared'",
        "SELECT amount FROM spend WHERE scope = 'global'",
        "SELECT amount FROM spend WHERE scope = 'tag' AND id = 'one'",
        "SELECT amount FROM spend WHERE scope = 'model' AND id = 'fast'",
        "SELECT amount FROM spend WHERE scope = 'provider' AND id = 'mine'",
    ] {
        sums.push(number(store, query).await);
    }
    sums
}

async fn run(store: &Store, pricer: &Pricer, how: How) -> Report {
    reprice(store, pricer, &all(), how, |_| {}).await.unwrap()
}

#[tokio::test]
async fn all_sums_follow_a_new_price_and_nothing_counts_twice() {
    for database in databases().await {
        let store = &database.store;
        let unknown = Row {
            cost: None,
            ..row("req_2")
        };
        let repeated = Row {
            cache: Some("hit"),
            cost: Some(Usd::ZERO),
            ..row("req_3")
        };
        let batch = [row("req_1"), unknown, repeated];
        assert_eq!(store.settle(&batch).await.unwrap(), 3);
        assert_eq!(sums(store).await, [1_200_000_000; 11]);
        let dear = pricer("m: {input: 3, output: 6}");
        let report = run(
            store,
            &dear,
            How {
                is_dry: true,
                ..How::default()
            },
        )
        .await;
        assert_eq!((report.total.changed, report.written), (2, 0));
        assert_eq!(sums(store).await, [1_200_000_000; 11], "nothing is written");
        let report = run(store, &dear, How::default()).await;
        assert_eq!((report.total.requests, report.written), (3, 2));
        assert_eq!(report.total.newly_priced, 1);
        assert_eq!(report.total.after_usd, Usd::from_pico(7_200_000_000));
        assert_eq!(sums(store).await, [7_200_000_000; 11]);
        let unpriced = "SELECT SUM(unpriced) FROM usage_hours";
        assert_eq!(number(store, unpriced).await, 0);
        // The journal offers them again, as it does after a crash; and so does whoever types the command.
        assert_eq!(store.settle(&batch).await.unwrap(), 0);
        let again = run(store, &dear, How::default()).await;
        assert_eq!((again.total.changed, again.written), (0, 0));
        assert_eq!(sums(store).await, [7_200_000_000; 11]);
        // And back.
        run(store, &pricer("m: {input: 0.5, output: 1}"), How::default()).await;
        assert_eq!(sums(store).await, [1_200_000_000; 11]);
    }
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_not_changed_again() {
    for database in databases().await {
        let store = &database.store;
        store.settle(&[row("req_1")]).await.unwrap();
        let (charges, _) = store.charges(&all(), &Place::default(), 10).await.unwrap();
        let change = Repriced {
            charge: charges[0].clone(),
            cost: Some(Usd::from_pico(2_000_000_000)),
        };
        let both = [change.clone()];
        assert_eq!(store.reprice(&both).await.unwrap(), 1);
        assert_eq!(store.reprice(&both).await.unwrap(), 0);
        assert_eq!(sums(store).await, [2_000_000_000; 11]);
    }
}

#[tokio::test]
async fn a_period_that_began_since_is_left_alone() {
    for database in databases().await {
        let store = &database.store;
        store.settle(&[row("req_1")]).await.unwrap();
        store.reset_spent().await.unwrap();
        run(store, &pricer("m: {input: 2, output: 4}"), How::default()).await;
        let of_key =
            |column: &str| format!("SELECT {column} FROM spend WHERE scope = 'key' AND id = 'k1'");
        assert_eq!(number(store, &of_key("amount")).await, 0);
        assert_eq!(number(store, &of_key("total")).await, 2_400_000_000);
        let of_user = "SELECT amount FROM spend WHERE scope = 'user'";
        assert_eq!(number(store, of_user).await, 2_400_000_000);
    }
}

#[tokio::test]
async fn what_nobody_knows_stays_as_it_is() {
    for database in databases().await {
        let store = &database.store;
        let early = Row {
            is_complete: false,
            ..row("req_1")
        };
        let other_model = Row {
            served_model: Some("unheard-of"),
            ..row("req_2")
        };
        let unknown = Row {
            served_model: Some("unheard-of"),
            cost: None,
            ..row("req_3")
        };
        let stated = Row {
            served_model: Some("unheard-of"),
            tokens: Some(Usage {
                stated_cost_pico: Some(5),
                ..Usage::default()
            }),
            cost: Some(Usd::from_pico(5)),
            ..row("req_4")
        };
        let batch = [early, other_model, unknown, stated];
        store.settle(&batch).await.unwrap();
        let dear = pricer("m: {input: 3, output: 6}");
        let report = run(store, &dear, How::default()).await;
        assert_eq!((report.written, report.total.incomplete), (0, 1));
        assert_eq!(report.total.unpriced, 2);
        assert_eq!(report.total.before_usd, report.total.after_usd);
        let cost = |id: &str| format!("SELECT cost FROM requests WHERE id = '{id}'");
        assert_eq!(number(store, &cost("req_3")).await, -1);
        let any = How {
            any: true,
            ..How::default()
        };
        assert_eq!(run(store, &dear, any).await.written, 1);
        assert_eq!(number(store, &cost("req_1")).await, 3_600_000_000);
    }
}

#[tokio::test]
async fn each_call_is_priced_by_its_own_model_and_each_kind_by_its_own_rate() {
    for database in databases().await {
        let store = &database.store;
        let parts = r#"[{"provider":"mine","model":"m","usage":{"input":1000,"output":0}},
            {"provider":"openai","model":"n","usage":{"input":1000,"output":10,"tier":"flex"}}]"#;
        let several = Row {
            parts: Some(parts),
            attempts: 2,
            ..row("req_1")
        };
        let kinds = Row {
            tokens: Some(Usage {
                input: 1000,
                cache_write: 600,
                cache_write_1h: 500,
                searches: 2,
                tier: Some(Tier::Priority),
                ..Usage::default()
            }),
            ..row("req_2")
        };
        store.settle(&[several, kinds]).await.unwrap();
        let prices = pricer(
            "m: {input: 1, output: 2, cache_write: 2, cache_write_1h: 4, search: 0.01, services: {priority: 2}}
    n: {input: 10, output: 20, services: {flex: 0.5}}",
        );
        run(store, &prices, How::default()).await;
        let cost = |id: &str| format!("SELECT cost FROM requests WHERE id = '{id}'");
        // 1000 × 1 + (1000 × 10 + 10 × 20) ÷ 2 $ a million.
        assert_eq!(number(store, &cost("req_1")).await, 6_100_000_000);
        // 2 × (400 × 1 + 100 × 2 + 500 × 4) $ a million + 2 × 0.01 $.
        assert_eq!(number(store, &cost("req_2")).await, 25_200_000_000);
    }
}

#[tokio::test]
async fn sums_of_names_beyond_count_go_along() {
    for database in databases().await {
        let store = &database.store;
        let ids: Vec<String> = (0..1005).map(|number| format!("req_{number:04}")).collect();
        let rows: Vec<Row<'_>> = ids
            .iter()
            .map(|id| Row {
                tags: vec![id],
                ..row(id)
            })
            .collect();
        for some in rows.chunks(500) {
            store.settle(some).await.unwrap();
        }
        run(store, &pricer("m: {input: 2, output: 4}"), How::default()).await;
        let whole = 1005 * 2_400_000_000;
        assert_eq!(
            number(store, "SELECT SUM(cost) FROM usage_tag_hours").await,
            whole
        );
        let tags = "SELECT SUM(total) FROM spend WHERE scope = 'tag'";
        assert_eq!(number(store, tags).await, whole);
        let other = "SELECT cost FROM usage_tag_hours WHERE tag = 'other'";
        assert_eq!(number(store, other).await, 5 * 2_400_000_000);
    }
}
