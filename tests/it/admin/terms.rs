//! What the terms of a key, a project and a team do to requests beside what they forbid.

use serde_json::{Value, json};

use super::Administrated;
use crate::support::{Request, eventually, openai};

#[tokio::test]
async fn tags_of_keys_and_teams_are_those_of_their_requests() {
    let routes = "routes: [{model: m, when: {tags: [vip]}, pool: better}]\n\
                  pools: {better: [{provider: openai, model: gpt-4o}]}\n";
    let admin = Administrated::with(None, |yaml| yaml + routes).await;
    admin
        .post("/admin/teams", json!({"id": "red", "tags": ["vip"]}))
        .await;
    let (plain, _) = admin.key(json!({"tags": ["a"]})).await;
    let (of_team, made) = admin.key(json!({"team_id": "red", "tags": ["a"]})).await;
    for (key, served) in [(&plain, "m"), (&of_team, "gpt-4o")] {
        let request = Request::post("/v1/chat/completions", openai::chat("m"));
        let request = request.bearer(key).header("x-gateway-tags", "b,a");
        assert_eq!(admin.gateway.call(request).await.status, 200);
        assert_eq!(model_of(&admin), served);
    }
    let id = made["id"].as_str().unwrap();
    let path = format!("/admin/requests?key={id}");
    eventually("it has a row", async || {
        let rows = admin.get(&path).await;
        rows["data"][0]["tags"] == json!(["a", "vip", "b"])
    })
    .await;
}

#[tokio::test]
async fn a_key_and_its_team_have_names_of_their_own_for_models() {
    let admin = Administrated::start(None).await;
    let team = json!({"id": "red", "models": ["m"], "aliases": {"small": "m"}});
    admin.post("/admin/teams", team).await;
    let said = json!({"team_id": "red", "models": ["smart", "sly"],
        "aliases": {"smart": "small", "sly": "gpt-4o"}});
    let (key, _) = admin.key(said).await;
    for (model, status) in [("smart", 200), ("sly", 403), ("small", 403), ("m", 403)] {
        let request = Request::post("/v1/chat/completions", openai::chat(model)).bearer(&key);
        assert_eq!(admin.gateway.call(request).await.status, status, "{model}");
    }
    assert_eq!(model_of(&admin), "m");
    assert_eq!(admin.upstream.count(), 1);
}

/// The model that the provider was asked for last.
fn model_of(admin: &Administrated) -> Value {
    let body: Value = serde_json::from_slice(&admin.upstream.last().body).expect("JSON");
    body["model"].clone()
}
