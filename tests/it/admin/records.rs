//! Teams, users, projects, budgets, deployments, providers and their keys, by our interface.

use serde_json::{Value, json};

use super::{Administrated, MASTER};
use crate::support::{Request, Script, ScriptedUpstream, openai};

#[tokio::test]
async fn every_kind_of_record_lives() {
    for admin in Administrated::each().await {
        admin
            .post(
                "/admin/credentials",
                json!({"id": "c", "provider": "openai", "api_key": "sk-c"}),
            )
            .await;
        for (path, new, change, field) in [
            (
                "/admin/teams",
                json!({"id": "a/b c"}),
                json!({"alias": "x"}),
                "alias",
            ),
            (
                "/admin/users",
                json!({"id": "ü@x", "email": "u@example.com"}),
                json!({"role": "proxy_admin_viewer"}),
                "role",
            ),
            (
                "/admin/projects",
                json!({"id": "p", "headers": {"*": {"X-A": "1"}}}),
                json!({"alias": "x"}),
                "alias",
            ),
            (
                "/admin/budgets",
                json!({"id": "b", "budget": {"max": 5}}),
                json!({"budget": {"max": "6.5"}}),
                "budget",
            ),
            (
                "/admin/models",
                json!({"id": "d", "name": "n", "provider": "openai"}),
                json!({"credential_id": "c"}),
                "credential_id",
            ),
            (
                "/admin/providers",
                json!({"name": "mine", "base_url": "https://llm.example/v1"}),
                json!({"models": ["x"]}),
                "models",
            ),
        ] {
            let made = admin.post(path, new.clone()).await;
            let id = made["id"].as_str().or(made["name"].as_str()).unwrap();
            let id = id
                .replace('/', "%2F")
                .replace(' ', "%20")
                .replace('ü', "%C3%BC");
            let one = format!("{path}/{id}");
            let again = admin.ask(MASTER, "POST", path, Some(new)).await;
            assert_eq!(again.status, 409, "{again:?}");
            let shown = admin.get(&one).await;
            assert_eq!(shown["id"], made["id"]);
            let changed = admin.ok("PATCH", &one, Some(change.clone())).await;
            assert_eq!(changed[field], change[field], "{one}");
            let list = admin.get(path).await;
            assert!(list["total"].as_i64().unwrap() >= 1, "{list}");
            admin.ok("DELETE", &one, None).await;
            for method in ["GET", "PATCH", "DELETE"] {
                let gone = admin.ask(MASTER, method, &one, Some(json!({}))).await;
                assert_eq!(gone.status, 404, "{method} {one}: {gone:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_team_with_keys_is_not_deleted_from_under_them() {
    for admin in Administrated::each().await {
        for (path, column) in [
            ("/admin/teams", "team_id"),
            ("/admin/users", "user_id"),
            ("/admin/projects", "project_id"),
            ("/admin/budgets", "budget_id"),
        ] {
            admin.post(path, json!({"id": "it"})).await;
            let (text, _) = admin.key(json!({column: "it"})).await;
            let one = format!("{path}/it");
            let refused = admin.ask(MASTER, "DELETE", &one, None).await;
            assert_eq!(refused.status, 409, "{refused:?}");
            assert_eq!(admin.chat(&text).await, 200);
            admin
                .ok("DELETE", &format!("{one}?with_keys=true"), None)
                .await;
            assert_eq!(admin.chat(&text).await, 401);
        }
    }
}

#[tokio::test]
async fn a_teams_terms_hold_for_its_keys_at_once() {
    for admin in Administrated::each().await {
        admin
            .post("/admin/teams", json!({"id": "red", "models": ["other"]}))
            .await;
        let (text, _) = admin.key(json!({"team_id": "red"})).await;
        assert_eq!(admin.chat(&text).await, 403);
        admin
            .ok("PATCH", "/admin/teams/red", Some(json!({"models": null})))
            .await;
        assert_eq!(admin.chat(&text).await, 200);
        admin
            .ok("PATCH", "/admin/teams/red", Some(json!({"blocked": true})))
            .await;
        assert_eq!(admin.chat(&text).await, 401);
        admin
            .ok("PATCH", "/admin/teams/red", Some(json!({"blocked": false})))
            .await;
        assert_eq!(admin.chat(&text).await, 200);
    }
}

async fn ask(admin: &Administrated, key: &str, model: &str) -> u16 {
    let request = Request::post("/v1/chat/completions", openai::chat(model)).bearer(key);
    admin.gateway.call(request).await.status
}

#[tokio::test]
async fn a_providers_key_is_sealed_used_at_once_and_never_shown() {
    for admin in Administrated::each().await {
        let answer = Script::json(200, openai::completion("hi"));
        let other = ScriptedUpstream::start([answer]).await;
        let said = json!({"name": "other", "base_url": other.base_url(), "models": ["theirs"]});
        admin.post("/admin/providers", said).await;
        let (key, _) = admin.key(json!({})).await;
        let made = admin
            .post(
                "/admin/credentials",
                json!({"provider": "other", "label": "first", "api_key": "sk-provider-canary-1",
                "headers": {"X-Tenant": "header-canary-1"}}),
            )
            .await;
        assert_eq!(made["masked"], "sk-…ry-1");
        assert_eq!(ask(&admin, &key, "theirs").await, 200);
        let sent = other.last();
        assert_eq!(
            sent.header("authorization"),
            Some("Bearer sk-provider-canary-1")
        );
        assert_eq!(sent.header("x-tenant"), Some("header-canary-1"));
        let path = format!("/admin/credentials/{}", made["id"].as_str().unwrap());
        admin
            .post(
                &format!("{path}/rotate"),
                json!({"api_key": "sk-provider-canary-2"}),
            )
            .await;
        assert_eq!(ask(&admin, &key, "theirs").await, 200);
        assert_eq!(
            other.last().header("authorization"),
            Some("Bearer sk-provider-canary-2")
        );
        let provider = admin.get("/admin/providers/other").await;
        assert_eq!(
            (&provider["in_use"], &provider["keys"], &provider["source"]),
            (&json!(true), &json!(1), &json!("store"))
        );
        admin
            .ok("PATCH", &path, Some(json!({"blocked": true})))
            .await;
        let blocked = admin.get("/admin/providers/other").await;
        assert_eq!(blocked["keys"], 0);
        admin.ok("DELETE", &path, None).await;
        for target in [
            "/admin/providers",
            "/admin/credentials",
            "/admin/health",
            "/model/info",
            "/health",
            "/credentials",
        ] {
            let said = admin.get(target).await.to_string();
            assert!(!said.contains("canary-"), "{target}: {said}");
        }
        assert!(!admin.gateway.logs().contains("canary-1"));
    }
}

#[tokio::test]
async fn the_configurations_providers_are_shown_and_not_changed() {
    let admin = Administrated::start(None).await;
    let shown = admin.get("/admin/providers/openai").await;
    assert_eq!(
        (&shown["source"], &shown["keys"]),
        (&json!("configuration"), &json!(1))
    );
    for (method, body) in [("PATCH", json!({"models": ["x"]})), ("DELETE", json!({}))] {
        let refused = admin
            .ask(MASTER, method, "/admin/providers/openai", Some(body))
            .await;
        assert_eq!(refused.status, 409, "{refused:?}");
    }
    for wrong in [
        json!({"name": "x", "base_url": "https://u:p@h/v1"}),
        json!({"name": "x", "base_url": "file:///etc/passwd"}),
        json!({"name": "x", "kind": "no-such-kind"}),
        json!({"name": "unknown-to-the-catalog"}),
        json!({"name": "a/b", "base_url": "https://h/v1"}),
        json!({"name": "vertex", "settings": {"credentials_file": "/etc/passwd"}}),
        json!({"name": "x", "base_url": "https://h/v1", "api_key": "sk-x"}),
    ] {
        let refused = admin
            .ask(MASTER, "POST", "/admin/providers", Some(wrong.clone()))
            .await;
        assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
    }
    let nobody = json!({"provider": "nobody", "api_key": "sk-x"});
    assert_eq!(
        admin
            .ask(MASTER, "POST", "/admin/credentials", Some(nobody))
            .await
            .status,
        400
    );
    let empty = json!({"provider": "openai"});
    assert_eq!(
        admin
            .ask(MASTER, "POST", "/admin/credentials", Some(empty))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_model_is_listed_with_the_operators_own_price() {
    let with_file = |yaml: String| yaml + "pricing: {file: prices.yaml}\n";
    let prices = "openai:\n  models:\n    house-1: {input: 2, output: 8}\n";
    let admin = Administrated::with_file(None, with_file, "prices.yaml", prices).await;
    let house = json!({"name": "house", "provider": "openai", "model": "house-1"});
    admin.post("/admin/models", house).await;
    let served = admin.get("/admin/served-models").await;
    let models = served["data"].as_array().unwrap();
    let house = models.iter().find(|model| model["name"] == "house");
    let house = house.unwrap_or_else(|| panic!("{served}"));
    assert_eq!(
        (&house["input_price"], &house["output_price"]),
        (&json!(2.0), &json!(8.0))
    );
}

#[tokio::test]
async fn a_deployment_serves_its_name_at_once() {
    for admin in Administrated::each().await {
        let (key, _) = admin.key(json!({})).await;
        assert_eq!(ask(&admin, &key, "fast").await, 404);
        admin
            .post(
                "/admin/models",
                json!({"id": "one", "name": "fast", "provider": "openai", "model": "gpt-4o"}),
            )
            .await;
        assert_eq!(ask(&admin, &key, "fast").await, 200);
        let sent: Value = serde_json::from_slice(&admin.upstream.last().body).unwrap();
        assert_eq!(sent["model"], "gpt-4o");
        let served = admin.get("/admin/served-models").await;
        let names = served["data"].as_array().unwrap();
        assert!(
            names.iter().any(|model| model["name"] == "fast"),
            "{served}"
        );
        admin
            .ok("PATCH", "/admin/models/one", Some(json!({"blocked": true})))
            .await;
        assert_eq!(ask(&admin, &key, "fast").await, 404);
        let missing = json!({"name": "x", "provider": "openai", "credential_id": "nobody"});
        assert_eq!(
            admin
                .ask(MASTER, "POST", "/admin/models", Some(missing))
                .await
                .status,
            400
        );
    }
}
