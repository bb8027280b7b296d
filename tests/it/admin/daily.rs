//! LiteLLM's activity by the day: whose days they are, what is in one, and which are on a page.

use serde_json::{Value, json};

use super::{Administrated, MASTER, usage::used};

const DATES: &str = "start_date=2020-01-01&end_date=2099-01-01";

/// The days that are told, and what each cost.
fn days(activity: &Value) -> Vec<(String, f64)> {
    let results = activity["results"].as_array().unwrap();
    let day = |result: &Value| {
        let date = result["date"].as_str().unwrap().to_owned();
        (date, result["metrics"]["spend"].as_f64().unwrap())
    };
    results.iter().map(day).collect()
}

/// A route with the dates and a part of its query.
async fn ask(admin: &Administrated, path: &str, query: &str) -> Value {
    admin.get(&format!("{path}?{DATES}{query}")).await
}

fn names(part: &Value) -> Vec<&str> {
    part.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn each_day_is_told_by_model_provider_key_and_team() {
    for admin in Administrated::each().await {
        let [(red, red_key), (_, blue_key)] = used(&admin).await;
        // What one team asked was yesterday.
        let looker = admin.looker().await;
        looker
            .all("UPDATE usage_hours SET hour = hour - 86400000 WHERE team_id = 'blue'")
            .await;
        let token = |key: &Value| key["hash"].as_str().unwrap().to_owned();
        let (of_red, of_blue) = (token(&red_key), token(&blue_key));

        let all = ask(&admin, "/user/daily/activity", "").await;
        let two = days(&all);
        assert_eq!((two.len(), two[0].1, two[1].1), (2, 0.007, 0.007), "{all}");
        assert!(two[0].0 > two[1].0, "the newest first: {two:?}");
        let total = &all["metadata"];
        assert_eq!(total["total_spend"], 0.014);
        assert_eq!(
            (
                &total["total_api_requests"],
                &total["total_successful_requests"],
                &total["total_failed_requests"]
            ),
            (&json!(4), &json!(3), &json!(1))
        );
        assert_eq!(
            (&total["page"], &total["total_pages"], &total["has_more"]),
            (&json!(1), &json!(1), &json!(false))
        );
        let parts = &all["results"][0]["breakdown"];
        assert_eq!(
            (names(&parts["models"]), names(&parts["providers"])),
            (vec!["gpt-4o"], vec!["openai"])
        );
        assert_eq!(
            (names(&parts["entities"]), names(&parts["api_keys"])),
            (vec!["rosa"], vec![&*of_red])
        );
        let key = &parts["api_keys"][&of_red];
        assert_eq!(
            key["metadata"],
            json!({"key_alias": "of-red", "team_id": "red"})
        );
        assert_eq!(
            (
                &key["metrics"]["prompt_tokens"],
                &key["metrics"]["total_tokens"]
            ),
            (&json!(2000), &json!(2200))
        );
        assert_eq!(
            parts["models"]["gpt-4o"]["api_key_breakdown"][&of_red]["metrics"]["spend"],
            0.007
        );

        // A page is of days, and its total theirs.
        let second = ask(&admin, "/user/daily/activity", "&page=2&page_size=1").await;
        assert_eq!(days(&second), two[1..]);
        let told = &second["metadata"];
        assert_eq!(
            (
                &told["total_spend"],
                &told["total_pages"],
                &told["has_more"]
            ),
            (&json!(0.007), &json!(2), &json!(false))
        );
        let first = ask(&admin, "/user/daily/activity", "&page_size=1").await;
        assert_eq!(
            (days(&first).len(), &first["metadata"]["has_more"]),
            (1, &json!(true))
        );
        let beyond = ask(&admin, "/user/daily/activity", "&page=9").await;
        assert_eq!(
            (days(&beyond).len(), &beyond["metadata"]["has_more"]),
            (0, &json!(false))
        );
        let at_once = ask(&admin, "/user/daily/activity/aggregated", "&page_size=1").await;
        assert_eq!(days(&at_once), two);

        // Some of it.
        for (query, wanted) in [
            ("&user_id=rosa", 1),
            ("&user_id=nobody", 0),
            ("&model=gpt-4o", 2),
            ("&model=other", 0),
            (&*format!("&api_key={of_blue}"), 1),
            (&*format!("&api_key={red}"), 1),
        ] {
            let some = ask(&admin, "/user/daily/activity", query).await;
            assert_eq!(days(&some).len(), wanted, "{query}: {some}");
        }
        for (query, teams) in [
            ("", vec!["blue", "red"]),
            ("&team_ids=red", vec!["red"]),
            ("&team_ids=red,%20blue", vec!["blue", "red"]),
            ("&exclude_team_ids=red", vec!["blue"]),
            ("&team_ids=green", vec![]),
        ] {
            let some = ask(&admin, "/team/daily/activity", query).await;
            let results = some["results"].as_array().unwrap().iter();
            let mut told: Vec<&str> = results
                .flat_map(|day| names(&day["breakdown"]["entities"]))
                .collect();
            told.sort_unstable();
            assert_eq!(told, teams, "{query}: {some}");
        }
        let by_tag = ask(&admin, "/tag/daily/activity", "").await;
        let tags = &by_tag["results"][0]["breakdown"]["entities"];
        assert_eq!(tags["a"]["metrics"]["api_requests"], 3, "{by_tag}");
        let one = ask(&admin, "/tag/daily/activity", "&tags=b").await;
        assert_eq!(names(&one["results"][0]["breakdown"]["entities"]), ["b"]);

        // A key sees its own, does not learn of others, and of tags nothing.
        let own = format!("/user/daily/activity?{DATES}");
        let own = admin.ask(&red, "GET", &own, None).await.json();
        assert_eq!(days(&own), two[..1]);
        for (target, status) in [
            (
                format!("/user/daily/activity?{DATES}&api_key={of_blue}"),
                404,
            ),
            (format!("/tag/daily/activity?{DATES}"), 403),
        ] {
            let refused = admin.ask(&red, "GET", &target, None).await;
            assert_eq!(refused.status, status, "{target}: {refused:?}");
        }
        for wrong in [
            "/user/daily/activity".to_owned(),
            "/user/daily/activity?start_date=2026-01-01".to_owned(),
            format!("/user/daily/activity?{DATES}&page=0"),
            format!("/team/daily/activity?{DATES}&page_size=1001"),
        ] {
            let refused = admin.ask(MASTER, "GET", &wrong, None).await;
            assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
        }
    }
}
