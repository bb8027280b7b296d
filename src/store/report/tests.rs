use super::*;
use crate::{
    chat::usage::Usage,
    price::Usd,
    row,
    store::{Kind, Store, keys::NewKey, tests::databases::databases},
};

const HOUR: u64 = 3_600_000;
/// The beginning of a day.
const START: u64 = 1_760_054_400_000;

fn request<'a>(id: &'a str, account: &'a str, team: &'a str, hour: u64) -> row::Row<'a> {
    row::Row {
        id,
        at_ms: START + hour * HOUR + 5,
        account: Some(account),
        key: Some("label"),
        team: Some(team),
        user: Some("rosa"),
        end_user: Some("customer"),
        tags: vec!["red", "blue"],
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
        cost: Some(Usd::from_pico(1_500_000)),
        latency_us: 20,
        ..row::Row::default()
    }
}

async fn fill(store: &Store) {
    let failed = row::Row {
        status: 502,
        error: Some("provider_unreachable"),
        cost: None,
        tokens: None,
        ..request("req_4", "k2", "blue", 30)
    };
    let rows = [
        request("req_1", "k1", "red", 1),
        request("req_2", "k1", "red", 2),
        request("req_3", "k2", "blue", 2),
        failed,
    ];
    assert_eq!(store.settle(&rows).await.unwrap(), 4);
}

#[tokio::test]
async fn sums_are_put_together_as_asked_for() {
    for database in databases().await {
        let store = &database.store;
        let all = Which::default();
        let none = store.report(&all, &[], 10).await.unwrap();
        assert_eq!(none, [Sum::default()]);
        fill(store).await;
        let whole = store.report(&all, &[], 10).await.unwrap();
        assert_eq!(
            (whole[0].requests, whole[0].failures, whole[0].unpriced),
            (4, 1, 1)
        );
        assert_eq!(whole[0].cost, Usd::from_pico(4_500_000));
        assert_eq!((whole[0].input_tokens, whole[0].latency_us), (30, 80));
        let by_team = store.report(&all, &[By::Team], 10).await.unwrap();
        let teams: Vec<_> = by_team
            .iter()
            .map(|sum| (sum.of[0].as_str(), sum.requests))
            .collect();
        assert_eq!(teams, [("red", 2), ("blue", 2)]);
        let by_day = store.report(&all, &[By::Day, By::Key], 10).await.unwrap();
        let first = START.to_string();
        assert_eq!(by_day[0].of, [first.as_str(), "k1"]);
        assert_eq!(by_day[0].label.as_deref(), Some("label"));
        assert_eq!(by_day.len(), 3);
        let red = Which {
            team: Some("red".to_owned()),
            from: Some((START + 2 * HOUR) as i64),
            ..Which::default()
        };
        assert_eq!(store.report(&red, &[], 10).await.unwrap()[0].requests, 1);
        let tags = store.report(&all, &[By::Tag], 10).await.unwrap();
        assert_eq!(tags.len(), 2);
        assert_eq!(tags[0].requests, 4);
        assert!(store.report(&red, &[By::Tag], 10).await.is_err());
        assert!(store.report(&all, &[By::Tag, By::Team], 10).await.is_err());
        assert_eq!(store.report(&all, &[By::Hour], 2).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn amounts_are_exact_beyond_what_sqlite_adds_up() {
    for database in databases().await {
        let dear = |id| row::Row {
            cost: Some(Usd::from_pico(9_000_000_000_000_000_001)),
            ..request(id, "k1", "red", 1)
        };
        let rows = [dear("req_1"), dear("req_2")];
        for row in rows {
            // Each in an hour of its own, for one hour's sum is one number.
            let row = row::Row {
                at_ms: if row.id == "req_1" {
                    START
                } else {
                    START + HOUR
                },
                ..row
            };
            database.store.settle(&[row]).await.unwrap();
        }
        let sums = database
            .store
            .report(&Which::default(), &[], 1)
            .await
            .unwrap();
        assert_eq!(sums[0].cost, Usd::from_pico(18_000_000_000_000_000_002));
    }
}

#[tokio::test]
async fn rows_come_a_page_at_a_time_the_newest_first() {
    for database in databases().await {
        let store = &database.store;
        fill(store).await;
        let mut rows = Rows {
            limit: 3,
            ..Rows::default()
        };
        let first = store.log(&rows).await.unwrap();
        let ids: Vec<&str> = first.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["req_4", "req_3", "req_2"]);
        assert_eq!(first[1].tags, ["red", "blue"]);
        assert_eq!(first[1].cost, Some(Usd::from_pico(1_500_000)));
        let last = first.last().unwrap();
        rows.before = Some((last.at, last.id.clone()));
        let second = store.log(&rows).await.unwrap();
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].id, "req_1");
        let failed = Rows {
            failed: Some(true),
            limit: 10,
            ..Rows::default()
        };
        assert_eq!(store.log(&failed).await.unwrap()[0].id, "req_4");
        let of_red = Rows {
            which: Which {
                team: Some("red".to_owned()),
                ..Which::default()
            },
            limit: 10,
            ..Rows::default()
        };
        assert_eq!(store.log(&of_red).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_row_of_a_stored_key_has_its_hash() {
    for database in databases().await {
        let store = &database.store;
        let made = store.create_key(NewKey::default(), None).await.unwrap();
        store
            .settle(&[request("req_1", &made.key.id, "red", 1)])
            .await
            .unwrap();
        let rows = Rows {
            limit: 1,
            ..Rows::default()
        };
        let found = store.log(&rows).await.unwrap();
        assert_eq!(found[0].token.as_deref(), Some(made.key.token().as_str()));
    }
}

#[tokio::test]
async fn what_has_been_spent_is_set_and_begins_anew() {
    for database in databases().await {
        let store = &database.store;
        assert_eq!(store.spent_by_all().await.unwrap(), Spent::default());
        fill(store).await;
        let all = store.spent_by_all().await.unwrap();
        assert_eq!(all.total, Usd::from_pico(4_500_000));
        let customers = store.end_users(&Which::default(), 10).await.unwrap();
        assert_eq!(customers.len(), 1);
        assert_eq!((customers[0].requests, customers[0].cost), (4, all.total));
        let team = crate::store::teams::Team::new("red");
        store.create(team, None).await.unwrap();
        let team = async || -> crate::store::teams::Team { store.get("red").await.unwrap() };
        let spent = async || {
            let team = team().await;
            (team.stamps.spend, team.stamps.total_spend)
        };
        let began = async || team().await.stamps.period_started_at.unwrap();
        let before = crate::store::now();
        assert!(began().await < before, "with the first that was spent");
        let (now, ever) = spent().await;
        assert_eq!(
            (now, ever),
            (Usd::from_pico(3_000_000), Usd::from_pico(3_000_000))
        );
        store
            .set_spent(Kind::Team, "red", Usd::from_pico(7))
            .await
            .unwrap();
        assert_eq!(spent().await, (Usd::from_pico(7), ever));
        assert!(began().await >= before, "a new period");
        store.reset_spent().await.unwrap();
        assert_eq!(spent().await, (Usd::ZERO, ever));
    }
}

#[tokio::test]
async fn requests_are_counted_by_how_they_ended() {
    for database in databases().await {
        let store = &database.store;
        let late = |id, hour| row::Row {
            status: 429,
            error: Some("rate_limited"),
            ..request(id, "k1", "red", hour)
        };
        let hit = row::Row {
            cache: Some("hit"),
            ..request("req_5", "k1", "red", 1)
        };
        let rows = [
            request("req_1", "k1", "red", 1),
            late("req_2", 2),
            late("req_3", 3),
            late("req_4", 30),
            hit,
        ];
        store.settle(&rows).await.unwrap();
        let outcomes = store.outcomes(&Which::default(), None).await.unwrap();
        let counts: Vec<_> = outcomes
            .iter()
            .map(|outcome| {
                (
                    outcome.status,
                    outcome.is_failure(),
                    outcome.is_hit,
                    outcome.count,
                )
            })
            .collect();
        assert_eq!(counts[0], (429, true, false, 3));
        assert!(
            counts.contains(&(200, false, true, 1)) && counts.contains(&(200, false, false, 1))
        );
        assert_eq!(
            outcomes
                .iter()
                .map(|outcome| outcome.output_tokens)
                .sum::<i64>(),
            25
        );
        assert_eq!(
            store
                .outcomes(&Which::default(), Some("other"))
                .await
                .unwrap(),
            []
        );
        let first_day = Which {
            until: Some((START + 24 * HOUR) as i64),
            ..Which::default()
        };
        let (day, start) = (24 * HOUR as i64, START as i64);
        let all = store
            .ended_with(&Which::default(), "fast", 429, day)
            .await
            .unwrap();
        assert_eq!(all, [(start, 2), (start + day, 1)]);
        let first = store
            .ended_with(&first_day, "fast", 429, day)
            .await
            .unwrap();
        assert_eq!(first, [(start, 2)]);
        assert_eq!(
            store
                .ended_with(&first_day, "slow", 429, day)
                .await
                .unwrap(),
            []
        );
    }
}
