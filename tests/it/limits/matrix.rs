//! Every limit of every subject: what is over it is refused, by its name, and nobody else is.

use serde_json::Value;

use super::*;
use crate::support::Gate;

/// A limit in the configuration, how a refusal names it, and how metrics do.
const LIMITS: [(&str, &str, &str); 5] = [
    ("rpm: 1", "1 requests per minute", "rpm"),
    ("rpd: 1", "1 requests per day", "rpd"),
    ("tpm: 100", "100 tokens per minute", "tpm"),
    ("tpd: 100", "100 tokens per day", "tpd"),
    ("max_parallel_requests: 1", "1 requests at once", "parallel"),
];

/// A chat whose prompt and answer may be as long as the limits of tokens allow.
fn chat(model: &str, stream: bool) -> Bytes {
    Bytes::from(format!(
        r#"{{"model":"{model}","max_tokens":100,"stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#
    ))
}

/// Asks twice for what is limited to one; the first is under way meanwhile where that is what is limited.
async fn is_refused(gateway: &TestGateway, (key, model): (&str, &str), said: [&str; 2]) {
    let is_held = model.starts_with("slow") || model.ends_with("parallel/m");
    let request = |stream| Request::post("/v1/chat/completions", chat(model, stream)).bearer(key);
    let mut held = gateway.http1().await;
    if is_held {
        held.send(&request(true)).await.unwrap();
        assert_eq!(held.head().await.unwrap().status, 200, "{key} {model}");
    } else {
        let answer = gateway.call(request(false)).await;
        assert_eq!(answer.status, 200, "{key} {model}: {answer:?}");
    }
    let refused = gateway.call(request(is_held)).await;
    assert_eq!(refused.status, 429, "{key} {model}: {refused:?}");
    for part in said {
        assert!(
            refused.text().contains(part),
            "{key} {model}: {part} {refused:?}"
        );
    }
    assert!(
        refused.header("retry-after").is_some(),
        "{key} {model}: {refused:?}"
    );
}

/// `slow` begins its answers and never ends them.
async fn upstreams() -> [ScriptedUpstream; 2] {
    [
        ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await,
        ScriptedUpstream::start([gated(&Gate::closed())]).await,
    ]
}

#[tokio::test]
async fn every_limit_holds_for_keys_users_teams_models_and_providers() {
    let [quick, slow] = upstreams().await;
    let [mut users, mut teams, mut models] = [String::new(), String::new(), String::new()];
    let mut yaml = Yaml::default()
        .key("free", "free-key", "")
        .provider("one", &quick.base_url())
        .provider("slow", &slow.base_url());
    for (rule, _, name) in LIMITS {
        yaml = yaml
            .key(
                &format!("of-{name}"),
                &format!("key-{name}"),
                &format!(", limits: {{{rule}}}"),
            )
            .key(
                &format!("u-{name}"),
                &format!("user-{name}"),
                &format!(", user: u-{name}"),
            )
            .key(
                &format!("t-{name}"),
                &format!("team-{name}"),
                &format!(", team: t-{name}"),
            );
        users += &format!("u-{name}: {{{rule}}}, ");
        teams += &format!("t-{name}: {{{rule}}}, ");
        models += &format!("m-{name}: {{{rule}}}, ");
        let url = if name == "parallel" {
            slow.base_url()
        } else {
            quick.base_url()
        };
        yaml = yaml.provider_with(&format!("p-{name}"), &url, &format!(", limits: {{{rule}}}"));
    }
    let section =
        format!("rate_limiting: {{users: {{{users}}}, teams: {{{teams}}}, models: {{{models}}}}}");
    let gateway = TestGateway::with(&yaml.and(&section)).await;
    for (_, limit, name) in LIMITS {
        let at = if name == "parallel" { "slow" } else { "one" };
        let usual = format!("{at}/m");
        for (kind, key, model) in [
            ("key", format!("key-{name}"), usual.clone()),
            ("user", format!("user-{name}"), usual.clone()),
            ("team", format!("team-{name}"), usual.clone()),
            ("model", "free-key".to_owned(), format!("{at}/m-{name}")),
            ("provider", "free-key".to_owned(), format!("p-{name}/m")),
        ] {
            let whose = if kind == "key" {
                "this gateway key".to_owned()
            } else {
                format!("this {kind}")
            };
            is_refused(&gateway, (&key, &model), [&whose, limit]).await;
            let labels = [("subject", kind), ("limit", name)];
            let refused = gateway
                .metric("gateway_limit_refusals_total", &labels)
                .await;
            assert!((refused - 1.0).abs() < 0.5, "{kind} {name}: {refused}");
        }
        let free = Request::post("/v1/chat/completions", chat("one/m", false)).bearer("free-key");
        assert_eq!(gateway.call(free).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn every_limit_holds_for_everyone_together() {
    for (rule, limit, name) in LIMITS {
        let [quick, slow] = upstreams().await;
        let yaml = Yaml::new()
            .provider("one", &quick.base_url())
            .provider("slow", &slow.base_url())
            .and(&format!("rate_limiting: {{global: {{{rule}}}}}"));
        let gateway = TestGateway::with(&yaml).await;
        let model = if name == "parallel" {
            "slow/m"
        } else {
            "one/m"
        };
        is_refused(&gateway, ("test-key", model), ["the gateway", limit]).await;
    }
}

#[tokio::test]
async fn every_limit_holds_for_projects_and_for_virtual_keys() {
    let [quick, slow] = upstreams().await;
    let yaml = Yaml::new()
        .provider("one", &quick.base_url())
        .provider("slow", &slow.base_url());
    let data = tempfile::tempdir().unwrap();
    let builder = TestGateway::builder(&yaml.build())
        .env("ENABLE_MULTI_PROJECT", "1")
        .env("GATEWAY_DATA_DIR", &data.path().to_string_lossy());
    let gateway = builder.start().await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    for (flag, value, limit, model) in [
        ("--rate-limit", "1", "1 requests per minute", "one/m"),
        ("--day-limit", "1", "1 requests per day", "one/m"),
        ("--token-limit", "100", "100 tokens per minute", "one/m"),
        ("--parallel-limit", "1", "1 requests at once", "slow/m"),
    ] {
        let name = format!("project{flag}");
        let made = gateway
            .run(&["project", "create", &name, flag, value])
            .await;
        assert!(made.status.success(), "{}", made.output);
        for (args, whose) in [
            (["--project", &name, "--rate-limit", "100"], "this project"),
            ([flag, value, "--tags", "a"], "this gateway key"),
        ] {
            let all = [["key", "create", "--json"].as_slice(), &args].concat();
            let made = gateway.run(&all).await;
            assert!(made.status.success(), "{}", made.output);
            let made: Value = serde_json::from_str(&made.output).unwrap();
            let key = made["key"].as_str().unwrap();
            crate::support::eventually("the key is known", async || {
                gateway
                    .call(Request::get("/v1/models").bearer(key))
                    .await
                    .status
                    == 200
            })
            .await;
            is_refused(&gateway, (key, model), [whose, limit]).await;
        }
    }
}
