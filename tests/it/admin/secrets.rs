//! Canaries: no secret that comes in by the admin interface goes out again, but for a key's text to whoever
//! makes it.

use serde_json::json;

use super::{Administrated, ENCRYPTION_KEY, MASTER, call};
use crate::support::Request;

const PROVIDER: &str = "sk-provider-canary-a1b2c3";
const HEADER: &str = "header-canary-a1b2c3";
const MODEL: &str = "sk-model-canary-a1b2c3";
const SHARED: &str = "sk-shared-canary-a1b2c3";
const PROJECT: &str = "project-header-canary-a1b2c3";

#[tokio::test]
async fn no_answer_and_no_log_holds_a_secret() {
    for admin in Administrated::each().await {
        let mut admin = admin;
        let (key, made) = admin.key(json!({"label": "one"})).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let rotated = admin
            .post("/admin/keys/one/rotate", json!({"grace": "1h"}))
            .await;
        let second = rotated["key"].as_str().unwrap().to_owned();
        let generated = admin
            .post("/key/generate", json!({"key_alias": "two"}))
            .await;
        let third = generated["key"].as_str().unwrap().to_owned();
        let sealed = json!({"id": "c", "provider": "openai", "api_key": PROVIDER, "headers": {"X-A": HEADER}});
        admin.post("/admin/credentials", sealed).await;
        let model = json!({"model_name": "x", "model_info": {"id": "d"}, "litellm_params": {"model": "openai/m", "api_key": MODEL}});
        admin.post("/model/new", model).await;
        let shared = json!({"credential_name": "s", "credential_info": {}, "credential_values": {"api_key": SHARED}});
        admin.post("/credentials", shared).await;
        let project = json!({"id": "p", "headers": {"openai": {"X-P": PROJECT}}});
        admin.post("/admin/projects", project).await;
        // What is wrong is not repeated either.
        for (target, body) in [
            (
                "/admin/credentials",
                json!({"provider": "openai", "api_key": {"nested": PROVIDER}}),
            ),
            (
                "/admin/credentials",
                json!({"provider": "openai", "api_key": PROVIDER, "headers": HEADER}),
            ),
            (
                "/admin/credentials",
                json!({"provider": "openai", "api_key": PROVIDER, "reserved": PROVIDER}),
            ),
            (
                "/admin/credentials",
                json!({"provider": "openai", "api_key": format!("{PROVIDER}\n{PROVIDER}")}),
            ),
            (
                "/model/new",
                json!({"model_name": "x", "litellm_params": MODEL}),
            ),
            (
                "/model/update",
                json!({"id": "d", "litellm_params": {"api_key": [MODEL]}}),
            ),
            ("/key/delete", json!({"keys": third})),
            ("/admin/keys", json!({"key": key, "limits": key})),
        ] {
            let answer = admin.ask(MASTER, "POST", target, Some(body.clone())).await;
            assert!(
                (400..500).contains(&answer.status),
                "{target} {body}: {answer:?}"
            );
            let everything = answer.everything();
            for secret in [PROVIDER, HEADER, MODEL, &key, &third] {
                assert!(!everything.contains(secret), "{target}: {everything}");
            }
        }
        let secrets = [
            MASTER,
            ENCRYPTION_KEY,
            PROVIDER,
            HEADER,
            MODEL,
            SHARED,
            PROJECT,
            &key,
            &second,
            &third,
        ];
        let document = admin.document.clone();
        let mut count = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for asker in [MASTER, &second, "wrong"] {
                if operations.get("get").is_none() {
                    continue;
                }
                for name in [id.as_str(), "c", "d", "p", "s", "openai", "one"] {
                    let target = path
                        .split('/')
                        .map(|part| if part.starts_with('{') { name } else { part });
                    let target = target.collect::<Vec<_>>().join("/");
                    // A few wrong keys are enough: the address would be barred.
                    if asker == "wrong" && count % 400 != 0 {
                        count += 1;
                        continue;
                    }
                    let answer = call(
                        admin.gateway.admin_address,
                        Request::get(&target).bearer(asker),
                    )
                    .await;
                    let everything = answer.everything();
                    for secret in secrets {
                        assert!(
                            !everything.contains(secret),
                            "`{secret}` is in {target}: {everything}"
                        );
                    }
                    count += 1;
                }
            }
        }
        assert!(count > 300, "{count}");
        let config = admin.gateway.config_path();
        let shown = admin
            .gateway
            .run(&["config", "show", &config.to_string_lossy()])
            .await;
        let metrics = admin.gateway.metrics().await;
        for (text, what) in [
            (admin.gateway.logs(), "the log"),
            (metrics, "the metrics"),
            (shown.output, "config show"),
        ] {
            for secret in secrets {
                assert!(!text.contains(secret), "`{secret}` is in {what}");
            }
        }
        drop(admin.postgres.take());
    }
}
