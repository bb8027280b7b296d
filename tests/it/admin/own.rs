//! What an ordinary user's key sees by LiteLLM's routes: its user, its user's keys, its team.

use serde_json::{Value, json};

use super::{Administrated, MASTER};

/// The labels of the keys that a list holds.
fn labels(list: &Value) -> Vec<&str> {
    let keys = list["keys"].as_array().unwrap();
    let mut labels: Vec<&str> = keys
        .iter()
        .filter_map(|key| key["key_alias"].as_str())
        .collect();
    labels.sort_unstable();
    labels
}

#[tokio::test]
async fn a_users_key_sees_its_user_and_its_keys_and_its_team() {
    for admin in Administrated::each().await {
        for team in ["red", "blue", "green"] {
            admin.post("/admin/teams", json!({"id": team})).await;
        }
        for user in ["rosa", "sam"] {
            admin
                .post(
                    "/admin/users",
                    json!({"id": user, "email": format!("{user}@canary.example")}),
                )
                .await;
        }
        for (team, role) in [("red", "admin"), ("blue", "user")] {
            let place = Some(json!({"role": role}));
            admin
                .ok("PUT", &format!("/admin/teams/{team}/members/rosa"), place)
                .await;
        }
        let (own, _) = admin
            .key(json!({"label": "a-own", "user_id": "rosa"}))
            .await;
        let (in_blue, _) = admin
            .key(json!({"label": "b-in-blue", "user_id": "rosa", "team_id": "blue"}))
            .await;
        let (nobodys, _) = admin.key(json!({"label": "c-nobodys"})).await;
        admin
            .key(json!({"label": "d-of-red", "team_id": "red"}))
            .await;
        admin
            .key(json!({"label": "e-sams", "user_id": "sam", "team_id": "blue"}))
            .await;
        let get = async |key: &str, target: &str| admin.ask(key, "GET", target, None).await;

        let full = "/key/list?return_full_object=true&size=100";
        for (key, target, expected) in [
            (&own, full.to_owned(), vec!["a-own", "b-in-blue"]),
            // Whoever administrates a team makes such keys: they speak for the team's part of their user.
            (&in_blue, full.to_owned(), vec!["b-in-blue"]),
            (&nobodys, full.to_owned(), vec!["c-nobodys"]),
            (&own, format!("{full}&user_id=sam"), vec![]),
            (&own, format!("{full}&team_id=blue"), vec!["b-in-blue"]),
            (
                &own,
                format!("{full}&include_team_keys=true"),
                vec!["a-own", "b-in-blue", "d-of-red"],
            ),
            (
                &in_blue,
                format!("{full}&include_team_keys=true"),
                vec!["b-in-blue"],
            ),
        ] {
            let answer = get(key, &target).await;
            assert_eq!(answer.status, 200, "{target}: {answer:?}");
            assert_eq!(labels(&answer.json()), expected, "{target}");
        }
        for (key, target, status) in [
            (&own, "/team/info?team_id=red", 200),
            (&own, "/team/info?team_id=blue", 200),
            (&own, "/team/info?team_id=green", 404),
            (&own, "/team/info?team_id=nothing", 404),
            (&in_blue, "/team/info", 200),
            (&in_blue, "/team/info?team_id=red", 404),
            (&nobodys, "/team/info?team_id=red", 404),
            (&own, "/v2/user/info", 200),
            (&own, "/v2/user/info?user_id=rosa", 200),
            (&own, "/v2/user/info?user_id=sam", 404),
            (&own, "/v2/user/info?user_id=nobody", 404),
            (&nobodys, "/v2/user/info", 400),
        ] {
            let answer = get(key, target).await;
            assert_eq!(answer.status, status, "{target}: {answer:?}");
            assert!(
                !answer.text().contains("sam@canary"),
                "{target}: {answer:?}"
            );
        }
        let blue = get(&own, "/team/info?team_id=blue").await.json();
        assert_eq!(
            labels(&blue),
            ["b-in-blue"],
            "others' keys are not its business"
        );
        let itself = get(&own, "/v2/user/info").await.json();
        assert_eq!(
            (&itself["user_id"], &itself["user_email"]),
            (&json!("rosa"), &json!("rosa@canary.example"))
        );
        assert_eq!(get(MASTER, "/v2/user/info").await.status, 400);
    }
}

#[tokio::test]
async fn a_query_that_ends_in_a_sign_of_equality_is_not_dropped() {
    let admin = Administrated::start(None).await;
    admin
        .key(json!({"label": "one", "user_id": "Zm9vYg=="}))
        .await;
    admin.key(json!({"label": "two", "user_id": "other"})).await;
    for (target, total) in [
        ("/key/list?user_id=Zm9vYg==", 1),
        ("/key/list?user_id=Zm9vYg%3D%3D", 1),
        ("/key/list?user_id=Zm9v=", 0),
        ("/key/list?user_id=&team_id=", 2),
    ] {
        assert_eq!(admin.get(target).await["total_count"], total, "{target}");
    }
}

#[tokio::test]
async fn a_list_of_teams_says_how_many_keys_it_leaves_out() {
    for admin in Administrated::each().await {
        for team in ["old", "new"] {
            admin.post("/admin/teams", json!({"id": team})).await;
            admin
                .ok(
                    "PUT",
                    &format!("/admin/teams/{team}/members/rosa"),
                    Some(json!({})),
                )
                .await;
        }
        for _ in 0..3 {
            admin.key(json!({"team_id": "old"})).await;
        }
        let list = admin.get("/team/list").await;
        let row = |id: &str| {
            list.as_array()
                .unwrap()
                .iter()
                .find(|row| row["team_id"] == id)
                .unwrap()
        };
        for (team, keys) in [("old", 3), ("new", 0)] {
            let row = row(team);
            assert_eq!(
                (&row["keys_count"], row["keys"].as_array().unwrap().len()),
                (&json!(keys), keys)
            );
            assert_eq!(row["members_with_roles"][0]["user_id"], "rosa");
            assert_eq!(row["members_count"], 1);
        }
    }
}

#[tokio::test]
async fn readiness_says_what_litellms_clients_look_for() {
    let admin = Administrated::start(None).await;
    let ready = admin.get("/health/readiness").await;
    assert!(ready["litellm_version"].is_string(), "{ready}");
    assert_eq!(
        (&ready["cache"], &ready["success_callbacks"]),
        (&Value::Null, &json!([]))
    );
}
