//! The life of a key.

use serde_json::json;

use super::Desk;
use crate::support::{Request, openai};

/// The status of a chat with that key, where a gateway runs.
async fn chat(desk: &Desk, key: &str) -> Option<u16> {
    let gateway = desk.gateway.as_ref()?;
    let request = Request::post("/v1/chat/completions", openai::chat("m")).bearer(key);
    Some(gateway.call(request).await.status)
}

#[tokio::test]
async fn a_key_lives_the_same_life_through_the_port_and_on_the_store() {
    for desk in Desk::each().await {
        let there = |status: u16| desk.gateway.is_some().then_some(status);
        let made = desk
            .json(&[
                "key",
                "create",
                "--label",
                "app",
                "--team",
                "red",
                "--user",
                "rosa",
                "--models",
                "m",
                "--rate-limit",
                "100",
                "--budget",
                "12.5",
                "--budget-period",
                "monthly",
                "--tags",
                "a,b",
                "--metadata",
                r#"{"stage":"dev"}"#,
                "--expires",
                "30d",
                "--admin",
                "team-read",
            ])
            .await;
        let key = made["key"].as_str().unwrap().to_owned();
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(chat(&desk, &key).await, there(200), "in force at once");
        let who = if desk.gateway.is_some() {
            "master"
        } else {
            "cli"
        };
        let info = desk.json(&["key", "info", "app"]).await;
        assert_eq!(info["created_by"], who);
        assert_eq!(
            (
                &info["id"],
                &info["team_id"],
                &info["admin"],
                &info["budget"]
            ),
            (
                &json!(id),
                &json!("red"),
                &json!("team_read"),
                &json!({"max": "12.5", "period": "1mo"})
            )
        );
        assert!(info.get("key").is_none(), "it is shown once");
        assert_eq!(desk.json_with(&["key", "info", "-"], &key).await["id"], id);
        let listed = desk
            .json(&["key", "list", "--team", "red", "--label", "AP"])
            .await;
        assert_eq!(
            (listed.as_array().unwrap().len(), &listed[0]["id"]),
            (1, &json!(id))
        );
        let table = desk.says(0, &["key", "list"]).await;
        assert!(
            table.contains("app") && table.contains("active") && !table.contains(&key),
            "{table}"
        );

        // What is not said stays, of limits that are replaced together too.
        let changed = desk
            .json(&[
                "key",
                "update",
                "app",
                "--token-limit",
                "700000",
                "--budget",
                "none",
                "--admin",
                "none",
            ])
            .await;
        assert_eq!(
            (
                &changed["limits"],
                &changed["budget"],
                &changed["admin"],
                &changed["tags"]
            ),
            (
                &json!({"requests_per_minute": 100, "tokens_per_minute": 700_000}),
                &json!({"period": "1mo"}),
                &json!(null),
                &json!(["a", "b"])
            )
        );
        desk.json(&["key", "update", &id, "--block"]).await;
        assert_eq!(chat(&desk, &key).await, there(401));
        let free = desk
            .json(&["key", "update", &id, "--unblock", "--label", "none"])
            .await;
        assert_eq!(
            (&free["label"], &free["state"]),
            (&json!(null), &json!("active"))
        );
        let rotated = desk.json(&["key", "rotate", &id, "--grace", "1h"]).await;
        let second = rotated["key"].as_str().unwrap();
        assert_eq!(chat(&desk, second).await, there(200));
        assert_eq!(chat(&desk, &key).await, there(200), "in its grace");
        let own = desk
            .json_with(
                &["key", "rotate", &id, "--key-stdin"],
                "sk-of-my-own-choice\n",
            )
            .await;
        assert_eq!(own["key"], "sk-of-my-own-choice");

        let lost = desk.says(3, &["key", "revoke", &id, "nobody"]).await;
        assert!(lost.contains("gateway key list"), "{lost}");
        assert_eq!(
            desk.json(&["key", "info", &id]).await["state"],
            "active",
            "all or none"
        );
        let ended = desk.json(&["key", "revoke", &id]).await;
        assert_eq!(ended[0]["state"], "revoked");
        assert_eq!(chat(&desk, "sk-of-my-own-choice").await, there(401));
        desk.says(1, &["key", "rotate", &id]).await;
        assert_eq!(desk.json(&["key", "list"]).await, json!([]));
        assert_eq!(desk.json(&["key", "list", "--all"]).await[0]["id"], id);
        desk.json(&["key", "delete", &id]).await;
        let gone = desk.says(3, &["key", "info", &id]).await;
        assert!(gone.contains("error: ") && gone.contains(&id), "{gone}");
    }
}

#[tokio::test]
async fn a_key_by_its_text_is_in_no_path_and_a_name_may_be_anything() {
    for desk in Desk::each().await {
        let label = "a/b ?&=%2e/../#ü";
        let made = desk.json(&["key", "create", "--label", label]).await;
        assert_eq!(desk.json(&["key", "info", label]).await["id"], made["id"]);
        let listed = desk.json(&["key", "list", "--label", label]).await;
        assert_eq!(listed.as_array().unwrap().len(), 1);
        let wrong = desk
            .run_with(&["key", "info", "-"], "sk-canary-that-nobody-has")
            .await;
        assert_eq!(wrong.status.code(), Some(3), "{}", wrong.output);
        assert!(!wrong.output.contains("canary"), "{}", wrong.output);
    }
}
