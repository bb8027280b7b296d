//! Who may call, with what, and for which models.

use crate::support::{
    Builder, Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    openai,
};

async fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start([Script::json(200, "{}")]).await
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", openai::chat("m"))
}

#[tokio::test]
async fn every_way_to_send_a_key_is_understood() {
    let upstream = upstream().await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let with_query =
        |query: &str| Request::post(&format!("/v1/chat/completions?{query}"), openai::chat("m"));
    for request in [
        chat().header("authorization", "Bearer test-key"),
        chat().header("Authorization", "bearer   test-key"),
        chat().header("x-api-key", "test-key"),
        chat().header("api-key", "test-key"),
        chat().header("x-goog-api-key", "test-key"),
        with_query("key=test-key"),
        with_query("alt=sse&key=test%2Dkey"),
    ] {
        let answer = gateway.call(request.clone()).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        assert_eq!(
            gateway.http2().await.call(&request).await.unwrap().status,
            200,
            "{request:?}"
        );
        assert_eq!(gateway.request_log(&answer).await["key"], "app");
    }
    for exchange in upstream.exchanges() {
        assert!(
            !exchange.everything().contains("test-key"),
            "{}",
            exchange.everything()
        );
        assert!(
            !exchange.everything().contains("test%2Dkey"),
            "{}",
            exchange.everything()
        );
    }
}

#[tokio::test]
async fn missing_and_wrong_keys_are_401_and_reach_no_provider() {
    let upstream = upstream().await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    for request in [
        chat(),
        chat().bearer("wrong"),
        chat().bearer(""),
        chat().bearer("test-ke"),
        chat().bearer("test-key2"),
        chat().header("authorization", "Basic dGVzdC1rZXk6"),
        chat().header("x-api-key", "provider-secret-one"),
        Request::post("/v1/chat/completions?key=wrong", openai::chat("m")),
        Request::post("/v1/chat/completions", vec![b'x'; 200 << 10]).chunked(9_000),
    ] {
        let answer = gateway.call(request).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let error = answer.openai_error();
        assert_eq!(error["source"], "gateway");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn errors_of_authentication_have_the_callers_shape() {
    let upstream = upstream().await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let answer = gateway
        .call(Request::post("/v1/messages", openai::chat("m")))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn a_key_may_use_only_its_models() {
    let upstream = upstream().await;
    let yaml = single(&upstream.base_url())
        .key(
            "narrow",
            "narrow-key",
            ", models: [\"fast*\"], team: red, user: rosa",
        )
        .and("aliases: {faster: one/m}\ndefault_model: m");
    let gateway = TestGateway::with(&yaml).await;
    let ask = |body: bytes::Bytes| {
        gateway.call(Request::post("/v1/chat/completions", body).bearer("narrow-key"))
    };
    let answer = ask(openai::chat("faster")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = gateway.request_log(&answer).await;
    assert_eq!(
        (&record["key"], &record["team"]),
        (&"narrow".into(), &"red".into()),
        "{record}"
    );
    for body in [
        openai::chat("m"),
        openai::chat("one/m"),
        r#"{"messages":[]}"#.into(),
    ] {
        let answer = ask(body.clone()).await;
        assert_eq!(answer.status, 403, "{body:?}: {answer:?}");
        assert_eq!(answer.openai_error()["source"], "gateway");
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn loopback_without_a_key_is_open_and_says_so() {
    let upstream = upstream().await;
    let gateway = TestGateway::with(&Yaml::open().provider("one", &upstream.base_url())).await;
    assert_eq!(gateway.call(chat()).await.status, 200);
    assert_eq!(gateway.call(chat().bearer("whatever")).await.status, 200);
    assert!(
        !upstream.last().everything().contains("whatever"),
        "not even then"
    );
    assert!(
        gateway.logs().contains("GATEWAY_API_KEY"),
        "{}",
        gateway.logs()
    );
}

#[tokio::test]
async fn another_address_without_a_key_refuses_to_start() {
    let yaml = Yaml::open()
        .provider("one", "http://127.0.0.1:1/v1")
        .build();
    let builder = TestGateway::builder(&yaml).env("GATEWAY_BIND", "0.0.0.0");
    let refused = builder.try_start().await.err().expect("it refuses");
    assert!(!refused.status.expect("it ended").success());
    assert!(
        refused.output.contains("GATEWAY_API_KEY"),
        "{}",
        refused.output
    );
}

#[tokio::test]
async fn a_key_from_the_environment_closes_the_gateway() {
    let upstream = upstream().await;
    let yaml = Yaml::open().provider("one", &upstream.base_url()).build();
    let builder = TestGateway::builder(&yaml).env("GATEWAY_API_KEY", "from-env");
    let gateway = builder.start().await;
    assert_eq!(gateway.call(chat()).await.status, 401);
    assert_eq!(gateway.call(chat().bearer("from-env")).await.status, 200);
}

#[tokio::test]
async fn dev_mode_asks_for_no_key() {
    let upstream = upstream().await;
    let builder = TestGateway::builder(&single(&upstream.base_url()).build());
    let gateway = builder.env("GATEWAY_DEV", "1").start().await;
    assert_eq!(gateway.call(chat()).await.status, 200);
}

#[tokio::test]
async fn the_admin_port_is_not_reachable_through_the_proxy_port() {
    let gateway = Builder::demo().start().await;
    for path in ["/metrics", "/admin/metrics", "/admin/config"] {
        assert_eq!(gateway.call(Request::get(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_key_gets_no_model_that_it_may_not_use_by_naming_none() {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let limited = |models: &str| format!(", models: [{models}]");
    let yaml = Yaml::new()
        .key("small", "small-key", &limited("cheap"))
        .key("none", "none-key", &limited("\"other-*\""))
        .and(&format!(
            "providers:\n  one: {{base_url: \"{}\", models: [dear]}}\n  two: {{base_url: \"{}\", models: [cheap]}}",
            one.base_url(),
            two.base_url(),
        ));
    let gateway = TestGateway::builder(&yaml.build())
        .env("GATEWAY_PROVIDERS", "one,two")
        .start()
        .await;
    let ask = |key: &str| {
        let body = r#"{"messages": [{"role": "user", "content": "hello"}]}"#;
        gateway.call(Request::post("/v1/chat/completions", body).bearer(key))
    };
    for _ in 0..8 {
        let answer = ask("small-key").await;
        assert_eq!(answer.header("x-model"), Some("cheap"), "{answer:?}");
    }
    let answer = ask("none-key").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "model_not_permitted");
    assert_eq!((one.count(), two.count()), (0, 8));
    for _ in 0..30 {
        assert_eq!(ask("test-key").await.status, 200);
    }
    assert!(one.count() > 0, "others may");
    let ran = gateway
        .run(&[
            "route",
            "test",
            "--config",
            &gateway.config_path().to_string_lossy(),
            "--key",
            "none",
        ])
        .await;
    assert_eq!(ran.status.code(), Some(1), "{}", ran.output);
}
