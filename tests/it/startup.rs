//! Starting: with nothing but the environment, as a demo, and with a configuration that is wrong.

use crate::support::{
    Builder, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    openai, sse,
};

#[tokio::test]
async fn the_demo_answers_plain_streamed_and_with_embeddings() {
    let gateway = Builder::demo().start().await;
    let post = |path: &str, body: bytes::Bytes| gateway.call(Request::post(path, body));
    let plain = post("/v1/chat/completions", openai::chat("demo")).await;
    assert_eq!(plain.status, 200, "{plain:?}");
    assert_eq!(plain.header("x-provider"), Some("demo"));
    let answer = plain.json();
    assert_eq!(answer["object"], "chat.completion");
    assert!(
        !answer["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0);

    let streamed = post("/v1/chat/completions", openai::streamed("demo")).await;
    assert!(
        streamed
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let events = sse::events(&streamed.body);
    assert!(events.len() > 3, "{}", streamed.text());
    assert_eq!(events.last().unwrap().data, "[DONE]");
    assert_eq!(events[0].json()["object"], "chat.completion.chunk");

    let body = r#"{"model":"demo","input":["a","b"]}"#;
    let embeddings = post("/v1/embeddings", body.into()).await;
    assert_eq!(embeddings.status, 200, "{embeddings:?}");
    assert_eq!(embeddings.json()["data"].as_array().unwrap().len(), 2);

    let models = gateway.call(Request::get("/v1/models")).await.json();
    let models = models["data"].as_array().unwrap().clone();
    assert!(
        models.iter().any(|model| model["id"] == "demo"),
        "{models:?}"
    );
}

#[tokio::test]
async fn the_environment_alone_makes_a_gateway() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let builder = Builder::without_config().free_ports();
    let gateway = builder
        .env("VLLM_BASE_URL", &upstream.base_url())
        .start()
        .await;
    assert!(
        gateway.logs().contains("vllm"),
        "it names its providers: {}",
        gateway.logs()
    );
    assert!(
        gateway.logs().contains(&gateway.url()),
        "{}",
        gateway.logs()
    );
    assert!(gateway.admin_url().starts_with("http://127.0.0.1:"));
    let request = Request::post("/v1/chat/completions", openai::chat("vllm/org/some-model"));
    assert_eq!(gateway.call(request).await.status, 200);
    assert_eq!(upstream.last().body, openai::chat("org/some-model"));
}

#[tokio::test]
async fn the_environment_overrides_the_file_and_fills_its_variables() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new()
        .provider("one", &upstream.base_url())
        .build()
        .replace("port: 0, admin_port: 0", "port: 1, admin_port: 1")
        .replace("provider-secret-one", "\"${ONE_KEY}\"");
    let builder = TestGateway::builder(&yaml)
        .free_ports()
        .env("ONE_KEY", "filled-in");
    let gateway = builder.start().await;
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    assert_eq!(
        upstream.last().header("authorization"),
        Some("Bearer filled-in")
    );
}

/// Starts with a wrong configuration; both `start` and `config check` have to say why.
async fn is_refused(yaml: &str, words: &[&str]) {
    let refused = TestGateway::builder(yaml)
        .try_start()
        .await
        .err()
        .expect("it does not start");
    assert!(!refused.status.expect("it ended").success());
    let checker = Builder::without_config();
    let file = checker.write("wrong.yaml", yaml);
    let checked = checker.run(&["config", "check", &file]).await;
    assert!(!checked.status.success(), "{}", checked.output);
    for output in [&refused.output, &checked.output] {
        for word in words {
            assert!(output.contains(word), "no `{word}` in:\n{output}");
        }
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let yaml = "listen:\n  port: 0\n  admin_prot: 0\n";
    is_refused(yaml, &["admin_prot", "admin_port", "3:3"]).await;
}

#[tokio::test]
async fn a_wrong_type_is_refused_with_its_place() {
    is_refused("listen:\n  port: many\n", &["port", "2:"]).await;
}

#[tokio::test]
async fn a_route_to_a_pool_that_is_not_there_is_refused() {
    let yaml = single("http://127.0.0.1:1/v1").and("pools: {both: [{provider: one}]}");
    let wrong_pool = yaml.and("routes: [{model: m, pool: boht}]").build();
    is_refused(&wrong_pool, &["boht", "both"]).await;
    let wrong_provider = single("http://127.0.0.1:1/v1").and("pools: {both: [{provider: oen}]}");
    is_refused(&wrong_provider.build(), &["oen", "one"]).await;
}

#[tokio::test]
async fn a_missing_variable_is_refused_with_file_line_and_key() {
    let yaml = "providers:\n  one:\n    base_url: http://127.0.0.1:1/v1\n    api_key: ${NOT_SET}\n";
    is_refused(yaml, &["NOT_SET", "4:", "api_key", ".yaml"]).await;
}

#[tokio::test]
async fn a_provider_without_a_base_url_is_refused() {
    is_refused(
        "providers:\n  unheard-of: {api_key: x}\n",
        &["unheard-of", "base_url"],
    )
    .await;
}

#[tokio::test]
async fn the_schema_describes_the_configuration() {
    let ran = Builder::without_config().run(&["config", "schema"]).await;
    assert!(ran.status.success(), "{}", ran.output);
    let schema = serde_json::from_str(&ran.output).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let yaml = single("http://127.0.0.1:1/v1").build();
    let config: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
    assert!(validator.is_valid(&config), "{config}");
    assert!(!validator.is_valid(&serde_json::json!({"no_such_section": {}})));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let builder = Builder::without_config()
        .arg("--demo")
        .env("GATEWAY_ADMIN_PORT", "0");
    let refused = builder
        .env("GATEWAY_PORT", &port)
        .try_start()
        .await
        .err()
        .expect("taken");
    assert!(!refused.status.expect("it ended").success());
    assert!(refused.output.contains(&port), "{}", refused.output);
}
