//! The cache and what may be asked of whom, with keys of the store: they are told apart by their ids.

use serde_json::{Value, json};

use super::Administrated;
use crate::support::Request;

async fn caching() -> Administrated {
    Administrated::with(None, |yaml| {
        let yaml = yaml.replace("cache: {enabled: false}", "cache: {enabled: true}");
        format!("{yaml}default_model: gpt-4o\n")
    })
    .await
}

/// What a chat's cache header says.
async fn chat(admin: &Administrated, key: &str) -> String {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::post("/v1/chat/completions", body.to_string()).bearer(key);
    let answer = admin.gateway.call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-cache").unwrap_or_default().to_owned()
}

async fn purge(admin: &Administrated, what: Value) -> Value {
    admin.post("/admin/cache/purge", what).await["memory"].clone()
}

#[tokio::test]
async fn keys_of_one_label_share_no_answers_and_are_purged_by_label_or_id() {
    let admin = caching().await;
    let (one, made) = admin.key(json!({"label": "same"})).await;
    let (other, _) = admin.key(json!({"label": "same"})).await;
    assert_eq!(chat(&admin, &one).await, "MISS");
    assert_eq!(chat(&admin, &one).await, "HIT");
    assert_eq!(chat(&admin, &other).await, "MISS", "another account");
    assert_eq!(admin.get("/admin/cache").await["memory"]["entries"], 2);
    assert_eq!(purge(&admin, json!({"key": made["id"]})).await, 1);
    assert_eq!(chat(&admin, &other).await, "HIT");
    assert_eq!(chat(&admin, &one).await, "MISS");
    assert_eq!(purge(&admin, json!({"key": "same"})).await, 2);
    assert_eq!(chat(&admin, &one).await, "MISS");
    let by_text = purge(&admin, json!({ "key": one })).await;
    assert_eq!(by_text, 1, "by the key itself");
}

#[tokio::test]
async fn a_teams_answers_are_purged_by_its_alias() {
    let admin = caching().await;
    admin
        .post("/admin/teams", json!({"id": "red", "alias": "The Reds"}))
        .await;
    let (key, _) = admin.key(json!({"team_id": "red"})).await;
    assert_eq!(chat(&admin, &key).await, "MISS");
    assert_eq!(purge(&admin, json!({"team": "The Blues"})).await, 0);
    assert_eq!(purge(&admin, json!({"team": "The Reds"})).await, 1);
    assert_eq!(chat(&admin, &key).await, "MISS");
    assert_eq!(purge(&admin, json!({"team": "red"})).await, 1);
}

#[tokio::test]
async fn a_stored_key_gets_no_model_by_naming_none() {
    let admin = caching().await;
    admin
        .post("/admin/teams", json!({"id": "red", "models": ["m"]}))
        .await;
    let body = json!({"messages": [{"role": "user", "content": "hi"}]});
    for (said, status) in [
        (json!({}), 200),
        (json!({"models": ["m"]}), 403),
        (json!({"models": ["gpt-*"]}), 200),
        (json!({"models": ["gpt-*"], "team_id": "red"}), 403),
    ] {
        let (key, _) = admin.key(said.clone()).await;
        let request = Request::post("/v1/chat/completions", body.to_string()).bearer(&key);
        let answer = admin.gateway.call(request).await;
        assert_eq!(answer.status, status, "{said}: {answer:?}");
    }
}
