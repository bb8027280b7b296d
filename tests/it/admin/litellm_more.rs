//! Routes of LiteLLM's that its dashboard and its Terraform provider use beside the documented ones.

use serde_json::{Value, json};

use super::{Administrated, MASTER, call};
use crate::support::{Request, Script};

#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(*field).is_some(), "no `{field}` in {value}");
    }
}

#[tokio::test]
async fn keys_are_shown_and_changed_several_at_once() {
    for admin in Administrated::each().await {
        let (one, first) = admin.key(json!({"label": "one", "user_id": "rosa"})).await;
        let (_, second) = admin.key(json!({"label": "two", "team_id": "red"})).await;
        let (red, _) = admin
            .key(json!({"label": "red", "team_id": "red", "admin": "team_write"}))
            .await;
        let named =
            json!({"keys": [first["hash"], second["id"], "sk-nobody"], "key_aliases": ["red"]});
        let shown = admin.post("/v2/key/info", named.clone()).await;
        assert_eq!(shown["key"].as_array().unwrap().len(), 3);
        let aliases = |shown: &Value| -> Vec<String> {
            let info = shown["info"].as_array().unwrap().iter();
            info.map(|row| row["key_alias"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(aliases(&shown), ["one", "two", "red"]);
        assert!(shown["info"][0].get("token").is_none());
        for (key, expected) in [(&red, vec!["two", "red"]), (&one, vec!["one"])] {
            let shown = admin
                .ask(key, "POST", "/v2/key/info", Some(named.clone()))
                .await;
            assert_eq!(aliases(&shown.json()), expected);
        }
        assert_eq!(
            admin
                .ask(MASTER, "POST", "/v2/key/info", Some(json!({})))
                .await
                .status,
            400
        );

        let changes = json!({"keys": [{"key": first["hash"], "max_budget": 5, "tags": ["a"]},
            {"key": second["hash"], "budget_duration": "30d"}, {"key": "sk-nobody", "max_budget": 1}, {"max_budget": 2}]});
        let done = admin.post("/key/bulk_update", changes.clone()).await;
        assert_eq!(done["total_requested"], 4);
        let good = done["successful_updates"].as_array().unwrap();
        assert_eq!(
            (
                good.len(),
                &good[0]["key"],
                &good[0]["key_info"]["max_budget"]
            ),
            (2, &first["hash"], &json!(5.0))
        );
        let bad = done["failed_updates"].as_array().unwrap();
        assert_eq!((bad.len(), &bad[0]["key"]), (2, &json!("sk-nobody")));
        has(&bad[0], &["key_info", "failed_reason"]);
        // A team's key changes its team's, and hears of another's what it hears of none.
        let done = admin
            .ask(&red, "POST", "/key/bulk_update", Some(changes))
            .await
            .json();
        assert_eq!(done["successful_updates"][0]["key"], second["hash"]);
        assert_eq!(done["failed_updates"][0]["key_info"], Value::Null);

        for (key, search, expected) in [
            (MASTER, "", json!(["one", "red", "two"])),
            (MASTER, "?search=O&size=1", json!(["one"])),
            (MASTER, "?team_id=red&page=2&size=1", json!(["two"])),
            (red.as_str(), "", json!(["red", "two"])),
            (one.as_str(), "", json!(["one"])),
        ] {
            let list = admin
                .ask(key, "GET", &format!("/key/aliases{search}"), None)
                .await
                .json();
            assert_eq!(list["aliases"], expected, "{search}");
            has(
                &list,
                &["total_count", "current_page", "total_pages", "size"],
            );
        }
        let health = admin.ask(&one, "POST", "/key/health", None).await;
        assert_eq!(
            health.json(),
            json!({"key": "healthy", "logging_callbacks": null})
        );
    }
}

#[tokio::test]
async fn what_a_key_has_spent_is_reset() {
    for admin in Administrated::each().await {
        let made = admin.post("/key/generate", json!({"key_alias": "spender", "spend": 5, "max_budget": 3, "budget_duration": "30d"})).await;
        let path = format!("/key/{}/reset_spend", made["token"].as_str().unwrap());
        for wrong in [
            json!({"reset_to": 6}),
            json!({"reset_to": 4}),
            json!({"reset_to": -1}),
            json!({}),
        ] {
            let refused = admin.ask(MASTER, "POST", &path, Some(wrong.clone())).await;
            assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
        }
        let reset = admin.post(&path, json!({"reset_to": 1.5})).await;
        assert_eq!(
            (
                &reset["key_hash"],
                &reset["spend"],
                &reset["previous_spend"],
                &reset["max_budget"]
            ),
            (&made["token"], &json!(1.5), &json!(5.0), &json!(3.0))
        );
        assert!(reset["budget_reset_at"].is_string(), "{reset}");
        let info = admin
            .get(&format!(
                "/key/info?key={}",
                made["token"].as_str().unwrap()
            ))
            .await;
        assert_eq!(info["info"]["spend"], 1.5);
    }
}

#[tokio::test]
async fn teams_get_members_models_and_permissions() {
    for admin in Administrated::each().await {
        admin
            .post("/team/new", json!({"team_id": "t1", "models": ["m"]}))
            .await;
        admin.post("/team/new", json!({"team_id": "t2"})).await;
        let many = json!({"team_id": "t1", "max_budget_in_team": 7, "members": [
            {"user_id": "rosa", "role": "admin"}, {"user_email": "k@example.com"}, {"role": "user"}, {"user_id": "sam", "role": "king"}]});
        let added = admin.post("/team/bulk_member_add", many).await;
        assert_eq!(
            (
                &added["total_requested"],
                &added["successful_additions"],
                &added["failed_additions"]
            ),
            (&json!(4), &json!(2), &json!(2))
        );
        has(
            &added["results"][0],
            &[
                "user_id",
                "user_email",
                "success",
                "error",
                "updated_user",
                "updated_team_membership",
            ],
        );
        assert_eq!(
            added["updated_team"]["members_with_roles"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let all = admin
            .post(
                "/team/bulk_member_add",
                json!({"team_id": "t2", "all_users": true}),
            )
            .await;
        assert_eq!(all["failed_additions"], 0, "{all}");
        assert_eq!(
            admin
                .ask(
                    MASTER,
                    "POST",
                    "/team/bulk_member_add",
                    Some(json!({"team_id": "t1"}))
                )
                .await
                .status,
            400
        );

        let models = async |target: &str, team: &str, models: Value| {
            let body = json!({"team_id": team, "models": models});
            admin.ask(MASTER, "POST", target, Some(body)).await
        };
        let added = models("/team/model/add", "t1", json!(["n", "m"]))
            .await
            .json();
        assert_eq!(added["models"], json!(["m", "n"]));
        let taken = models("/team/model/delete", "t1", json!(["m", "unknown"]))
            .await
            .json();
        assert_eq!(taken["models"], json!(["n"]));
        assert_eq!(
            models("/team/model/delete", "t1", json!(["n"]))
                .await
                .status,
            400,
            "none left is all"
        );
        let unlimited = models("/team/model/add", "t2", json!(["n"])).await.json();
        assert_eq!(unlimited["models"], json!(["all-proxy-models", "n"]));
        assert_eq!(
            models("/team/model/add", "nothing", json!(["n"]))
                .await
                .status,
            404
        );

        let usual = admin.get("/team/permissions_list?team_id=t1").await;
        assert_eq!(
            usual["team_member_permissions"],
            json!(["/key/info", "/key/health"])
        );
        has(&usual, &["team_id", "all_available_permissions"]);
        let said = json!({"team_id": "t1", "team_member_permissions": ["/key/generate"]});
        assert_eq!(
            admin.post("/team/permissions_update", said).await["team_id"],
            "t1"
        );
        let kept = admin.get("/team/permissions_list?team_id=t1").await;
        assert_eq!(kept["team_member_permissions"], json!(["/key/generate"]));
    }
}

#[tokio::test]
async fn users_are_changed_several_at_once_and_roles_are_told() {
    for admin in Administrated::each().await {
        for user in ["rosa", "sam"] {
            admin
                .post(
                    "/admin/users",
                    json!({"id": user, "email": format!("{user}@example.com")}),
                )
                .await;
        }
        let some = json!({"users": [{"user_id": "rosa", "max_budget": 9}, {"user_email": "sam@example.com", "user_role": "proxy_admin"},
            {"user_id": "nobody"}, {"max_budget": 1}]});
        let done = admin.post("/user/bulk_update", some).await;
        assert_eq!(
            (
                &done["total_requested"],
                &done["successful_updates"],
                &done["failed_updates"]
            ),
            (&json!(4), &json!(2), &json!(2))
        );
        assert_eq!(
            done["results"][1]["updated_user"]["user_role"],
            "proxy_admin"
        );
        assert_eq!(done["results"][2]["success"], false);
        has(
            &done["results"][2],
            &["user_id", "user_email", "error", "updated_user"],
        );
        let all = json!({"all_users": true, "user_updates": {"max_budget": 3}});
        assert_eq!(
            admin.post("/user/bulk_update", all).await["successful_updates"],
            2
        );
        assert_eq!(
            admin.get("/user/info?user_id=sam").await["user_info"]["max_budget"],
            3.0
        );
        for wrong in [
            json!({}),
            json!({"all_users": true}),
            json!({"all_users": true, "users": [{"user_id": "sam"}], "user_updates": {}}),
        ] {
            assert_eq!(
                admin
                    .ask(MASTER, "POST", "/user/bulk_update", Some(wrong))
                    .await
                    .status,
                400
            );
        }
        let roles = admin.get("/user/available_roles").await;
        has(&roles["proxy_admin"], &["description", "ui_label"]);
        let seats = admin.get("/user/available_users").await;
        assert_eq!(
            (&seats["total_users"], &seats["total_users_used"]),
            (&Value::Null, &json!(2))
        );
    }
}

#[tokio::test]
async fn models_are_patched_and_shown_by_name() {
    for admin in Administrated::each().await {
        let made = json!({"model_name": "x", "model_info": {"id": "m1"}, "litellm_params": {"model": "openai/m"}});
        admin.post("/model/new", made).await;
        let change = Some(json!({"litellm_params": {"rpm": 7}, "model_info": {"team": "core"}}));
        let patched = admin.ok("PATCH", "/model/m1/update", change).await;
        assert_eq!(
            (
                &patched["litellm_params"]["rpm"],
                &patched["model_info"]["team"]
            ),
            (&json!(7), &json!("core"))
        );
        assert_eq!(
            admin
                .ask(MASTER, "PATCH", "/model/nothing/update", Some(json!({})))
                .await
                .status,
            404
        );
        let slashed = json!({"model_name": "a/b c", "litellm_params": {"model": "openai/m"}});
        admin.post("/model/new", slashed).await;
        for (target, status) in [
            ("/models/x", 200),
            ("/v1/models/x", 200),
            ("/v1/models/a/b%20c", 200),
            ("/v1/models/a%2Fb%20c", 200),
            ("/v1/models/nothing", 404),
        ] {
            let answer = admin.ask(MASTER, "GET", target, None).await;
            assert_eq!(answer.status, status, "{target}: {answer:?}");
        }
        let (limited, _) = admin.key(json!({"models": ["m"]})).await;
        assert_eq!(
            admin
                .ask(&limited, "GET", "/v1/models/x", None)
                .await
                .status,
            404
        );
        assert_eq!(
            admin
                .ask(&limited, "GET", "/v1/models/m", None)
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn budgets_say_what_may_be_said_of_them() {
    let admin = Administrated::start(None).await;
    admin
        .post("/budget/new", json!({"budget_id": "b1", "max_budget": 2.5}))
        .await;
    let settings = admin.get("/budget/settings?budget_id=b1").await;
    let settings = settings.as_array().unwrap();
    let max = settings
        .iter()
        .find(|setting| setting["field_name"] == "max_budget")
        .unwrap();
    assert_eq!(
        (&max["field_value"], &max["field_type"]),
        (&json!(2.5), &json!("Float"))
    );
    has(
        max,
        &["field_description", "stored_in_db", "field_default_value"],
    );
    assert_eq!(
        admin
            .ask(MASTER, "GET", "/budget/settings?budget_id=b2", None)
            .await
            .status,
        404
    );
    assert_eq!(
        admin
            .ask(MASTER, "GET", "/budget/settings", None)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn how_requests_ended_is_told_by_day_and_by_route() {
    for admin in Administrated::each().await {
        let (key, _) = admin.key(json!({"label": "app"})).await;
        let (other, _) = admin.key(json!({"label": "other"})).await;
        for _ in 0..2 {
            assert_eq!(admin.chat(&key).await, 200);
        }
        let full = json!({"error": {"message": "overloaded", "type": "server_error"}});
        admin.upstream.follow([Script::json(500, full.to_string())]);
        for _ in 0..2 {
            assert!(admin.chat(&other).await >= 500);
        }
        admin
            .gateway
            .wait_metric("gateway_usage_rows_settled_total", &[], |settled| {
                settled >= 4.0
            })
            .await;
        let span = "start_date=2020-01-01&end_date=2099-01-01";
        let hits = admin
            .get(&format!("/global/activity/cache_hits?{span}"))
            .await;
        assert_eq!(hits["totals"]["api_requests"], 2, "{hits}");
        assert_eq!(
            (
                &hits["totals"]["failed_requests"],
                &hits["totals"]["cache_hits"]
            ),
            (&json!(2), &json!(0))
        );
        has(
            &hits["totals"],
            &["cached_completion_tokens", "cache_hit_ratio"],
        );
        has(
            &hits["groups"][0],
            &["call_type", "generated_completion_tokens"],
        );
        assert_eq!(
            hits["filter_options"]["key_aliases"],
            json!(["app", "other"])
        );
        let of_one = admin
            .get(&format!(
                "/global/activity/cache_hits?{span}&key_aliases=app"
            ))
            .await;
        assert_eq!(of_one["totals"]["api_requests"], 2);
        let exceptions = admin
            .get(&format!("/global/activity/exceptions?{span}&model_group=m"))
            .await;
        assert_eq!(
            exceptions["sum_num_rate_limit_exceptions"], 0,
            "{exceptions}"
        );
        assert_eq!(exceptions["daily_data"], json!([]));
        for wrong in [
            "/global/activity/exceptions?start_date=2026-01-01",
            "/global/activity/cache_hits",
        ] {
            assert_eq!(
                admin.ask(MASTER, "GET", wrong, None).await.status,
                400,
                "{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn checks_are_told_and_made_and_what_means_nothing_here_says_so() {
    let admin = Administrated::start(None).await;
    let (key, _) = admin.key(json!({})).await;
    assert_eq!(admin.chat(&key).await, 200);
    let latest = admin.get("/health/latest").await;
    assert_eq!(
        (
            &latest["total_models"],
            &latest["latest_health_checks"]["openai/m"]["status"]
        ),
        (&json!(1), &json!("healthy"))
    );
    let count = admin.upstream.count();
    let tried = admin
        .post(
            "/health/test_connection",
            json!({"litellm_params": {"model": "m"}, "mode": "chat"}),
        )
        .await;
    assert_eq!(
        (&tried["status"], &tried["result"]["provider"]),
        (&json!("success"), &json!("openai"))
    );
    assert_eq!(admin.upstream.count(), count + 1);
    assert_eq!(admin.upstream.last().target, "/v1/models");
    for (wrong, status) in [
        (json!({}), 400),
        (json!({"litellm_params": {"model": "nothing"}}), 404),
        (
            json!({"litellm_params": {"model": "m", "api_key": "sk-x"}}),
            400,
        ),
        (json!({"model_info": {"id": "nothing"}}), 404),
    ] {
        let refused = admin
            .ask(
                MASTER,
                "POST",
                "/health/test_connection",
                Some(wrong.clone()),
            )
            .await;
        assert_eq!(refused.status, status, "{wrong}: {refused:?}");
    }
    let address = admin.gateway.admin_address;
    assert_eq!(
        call(address, Request::get("/test")).await.json(),
        json!({"route": "/test"})
    );
    for target in [
        "/health/readiness",
        "/health/liveliness",
        "/health/liveness",
    ] {
        let answer = call(address, Request::new("OPTIONS", target)).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (200, Some("GET, OPTIONS"))
        );
    }
    let details = admin
        .ask(&key, "GET", "/health/readiness/details", None)
        .await
        .json();
    has(
        &details,
        &["status", "db", "litellm_version", "gateway_version"],
    );
    for target in [
        "/health/history",
        "/team/t1/callback",
        "/organization/list",
        "/active/callbacks",
        "/config/update",
    ] {
        let answer = admin.ask(MASTER, "GET", target, None).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (501, &json!("501")),
            "{target}"
        );
        assert_eq!(
            call(address, Request::get(target)).await.status,
            401,
            "{target}"
        );
    }
}
