//! The life of a key by our interface. Each change is in force once it has been answered: nothing waits.

use serde_json::{Value, json};

use super::{Administrated, MASTER};

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_deletion() {
    for admin in Administrated::each().await {
        assert_eq!(admin.chat("gw_nobody").await, 401);
        let (text, made) = admin
            .key(
                json!({"label": "app", "team_id": "red", "models": ["m"], "tags": ["a"],
                "limits": {"requests_per_minute": 100}, "budget": {"max": "12.5", "period": "1mo"},
                "metadata": {"any": {"thing": 1}}, "expires_in": "30d"}),
            )
            .await;
        assert!(text.starts_with("gw_"));
        assert_eq!(admin.chat(&text).await, 200, "in force at once");
        let id = made["id"].as_str().unwrap();
        let path = format!("/admin/keys/{id}");
        let info = admin.get(&path).await;
        assert_eq!(info["state"], "active");
        assert_eq!(info["created_by"], "master");
        assert_eq!(info["budget"]["max"], "12.5");
        assert!(info.get("key").is_none(), "its text is shown once");
        for reference in [info["hash"].as_str().unwrap(), "app"] {
            let same = admin.get(&format!("/admin/keys/{reference}")).await;
            assert_eq!(same["id"], info["id"]);
        }
        let list = admin
            .get("/admin/keys?team_id=red&label=AP&revoked=false")
            .await;
        assert_eq!(
            (list["total"].as_i64(), &list["data"][0]["id"]),
            (Some(1), &info["id"])
        );

        let narrowed = json!({"models": ["other"], "budget": null, "label": null});
        let changed = admin.ok("PATCH", &path, Some(narrowed)).await;
        assert_eq!(
            (&changed["label"], &changed["budget"]),
            (&Value::Null, &json!({}))
        );
        assert_eq!(changed["tags"], json!(["a"]), "what is not said stays");
        assert_eq!(admin.chat(&text).await, 403);
        admin
            .ok("PATCH", &path, Some(json!({"models": null})))
            .await;
        assert_eq!(admin.chat(&text).await, 200);

        admin.ok("POST", &format!("{path}/block"), None).await;
        assert_eq!(admin.chat(&text).await, 401);
        admin.ok("POST", &format!("{path}/unblock"), None).await;
        assert_eq!(admin.chat(&text).await, 200);

        let rotated = admin
            .post(&format!("{path}/rotate"), json!({"grace": "1h"}))
            .await;
        let second = rotated["key"].as_str().unwrap();
        assert_eq!(
            (admin.chat(&text).await, admin.chat(second).await),
            (200, 200)
        );
        let rotated = admin.ok("POST", &format!("{path}/rotate"), None).await;
        let third = rotated["key"].as_str().unwrap();
        assert_eq!(admin.chat(second).await, 401);
        assert_eq!(admin.chat(third).await, 200);
        assert_eq!(rotated["rotation_count"], 2);

        let revoked = admin.ok("POST", &format!("{path}/revoke"), None).await;
        assert_eq!(revoked["state"], "revoked");
        assert_eq!(admin.chat(third).await, 401);
        let refused = admin
            .ask(MASTER, "POST", &format!("{path}/rotate"), None)
            .await;
        assert_eq!(refused.status, 400);
        admin.ok("DELETE", &path, None).await;
        assert_eq!(admin.ask(MASTER, "GET", &path, None).await.status, 404);
        assert_eq!(admin.get("/admin/keys").await["total"], 0);
    }
}

#[tokio::test]
async fn a_key_of_somebodys_choice_is_taken_once() {
    for admin in Administrated::each().await {
        let said = json!({"key": "sk-of-my-own-choice", "label": "own"});
        let (text, made) = admin.key(said.clone()).await;
        assert_eq!(text, "sk-of-my-own-choice");
        assert_eq!(admin.chat(&text).await, 200);
        let again = admin.ask(MASTER, "POST", "/admin/keys", Some(said)).await;
        assert_eq!(again.status, 409);
        assert!(!again.text().contains("sk-of-my-own-choice"), "{again:?}");
        let short = admin
            .ask(MASTER, "POST", "/admin/keys", Some(json!({"key": "short"})))
            .await;
        assert_eq!(short.status, 400);
        assert!(!made.to_string().replace(&text, "").contains("choice"));
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_words_that_help() {
    let admin = Administrated::start(None).await;
    for (said, param, word) in [
        (json!({"lable": "x"}), Some("lable"), "`label`"),
        (
            json!({"limits": {"requests_per_minut": 1}}),
            Some("limits.requests_per_minut"),
            "requests_per_minute",
        ),
        (json!({"expires_in": "soon"}), None, "30m"),
        (
            json!({"expires_in": "1d", "expires_at": "2030-01-01"}),
            Some("expires_in"),
            "not both",
        ),
        (json!({"admin": "team_write"}), Some("admin"), "team_id"),
        (json!({"label": "a\nb"}), Some("label"), "control"),
        (json!({"label": ""}), Some("label"), "empty"),
        (json!({"budget": {"max": -1}}), None, "amount"),
    ] {
        let answer = admin
            .ask(MASTER, "POST", "/admin/keys", Some(said.clone()))
            .await;
        assert_eq!(answer.status, 400, "{said}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["param"].as_str(), param, "{said}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{said}: {error}"
        );
    }
    for target in [
        "/admin/keys?limit=0",
        "/admin/keys?limit=1001",
        "/admin/keys?nonsense=1",
        "/admin/keys?sort=secret",
    ] {
        assert_eq!(
            admin.ask(MASTER, "GET", target, None).await.status,
            400,
            "{target}"
        );
    }
    let missing = admin.ask(MASTER, "GET", "/admin/keys/nobody", None).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("nobody"));
}

#[tokio::test]
async fn lists_come_in_pages() {
    for admin in Administrated::each().await {
        for number in 0..5 {
            admin.key(json!({"label": format!("key-{number}")})).await;
        }
        let mut seen = Vec::new();
        for offset in [0, 2, 4] {
            let page = admin
                .get(&format!(
                    "/admin/keys?limit=2&offset={offset}&sort=label&order=asc"
                ))
                .await;
            assert_eq!(page["total"], 5);
            let labels = page["data"].as_array().unwrap().iter();
            seen.extend(labels.map(|key| key["label"].as_str().unwrap().to_owned()));
        }
        assert_eq!(seen, ["key-0", "key-1", "key-2", "key-3", "key-4"]);
    }
}
