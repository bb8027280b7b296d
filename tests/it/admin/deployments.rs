//! Deployments by LiteLLM's fields: a provider's key goes to no other, nothing is left of what is refused, and of
//! two changes at once both are kept.

use serde_json::{Value, json};

use super::{Administrated, MASTER};
use crate::support::{Request, Script, ScriptedUpstream, anthropic, openai};

async fn ask(admin: &Administrated, target: &str, body: Value) -> u16 {
    admin.ask(MASTER, "POST", target, Some(body)).await.status
}

#[tokio::test]
async fn a_providers_key_goes_to_no_other_provider() {
    let answer = Script::json(200, anthropic::message("hi"));
    let other = ScriptedUpstream::start([answer]).await;
    let base = other.base_url();
    let line =
        format!("  anthropic: {{base_url: \"{base}\", api_key: of-anthropic, models: [claude]}}\n");
    let admin = Administrated::with(None, |yaml| yaml + &line).await;
    let made = json!({"model_name": "x", "model_info": {"id": "m1"}, "litellm_params": {"model": "openai/gpt-4o",
        "api_key": "sk-openai-canary", "extra_headers": {"X-Openai": "openai-canary"}}});
    admin.post("/model/new", made).await;
    let moved = json!({"id": "m1", "litellm_params": {"model": "anthropic/claude"}});
    assert_eq!(ask(&admin, "/model/update", moved).await, 400);
    let moved = admin
        .ask(
            MASTER,
            "PATCH",
            "/admin/models/m1",
            Some(json!({"provider": "anthropic"})),
        )
        .await;
    assert_eq!(moved.status, 400, "{moved:?}");
    let with_key = json!({"id": "m1", "litellm_params": {"model": "anthropic/claude", "api_key": "sk-anthropic-canary"}});
    assert_eq!(ask(&admin, "/model/update", with_key).await, 200);
    let (key, _) = admin.key(json!({})).await;
    let chat = Request::post("/v1/chat/completions", openai::chat("x")).bearer(&key);
    assert_eq!(admin.gateway.call(chat).await.status, 200);
    let sent = other.last();
    assert_eq!(sent.header("x-api-key"), Some("sk-anthropic-canary"));
    assert!(
        !sent.everything().contains("openai-canary"),
        "{}",
        sent.everything()
    );
    // By name neither, be it another provider's or a project's.
    let of_openai = json!({"id": "of-openai", "provider": "openai", "api_key": "sk-named-canary"});
    admin.post("/admin/credentials", of_openai).await;
    admin.post("/admin/projects", json!({"id": "shop"})).await;
    let of_project = json!({"id": "of-shop", "provider": "anthropic", "project_id": "shop", "api_key": "sk-shop-canary"});
    admin.post("/admin/credentials", of_project).await;
    for named in ["of-openai", "of-shop"] {
        let own = json!({"name": "y", "provider": "anthropic", "model": "claude", "credential_id": named});
        assert_eq!(ask(&admin, "/admin/models", own).await, 400, "{named}");
        let theirs = json!({"model_name": "y", "litellm_params": {"model": "anthropic/claude", "litellm_credential_name": named}});
        assert_eq!(ask(&admin, "/model/new", theirs).await, 400, "{named}");
        let theirs = json!({"id": "m1", "litellm_params": {"litellm_credential_name": named}});
        assert_eq!(ask(&admin, "/model/update", theirs).await, 400, "{named}");
    }
    // One that becomes another's afterwards is not sent.
    let shared = json!({"id": "free", "provider": "anthropic", "api_key": "sk-free-canary"});
    admin.post("/admin/credentials", shared).await;
    let deployed = json!({"id": "m2", "name": "z", "provider": "anthropic", "model": "claude", "credential_id": "free"});
    admin.post("/admin/models", deployed).await;
    admin
        .ok(
            "PATCH",
            "/admin/credentials/free",
            Some(json!({"project_id": "shop"})),
        )
        .await;
    let chat = Request::post("/v1/chat/completions", openai::chat("z")).bearer(&key);
    assert_eq!(admin.gateway.call(chat).await.status, 404);
}

#[tokio::test]
async fn nothing_is_left_of_a_deployment_that_is_refused() {
    for admin in Administrated::each().await {
        let long = "x".repeat(300);
        for refused in [
            json!({"model_name": long, "litellm_params": {"model": "openai/m", "api_key": "sk-canary"}}),
            json!({"model_name": "x", "litellm_params": {"model": format!("openai/{long}"), "api_key": "sk-canary"}}),
            json!({"model_name": "x", "litellm_params": {"model": "openai/m", "api_key": "sk\ncanary"}}),
        ] {
            assert_eq!(
                ask(&admin, "/model/new", refused.clone()).await,
                400,
                "{refused}"
            );
        }
        assert_eq!(admin.get("/admin/credentials").await["total"], 0);
        let made = json!({"model_name": "x", "model_info": {"id": "m1"}, "litellm_params": {"model": "openai/m"}});
        admin.post("/model/new", made).await;
        let refused =
            json!({"id": "m1", "model_name": long, "litellm_params": {"api_key": "sk-canary"}});
        assert_eq!(ask(&admin, "/model/update", refused).await, 400);
        assert_eq!(admin.get("/admin/credentials").await["total"], 0);
    }
}

#[tokio::test]
async fn of_changes_at_once_none_is_lost() {
    for admin in Administrated::each().await {
        let made = json!({"model_name": "x", "model_info": {"id": "m1"}, "litellm_params": {"model": "openai/m"}});
        admin.post("/model/new", made).await;
        for round in 0..5 {
            let changes = (0..8).map(|number| {
                let body =
                    json!({"id": "m1", "model_info": {format!("field_{round}_{number}"): number}});
                ask(&admin, "/model/update", body)
            });
            let statuses = futures::future::join_all(changes).await;
            assert_eq!(statuses, [200; 8]);
        }
        let info = admin.get("/model/info?litellm_model_id=m1").await;
        let info = info["data"][0]["model_info"].as_object().unwrap();
        let kept = info
            .keys()
            .filter(|name| name.starts_with("field_"))
            .count();
        assert_eq!(kept, 40, "{info:?}");
    }
}
