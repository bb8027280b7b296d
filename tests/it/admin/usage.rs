//! What requests came to, by our interface and by LiteLLM's.

use serde_json::{Value, json};

use super::{Administrated, MASTER};
use crate::support::{Request, Script};

fn completion(prompt: u64, completion: u64) -> String {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}})
    .to_string()
}

fn ask(key: &str, tag: &str) -> Request {
    let body = json!({"model": "gpt-4o", "user": "customer-7", "messages": [{"role": "user", "content": "hi"}]});
    Request::post("/v1/chat/completions", body.to_string())
        .bearer(key)
        .header("x-gateway-tags", tag)
}

/// Two keys of two teams, three good requests and a failed one.
pub async fn used(admin: &Administrated) -> [(String, Value); 2] {
    admin.upstream.follow([
        Script::json(200, completion(1000, 100)),
        Script::json(200, completion(1000, 100)),
        Script::json(200, completion(2000, 200)),
        Script::json(400, r#"{"error": {"message": "no"}}"#),
    ]);
    let red = admin
        .key(json!({"label": "of-red", "team_id": "red", "user_id": "rosa"}))
        .await;
    let blue = admin
        .key(json!({"label": "of-blue", "team_id": "blue"}))
        .await;
    for (key, tag) in [(&red.0, "a"), (&red.0, "b"), (&blue.0, "a"), (&blue.0, "a")] {
        admin.gateway.call(ask(key, tag)).await;
    }
    admin
        .gateway
        .wait_metric("gateway_usage_rows_settled_total", &[], |settled| {
            settled >= 4.0
        })
        .await;
    [red, blue]
}

#[tokio::test]
async fn usage_is_summed_up_and_the_log_is_paged() {
    for admin in Administrated::each().await {
        let [(red, red_key), _] = used(&admin).await;
        let usage = admin.get("/admin/usage?group_by=team").await;
        // At 2.5 and 10 USD for a million tokens.
        assert_eq!(
            (&usage["total"]["requests"], &usage["total"]["cost"]),
            (&json!(4), &json!("0.014"))
        );
        assert_eq!(usage["total"]["failures"], 1);
        let groups = usage["groups"].as_array().unwrap();
        assert_eq!(
            (groups.len(), &groups[0]["cost"], &groups[1]["cost"]),
            (2, &json!("0.007"), &json!("0.007"))
        );
        let by_key = admin
            .get("/admin/usage?group_by=day,key&provider=openai")
            .await;
        let labels: Vec<&Value> = by_key["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| &group["label"])
            .collect();
        assert!(
            labels.contains(&&json!("of-red")) && labels.contains(&&json!("of-blue")),
            "{by_key}"
        );
        assert!(
            by_key["groups"][0]["time"]
                .as_str()
                .unwrap()
                .ends_with("T00:00:00.000Z")
        );
        let tags = admin.get("/admin/usage?group_by=tag").await;
        assert_eq!(
            (&tags["groups"][0]["tag"], &tags["groups"][0]["requests"]),
            (&json!("a"), &json!(3))
        );
        for wrong in [
            "group_by=nonsense",
            "group_by=tag&team_id=red",
            "from=yesterday",
            "limit=0",
        ] {
            assert_eq!(
                admin
                    .ask(MASTER, "GET", &format!("/admin/usage?{wrong}"), None)
                    .await
                    .status,
                400,
                "{wrong}"
            );
        }
        let own = admin.ask(&red, "GET", "/admin/usage", None).await.json();
        assert_eq!(own["total"]["requests"], 2, "a key sees its own");
        let id = red_key["id"].as_str().unwrap();
        assert_eq!(
            admin
                .ask(&red, "GET", &format!("/admin/usage?key={id}"), None)
                .await
                .status,
            200
        );
        assert_eq!(
            admin
                .ask(&red, "GET", "/admin/usage?key=other", None)
                .await
                .status,
            403
        );

        let first = admin.get("/admin/requests?limit=3").await;
        assert_eq!(first["data"].as_array().unwrap().len(), 3);
        let next = first["next"].as_str().unwrap();
        let second = admin
            .get(&format!("/admin/requests?limit=3&after={next}"))
            .await;
        assert_eq!(
            (second["data"].as_array().unwrap().len(), &second["next"]),
            (1, &Value::Null)
        );
        let failed = admin.get("/admin/requests?failed=true").await;
        assert_eq!(
            (
                failed["data"].as_array().unwrap().len(),
                &failed["data"][0]["status"]
            ),
            (1, &json!(400))
        );
        let row = &second["data"][0];
        assert_eq!(
            (&row["team_id"], &row["end_user"], &row["input_tokens"]),
            (&json!("red"), &json!("customer-7"), &json!(1000))
        );
        let one = admin
            .get(&format!("/admin/requests/{}", row["id"].as_str().unwrap()))
            .await;
        assert_eq!(&one, row);
        let of_blue = first["data"][0]["id"].as_str().unwrap();
        let hidden = admin
            .ask(&red, "GET", &format!("/admin/requests/{of_blue}"), None)
            .await;
        assert_eq!(hidden.status, 404);
        let key = admin.get("/admin/keys/of-red").await;
        assert_eq!(
            (&key["spend"], &key["total_spend"]),
            (&json!("0.007"), &json!("0.007"))
        );
        assert!(key["last_used_at"].is_string());
    }
}

#[tokio::test]
async fn spending_by_litellms_routes() {
    for admin in Administrated::each().await {
        let [(red, red_key), _] = used(&admin).await;
        let token = red_key["hash"].as_str().unwrap();
        let keys = admin.get("/spend/keys").await;
        assert_eq!(keys[0]["spend"], 0.007);
        let tags = admin.get("/spend/tags").await;
        assert_eq!(
            tags[0],
            json!({"individual_request_tag": "a", "log_count": 3, "total_spend": 0.0105})
        );
        for target in ["/spend/models", "/global/spend/models?limit=5"] {
            assert_eq!(
                admin.get(target).await,
                json!([{"model": "gpt-4o", "total_spend": 0.014}]),
                "{target}"
            );
        }
        let rows = admin.get(&format!("/spend/logs?api_key={red}")).await;
        assert_eq!(
            (rows.as_array().unwrap().len(), &rows[0]["api_key"]),
            (2, &json!(token))
        );
        for field in [
            "request_id",
            "call_type",
            "spend",
            "total_tokens",
            "prompt_tokens",
            "completion_tokens",
            "startTime",
            "endTime",
            "request_duration_ms",
            "model",
            "model_group",
            "custom_llm_provider",
            "user",
            "metadata",
            "cache_hit",
            "request_tags",
            "team_id",
            "end_user",
            "messages",
            "response",
            "status",
        ] {
            assert!(rows[0].get(field).is_some(), "no `{field}` in {rows}");
        }
        let id = rows[0]["request_id"].as_str().unwrap();
        let one = admin.get(&format!("/spend/logs?request_id={id}")).await;
        assert_eq!(one.as_array().unwrap().len(), 1);
        let own = admin.ask(&red, "GET", "/spend/logs", None).await.json();
        assert_eq!(own.as_array().unwrap().len(), 2);

        let today = rows[0]["startTime"].as_str().unwrap()[..10].to_owned();
        let dates = format!("start_date={today}&end_date=2099-01-01");
        let days = admin.get(&format!("/spend/logs?{dates}")).await;
        assert_eq!(
            (&days[0]["startTime"], &days[0]["spend"]),
            (&json!(today), &json!(0.014))
        );
        assert_eq!(days[0][token], 0.007);
        assert_eq!(days[0]["users"]["rosa"], 0.007);
        assert_eq!(days[1]["spend"], 0);
        let unsummed = admin
            .get(&format!("/spend/logs?{dates}&summarize=false"))
            .await;
        assert_eq!(unsummed.as_array().unwrap().len(), 4);

        assert_eq!(admin.get("/global/spend").await["spend"], 0.014);
        assert_eq!(admin.get("/global/spend/logs").await[0]["spend"], 0.014);
        assert_eq!(
            admin
                .get(&format!("/global/spend/logs?api_key={token}"))
                .await[0]["spend"],
            0.007
        );
        let keys = admin.get("/global/spend/keys?limit=1").await;
        assert_eq!(
            (keys.as_array().unwrap().len(), &keys[0]["total_spend"]),
            (1, &json!(0.007))
        );
        let teams = admin.get("/global/spend/teams").await;
        assert_eq!(teams["teams"], json!(["blue", "red"]));
        let customers = admin.post("/global/spend/end_users", json!({})).await;
        assert_eq!(
            customers[0],
            json!({"end_user": "customer-7", "total_count": 4, "total_spend": 0.014})
        );
        assert_eq!(
            admin.get(&format!("/global/spend/provider?{dates}")).await,
            json!([{"provider": "openai", "spend": 0.014}])
        );
        assert_eq!(
            admin.get(&format!("/global/spend/tags?{dates}")).await["spend_per_tag"][0]["name"],
            "a"
        );
        assert_eq!(
            admin.get("/global/spend/all_tag_names").await["tag_names"],
            json!(["a", "b"])
        );
        for by in ["team", "customer", "api_key"] {
            let report = admin
                .get(&format!("/global/spend/report?{dates}&group_by={by}"))
                .await;
            assert!(!report.as_array().unwrap().is_empty(), "{by}");
        }
        let activity = admin.get(&format!("/global/activity?{dates}")).await;
        assert_eq!(
            (&activity["sum_api_requests"], &activity["sum_total_tokens"]),
            (&json!(4), &json!(4400))
        );
        let models = admin.get(&format!("/global/activity/model?{dates}")).await;
        assert_eq!(
            (&models[0]["model"], &models[0]["sum_total_tokens"]),
            (&json!("gpt-4o"), &json!(4400))
        );
        for missing in [
            "/global/activity",
            "/global/spend/provider",
            "/global/spend/report",
        ] {
            assert_eq!(
                admin.ask(MASTER, "GET", missing, None).await.status,
                400,
                "{missing}"
            );
        }
        let answer = json!({"completion_response": {"model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}});
        assert_eq!(admin.post("/spend/calculate", answer).await["cost"], 0.0035);
        let prompt = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
        assert!(
            admin.post("/spend/calculate", prompt).await["cost"]
                .as_f64()
                .unwrap()
                > 0.0
        );
        let nobody = json!({"model": "nobody-knows-this", "messages": []});
        assert_eq!(
            admin
                .ask(MASTER, "POST", "/spend/calculate", Some(nobody))
                .await
                .status,
            400
        );

        admin
            .post("/key/update", json!({"key": red, "spend": 0.25}))
            .await;
        assert_eq!(
            admin.get(&format!("/key/info?key={red}")).await["info"]["spend"],
            0.25
        );
        let (writer, _) = admin.key(json!({"admin": "write"})).await;
        assert_eq!(
            admin
                .ask(&writer, "POST", "/global/spend/reset", None)
                .await
                .status,
            403
        );
        assert_eq!(
            admin.post("/global/spend/reset", json!({})).await["status"],
            "success"
        );
        let info = admin.get(&format!("/key/info?key={red}")).await;
        assert_eq!(info["info"]["spend"], 0.0);
        assert_eq!(
            admin.get("/global/spend").await["spend"],
            0.014,
            "the log stays"
        );
    }
}
