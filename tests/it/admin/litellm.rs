//! LiteLLM's documented calls, in their order, answered in LiteLLM's shapes.

use serde_json::{Value, json};

use super::{Administrated, MASTER};
use crate::support::{Request, Script, ScriptedUpstream, openai};

#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(*field).is_some(), "no `{field}` in {value}");
    }
}

#[tokio::test]
async fn a_keys_life_by_the_documented_calls() {
    for admin in Administrated::each().await {
        let made = admin
            .post("/key/generate", json!({
                "models": ["m", "gpt-*"], "duration": "20m", "key_alias": "mine", "max_budget": 10.5,
                "budget_duration": "30d", "tpm_limit": 1000, "rpm_limit": "60", "max_parallel_requests": 2,
                "metadata": {"user": "ishaan@berri.ai", "tags": ["red"]}, "aliases": {"fast": "m"},
                "model_max_budget": {"gpt-4o": {"budget_limit": 1, "time_period": "1d"}},
                "model_rpm_limit": {"gpt-4o": 5}, "guardrails": ["pii"], "permissions": {"get_spend_routes": true},
                "team_id": "core", "user_id": "rosa", "send_invite_email": false, "new_in_1_200": {"x": 1},
            }))
            .await;
        has(
            &made,
            &[
                "key",
                "key_name",
                "expires",
                "token_id",
                "token",
                "user_id",
                "team_id",
                "litellm_budget_table",
                "created_by",
                "updated_by",
                "created_at",
                "updated_at",
                "models",
                "max_budget",
                "metadata",
                "permissions",
            ],
        );
        assert_eq!(
            (&made["max_budget"], &made["rpm_limit"]),
            (&json!(10.5), &json!(60))
        );
        assert_eq!(made["guardrails"], json!(["pii"]), "kept as it came");
        let key = made["key"].as_str().unwrap();
        let token = made["token_id"].as_str().unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(admin.chat(key).await, 200);

        let own = admin.ask(key, "GET", "/key/info", None).await.json();
        let info = admin.get(&format!("/key/info?key={key}")).await;
        assert_eq!(
            (&info["key"], &info["info"]["key_alias"]),
            (&json!(key), &json!("mine"))
        );
        assert_eq!(info["info"]["created_at"], own["info"]["created_at"]);
        assert_eq!(
            info["info"]["metadata"],
            json!({"user": "ishaan@berri.ai", "tags": ["red"], "model_rpm_limit": {"gpt-4o": 5}})
        );
        assert_eq!(
            info["info"]["model_max_budget"],
            json!({"gpt-4o": {"budget_limit": 1.0, "time_period": "1d"}})
        );
        has(
            &info["info"],
            &[
                "token",
                "key_name",
                "spend",
                "expires",
                "models",
                "aliases",
                "config",
                "blocked",
                "tpm_limit",
                "budget_reset_at",
                "allowed_cache_controls",
                "allowed_routes",
                "model_spend",
                "budget_id",
                "last_active",
                "rotation_count",
                "auto_rotate",
                "rotation_interval",
                "project_id",
                "organization_id",
            ],
        );
        let by_hash = admin.get(&format!("/key/info?key={token}")).await;
        assert_eq!(by_hash["key"], token);

        let updated = admin
            .post("/key/update", json!({"key": key, "models": ["other"], "max_budget": "monthly".len(), "duration": null,
                "budget_duration": "monthly", "tpm_limit": null}))
            .await;
        assert_eq!(updated["key"], key);
        assert_eq!(
            (&updated["expires"], &updated["tpm_limit"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(
            (&updated["budget_duration"], &updated["rpm_limit"]),
            (&json!("1mo"), &json!(60))
        );
        assert_eq!(admin.chat(key).await, 403);
        admin
            .post("/key/update", json!({"key": token, "models": []}))
            .await;
        assert_eq!(admin.chat(key).await, 200);

        let blocked = admin.post("/key/block", json!({"key": key})).await;
        assert_eq!(blocked["blocked"], true);
        assert_eq!(admin.chat(key).await, 401);
        admin.post("/key/unblock", json!({"key": token})).await;
        assert_eq!(admin.chat(key).await, 200);

        let listed = admin
            .get("/key/list?page=1&size=10&team_id=core&user_id=")
            .await;
        assert_eq!(
            listed,
            json!({"keys": [token], "total_count": 1, "current_page": 1, "total_pages": 1})
        );
        let full = admin
            .get("/key/list?return_full_object=true&key_alias=mine&sort_by=spend&sort_order=asc")
            .await;
        assert_eq!(full["keys"][0]["token"], token);

        let again = admin
            .post(
                &format!("/key/{token}/regenerate"),
                json!({"grace_period": "1h", "max_budget": 3}),
            )
            .await;
        let new = again["key"].as_str().unwrap();
        assert_ne!(new, key);
        assert_eq!(again["max_budget"], 3.0);
        assert_eq!((admin.chat(key).await, admin.chat(new).await), (200, 200));
        let deleted = admin
            .post("/key/delete", json!({"keys": [new], "key_aliases": null}))
            .await;
        assert_eq!(deleted, json!({"deleted_keys": [new]}));
        assert_eq!((admin.chat(key).await, admin.chat(new).await), (401, 401));
        let gone = admin
            .ask(MASTER, "GET", &format!("/key/info?key={new}"), None)
            .await;
        assert_eq!(
            (gone.status, &gone.json()["error"]["code"]),
            (404, &json!("404"))
        );
        assert!(!gone.text().contains(new), "a key is not repeated");
    }
}

#[tokio::test]
async fn kinds_of_keys_are_understood() {
    for admin in Administrated::each().await {
        for (kind, chats, lists, writes) in [
            ("default", 200, 200, 403),
            ("llm_api", 200, 200, 403),
            ("management", 403, 200, 200),
            ("read_only", 403, 200, 403),
        ] {
            let made = admin.post("/key/generate", json!({"key_type": kind})).await;
            let key = made["key"].as_str().unwrap();
            assert_eq!(admin.chat(key).await, chats, "{kind}");
            assert_eq!(
                admin.ask(key, "GET", "/key/list", None).await.status,
                lists,
                "{kind}"
            );
            let write = admin
                .ask(key, "POST", "/key/generate", Some(json!({})))
                .await;
            assert_eq!(write.status, writes, "{kind}");
        }
        let service =
            json!({"team_id": "core", "metadata": {"service_account_id": "ci"}, "user_id": "rosa"});
        let made = admin.post("/key/service-account/generate", service).await;
        assert_eq!(
            (&made["team_id"], &made["user_id"]),
            (&json!("core"), &Value::Null)
        );
        let aliases = admin
            .post("/key/generate", json!({"key_alias": "by-alias"}))
            .await;
        admin
            .post(
                "/key/update",
                json!({"key_alias": "by-alias", "blocked": true}),
            )
            .await;
        assert_eq!(admin.chat(aliases["key"].as_str().unwrap()).await, 401);
        admin
            .post("/key/delete", json!({"key_aliases": ["by-alias"]}))
            .await;
        for wrong in [
            json!({}),
            json!({"keys": []}),
            json!({"keys": ["sk-nobody"]}),
        ] {
            let refused = admin.ask(MASTER, "POST", "/key/delete", Some(wrong)).await;
            assert!(matches!(refused.status, 400 | 404), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn teams_users_and_budgets_by_the_documented_calls() {
    for admin in Administrated::each().await {
        let team = admin
            .post("/team/new", json!({"team_alias": "core", "team_id": "t1", "max_budget": 100, "models": ["m"],
                "members_with_roles": [{"role": "admin", "user_id": "rosa"}, {"role": "user", "user_email": "k@example.com"}],
                "model_aliases": {"fast": "m"}, "metadata": {"a": 1}, "tpm_limit": 5}))
            .await;
        has(
            &team,
            &[
                "team_id",
                "spend",
                "budget_reset_at",
                "created_at",
                "updated_at",
                "litellm_model_table",
            ],
        );
        assert_eq!(team["members_with_roles"].as_array().unwrap().len(), 2);
        let added = admin
            .post("/team/member_add", json!({"team_id": "t1", "member": {"role": "user", "user_id": "sam"}, "max_budget_in_team": 7}))
            .await;
        has(&added, &["updated_users", "updated_team_memberships"]);
        admin
            .post(
                "/team/member_add",
                json!({"team_id": "t1", "member": [{"role": "user", "user_id": "ann"}]}),
            )
            .await;
        let changed = admin
            .post(
                "/team/member_update",
                json!({"team_id": "t1", "user_id": "sam", "role": "admin"}),
            )
            .await;
        assert_eq!(changed["max_budget_in_team"], 7.0);
        let key = admin.post("/key/generate", json!({"team_id": "t1"})).await;
        let text = key["key"].as_str().unwrap();
        let info = admin.get("/team/info?team_id=t1").await;
        assert_eq!(
            (&info["team_id"], &info["team_info"]["team_alias"]),
            (&json!("t1"), &json!("core"))
        );
        assert_eq!(info["keys"][0]["token"], key["token"]);
        assert_eq!(info["team_memberships"].as_array().unwrap().len(), 4);
        admin
            .post(
                "/team/member_delete",
                json!({"team_id": "t1", "user_id": "sam"}),
            )
            .await;
        let updated = admin
            .post(
                "/team/update",
                json!({"team_id": "t1", "team_alias": "kernel", "rpm_limit": 9}),
            )
            .await;
        assert_eq!(
            (&updated["team_id"], &updated["data"]["max_budget"]),
            (&json!("t1"), &json!(100.0))
        );
        let list = admin.get("/team/list?user_id=rosa").await;
        has(
            &list[0],
            &["team_id", "keys", "team_memberships", "members_with_roles"],
        );
        admin.post("/team/block", json!({"team_id": "t1"})).await;
        assert_eq!(admin.chat(text).await, 401);
        admin.post("/team/unblock", json!({"team_id": "t1"})).await;
        assert_eq!(admin.chat(text).await, 200);

        let user = admin
            .post(
                "/user/new",
                json!({"user_id": "u1", "user_email": "u@example.com", "user_role": "internal_user",
                "teams": ["t1"], "max_budget": 5, "key_alias": "u1-key", "duration": "1d"}),
            )
            .await;
        has(
            &user,
            &[
                "key",
                "user_id",
                "user_email",
                "user_role",
                "teams",
                "max_budget",
                "expires",
            ],
        );
        let text_of_user = user["key"].as_str().unwrap().to_owned();
        assert_eq!(admin.chat(&text_of_user).await, 200);
        let alone = admin
            .post(
                "/user/new",
                json!({"user_id": "u2", "auto_create_key": false}),
            )
            .await;
        assert!(alone.get("key").is_none(), "{alone}");
        let twice = json!({"user_id": "u3", "user_email": "u@example.com"});
        assert_eq!(
            admin
                .ask(MASTER, "POST", "/user/new", Some(twice))
                .await
                .status,
            409
        );
        let info = admin.get("/user/info?user_id=u1").await;
        has(&info, &["user_id", "user_info", "keys", "teams"]);
        assert_eq!(
            (&info["keys"][0]["key_alias"], &info["teams"][0]["team_id"]),
            (&json!("u1-key"), &json!("t1"))
        );
        let own = admin
            .ask(&text_of_user, "GET", "/user/info", None)
            .await
            .json();
        assert_eq!(own["user_id"], "u1");
        assert_eq!(
            admin
                .ask(&text_of_user, "GET", "/user/info?user_id=u2", None)
                .await
                .status,
            403
        );
        let updated = admin
            .post(
                "/user/update",
                json!({"user_id": "u1", "user_role": "proxy_admin"}),
            )
            .await;
        assert_eq!(updated["data"]["user_role"], "proxy_admin");
        let list = admin
            .get("/user/list?page=1&page_size=2&role=proxy_admin")
            .await;
        assert_eq!(
            (
                &list["total"],
                &list["users"][0]["user_id"],
                &list["users"][0]["key_count"]
            ),
            (&json!(1), &json!("u1"), &json!(1))
        );
        assert_eq!(admin.get("/v2/user/info?user_id=u1").await["user_id"], "u1");
        assert_eq!(
            admin
                .post("/user/delete", json!({"user_ids": ["u1", "u2"]}))
                .await,
            2
        );
        assert_eq!(admin.chat(&text_of_user).await, 401, "its keys go with it");

        let budget = admin.post("/budget/new", json!({"budget_id": "b1", "max_budget": 3.5, "budget_duration": "1d", "rpm_limit": 2})).await;
        has(
            &budget,
            &[
                "budget_id",
                "max_budget",
                "soft_budget",
                "budget_reset_at",
                "created_at",
                "created_by",
            ],
        );
        let shared = admin
            .post("/key/generate", json!({"budget_id": "b1"}))
            .await;
        assert_eq!(shared["budget_id"], "b1");
        assert_eq!(
            admin
                .post(
                    "/budget/update",
                    json!({"budget_id": "b1", "soft_budget": 1})
                )
                .await["max_budget"],
            3.5
        );
        assert_eq!(
            admin.post("/budget/info", json!({"budgets": ["b1"]})).await[0]["soft_budget"],
            1.0
        );
        assert_eq!(admin.get("/budget/list").await.as_array().unwrap().len(), 1);
        let named = admin
            .ask(MASTER, "POST", "/budget/delete", Some(json!({"id": "b1"})))
            .await;
        assert_eq!(named.status, 409, "{named:?}");
        admin
            .post("/key/delete", json!({"keys": [shared["key"]]}))
            .await;
        admin.post("/budget/delete", json!({"id": "b1"})).await;

        assert_eq!(
            admin
                .post("/team/delete", json!({"team_ids": ["t1"]}))
                .await["deleted_teams"],
            json!(["t1"])
        );
        assert_eq!(admin.chat(text).await, 401, "its keys go with it");
    }
}

#[tokio::test]
async fn models_by_the_documented_calls() {
    for admin in Administrated::each().await {
        let answer = Script::json(200, openai::completion("hi"));
        let other = ScriptedUpstream::start([answer]).await;
        let key = admin.post("/key/generate", json!({})).await["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let chat = async |model: &str| {
            let request = Request::post("/v1/chat/completions", openai::chat(model)).bearer(&key);
            admin.gateway.call(request).await.status
        };
        let made = admin
            .post("/model/new", json!({"model_name": "azure-gpt", "model_info": {"id": "m1", "team": "core"},
                "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-model-canary", "api_base": other.base_url(),
                    "rpm": 100, "input_cost_per_token": 0.00001, "aws_secret_access_key": "aws-canary"}}))
            .await;
        assert_eq!(made["model_id"], "m1");
        assert_eq!(chat("azure-gpt").await, 200);
        assert_eq!(
            other.last().header("authorization"),
            Some("Bearer sk-model-canary")
        );
        for target in [
            "/model/info",
            "/v1/model/info",
            "/v2/model/info",
            "/v1/model/info?litellm_model_id=m1",
        ] {
            let info = admin.get(target).await;
            let all = info["data"].as_array().unwrap();
            let one = all
                .iter()
                .find(|model| model["model_info"]["id"] == "m1")
                .unwrap();
            assert_eq!(
                (&one["model_name"], &one["litellm_params"]["model"]),
                (&json!("azure-gpt"), &json!("openai/gpt-4o"))
            );
            has(
                &one["model_info"],
                &[
                    "db_model",
                    "mode",
                    "input_cost_per_token",
                    "output_cost_per_token",
                    "max_tokens",
                    "team",
                ],
            );
            assert!(!info.to_string().contains("canary"), "{info}");
        }
        let groups = admin.get("/model_group/info").await;
        let group = groups["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|group| group["model_group"] == "azure-gpt")
            .unwrap();
        assert_eq!(group["providers"], json!(["openai"]));
        let seen = admin.ask(&key, "GET", "/model/info", None).await.json();
        assert!(!seen.to_string().contains("api_base"), "{seen}");
        let second = admin
            .post("/model/update", json!({"id": "m1", "litellm_params": {"api_key": "sk-second-canary"}, "model_info": {"team": null}}))
            .await;
        assert_eq!(second["litellm_params"]["rpm"], 100);
        assert_eq!(chat("azure-gpt").await, 200);
        assert_eq!(
            other.last().header("authorization"),
            Some("Bearer sk-second-canary")
        );
        let deleted = admin.post("/model/delete", json!({"id": "m1"})).await;
        assert!(deleted["message"].as_str().unwrap().contains("m1"));
        assert_eq!(chat("azure-gpt").await, 404);
        assert_eq!(
            admin.get("/admin/credentials").await["total"],
            0,
            "its key goes with it"
        );
        for wrong in [
            json!({"model_name": "x"}),
            json!({"litellm_params": {"model": "openai/m"}}),
            json!({"model_name": "x", "litellm_params": {"model": "nobody-knows-this"}}),
            json!({"model_name": "x", "litellm_params": {"model": "openai/m", "api_key": "os.environ/GATEWAY_MASTER_KEY"}}),
            json!({"model_name": "x", "litellm_params": {"model": "openai/m", "api_base": "http://a@b/"}}),
        ] {
            let refused = admin
                .ask(MASTER, "POST", "/model/new", Some(wrong.clone()))
                .await;
            assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
        }
        let named = json!({"credential_name": "shared", "credential_info": {"custom_llm_provider": "OpenAI", "description": "d"},
            "credential_values": {"api_key": "sk-shared-canary"}});
        admin.post("/credentials", named).await;
        let list = admin.get("/credentials").await;
        assert_eq!(list["credentials"][0]["credential_name"], "shared");
        assert!(!list.to_string().contains("sk-shared-canary"));
        assert_eq!(
            admin.get("/credentials/by_name/shared").await["credential_info"]["description"],
            "d"
        );
        admin.post("/model/new", json!({"model_name": "named", "litellm_params": {"model": "openai/m", "api_base": other.base_url(),
            "litellm_credential_name": "shared"}})).await;
        assert_eq!(chat("named").await, 200);
        assert_eq!(
            other.last().header("authorization"),
            Some("Bearer sk-shared-canary")
        );
        admin.ok("DELETE", "/credentials/shared", None).await;
    }
}

#[tokio::test]
async fn health_is_told_without_asking_anybody() {
    let admin = Administrated::start(None).await;
    let address = admin.gateway.admin_address;
    let public = super::call(address, Request::get("/health")).await.json();
    assert_eq!(public, json!({"status": "ok"}));
    let health = admin.get("/health").await;
    has(
        &health,
        &[
            "healthy_endpoints",
            "unhealthy_endpoints",
            "healthy_count",
            "unhealthy_count",
        ],
    );
    assert_eq!(admin.get("/health/liveliness").await, "I'm alive!");
    assert_eq!(admin.get("/health/readiness").await["db"], "connected");
    assert_eq!(
        admin.get("/health/services?service=store").await["status"],
        "success"
    );
    assert_eq!(
        admin
            .ask(MASTER, "GET", "/health/services?service=slack", None)
            .await
            .status,
        400
    );
    assert_eq!(admin.upstream.count(), 0);
    let models = admin.get("/models").await;
    assert_eq!(models["object"], "list");
}
