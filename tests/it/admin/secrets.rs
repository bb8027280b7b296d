//! Canaries: no secret that comes in by the admin interface goes out again, but for a key's text to whoever
//! makes it.

use serde_json::{Value, json};

use super::{Administrated, ENCRYPTION_KEY, MASTER, call, teams::body_of};
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
        no_change_answers_with(
            &admin,
            &secrets,
            &[&id, "c", "d", "p", "s", "openai", "one", "two"],
        )
        .await;
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

/// The routes that answer with a key's text: to whoever makes it, once.
const SHOWN_ONCE: [&str; 7] = [
    "/admin/keys",
    "/admin/keys/{key}/rotate",
    "/key/generate",
    "/key/service-account/generate",
    "/key/{key}/regenerate",
    "/key/regenerate",
    "/user/new",
];

/// Every route that changes something, asked by the master key for whatever there is: what ends something comes
/// last.
async fn no_change_answers_with(admin: &Administrated, secrets: &[&str], names: &[&str]) {
    let document = admin.document.clone();
    let mut changes: Vec<(&String, &String, &Value)> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap().iter();
        let operations =
            operations.filter(|(method, _)| !matches!(method.as_str(), "get" | "options"));
        changes.extend(operations.map(|(method, operation)| (path, method, operation)));
    }
    let ends = |path: &str| {
        ["delete", "revoke", "rotate", "regenerate"]
            .iter()
            .any(|word| path.contains(word))
    };
    changes.sort_by_key(|(path, method, _)| (*method == "delete", ends(path)));
    let (mut count, mut shown) = (0, Vec::new());
    for (path, method, operation) in changes {
        for name in names {
            let parts = path
                .split('/')
                .map(|part| if part.starts_with('{') { name } else { part });
            let target = parts.collect::<Vec<_>>().join("/");
            let mut body = body_of(&document, operation, name);
            if let Some(members) = body.as_mut().and_then(Value::as_object_mut) {
                let properties = json!({"name": "made", "provider": "openai", "model_name": "made", "label": name,
                    "litellm_params": {"model": "openai/m"}, "metadata": {"a": 1}, "max_budget": 1});
                let known = schema(&document, operation)["properties"]
                    .as_object()
                    .unwrap();
                let properties = properties.as_object().unwrap().iter();
                let properties = properties.filter(|(field, _)| {
                    known.contains_key(*field) && !members.contains_key(*field)
                });
                let properties: Vec<_> = properties
                    .map(|(field, value)| (field.clone(), value.clone()))
                    .collect();
                // A key's text of somebody's choice is no name.
                if SHOWN_ONCE.contains(&path.as_str()) {
                    members.remove("key");
                }
                members.extend(properties);
            }
            let method = method.to_ascii_uppercase();
            let answer = admin.ask(MASTER, &method, &target, body.clone()).await;
            assert!(
                answer.status < 500,
                "{method} {target} {body:?}: {answer:?}"
            );
            let everything = answer.everything();
            for secret in secrets
                .iter()
                .copied()
                .chain(shown.iter().map(String::as_str))
            {
                assert!(
                    !everything.contains(secret),
                    "`{secret}` is in {method} {target} {body:?}: {everything}"
                );
            }
            let text = texts(&everything);
            assert!(
                text.is_none() || SHOWN_ONCE.contains(&path.as_str()),
                "a key's text is in {method} {target} {body:?}: {everything}"
            );
            shown.extend(text);
            count += 1;
        }
    }
    assert!(count > 400 && shown.len() > 10, "{count} {}", shown.len());
}

fn schema<'d>(document: &'d Value, operation: &'d Value) -> &'d Value {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => schema,
    }
}

/// A whole key's text among others; what is masked is none.
fn texts(everything: &str) -> Option<String> {
    let mut starts = everything.match_indices("gw_");
    starts.find_map(|(at, _)| {
        let text = everything[at..].get(..39)?;
        text[3..]
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric())
            .then(|| text.to_owned())
    })
}
