//! `gateway route test` says what a request then does.

use serde_json::{Value, json};

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, config::Yaml, eventually, openai, process::Ran,
};

struct Scene {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    gateway: TestGateway,
}

async fn scene() -> Scene {
    let one = ScriptedUpstream::start([Script::json(200, openai::completion("one"))]).await;
    let two = ScriptedUpstream::start([Script::json(200, openai::completion("two"))]).await;
    let yaml = Yaml::new()
        .key("blue-1", "blue-key", ", team: blue")
        .key("few", "few-key", ", models: [m, \"limit*\"]")
        .provider_with("one", &one.base_url(), ", kind: openai")
        .provider("two", &two.base_url())
        .and("pools:")
        .and("  first: {strategy: priority, targets: [{provider: one}, {provider: two}]}")
        .and("  second: {strategy: priority, targets: [{provider: one, priority: 1}, {provider: two, model: x}]}")
        .and("  dear: {strategy: priority, targets: [{provider: one, model: gpt-4}, {provider: two, model: cheap}]}")
        .and("  only-dear: [{provider: one, model: gpt-4}]")
        .and("routes:")
        .and("  - {name: by-key, model: \"r-*\", when: {keys: [\"blue-*\"]}, pool: second}")
        .and("  - {name: by-team, model: \"t-*\", when: {teams: [blue]}, pool: second}")
        .and("  - {name: by-header, model: \"*\", when: {headers: {x-env: \"prod*\"}}, pool: second}")
        .and("  - {name: by-tag, when: {tags: [batch, \"night-*\"]}, pool: second}")
        .and("  - {name: by-stream, model: s, when: {stream: true}, pool: second}")
        .and("  - {name: by-tools, when: {tools: true}, pool: second}")
        .and("  - {name: by-images, when: {images: true}, pool: second}")
        .and("  - {name: long, model: \"r-*\", when: {prompt_tokens: {min: 500}}, pool: second}")
        .and("  - {name: trial, model: trial, split: [{name: a, pool: first, weight: 50}, {name: b, pool: second, weight: 50}]}")
        .and("  - {name: limited, model: limited, pool: dear, max_cost_per_request: 0.01}")
        .and("  - {name: limit-all, model: limit-all, pool: only-dear, max_cost_per_request: 0.01}")
        .and("  - {name: rest, model: \"r-*\", pool: first}")
        .and("aliases: {nick: nickname, nickname: r-model, pooled: second}")
        .and("default_model: r-default");
    let gateway = TestGateway::with(&yaml).await;
    Scene { one, two, gateway }
}

/// A request for both: its body, and what is said besides.
struct Case {
    body: Value,
    key: (&'static str, &'static str),
    headers: Vec<(&'static str, &'static str)>,
}

const APP: (&str, &str) = ("app", "test-key");

fn case(body: Value) -> Case {
    Case {
        body,
        key: APP,
        headers: Vec::new(),
    }
}

fn plain(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

fn with(model: &str, name: &str, value: Value) -> Value {
    let mut body = plain(model);
    body[name] = value;
    body
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        plain("r-model"),
        plain("m"),
        plain("nick"),
        plain("pooled"),
        plain("two/anything"),
        plain("nowhere"),
        plain("two/"),
        json!({"messages": []}),
        with("r-model", "provider", "two".into()),
        with("s", "stream", true.into()),
        with("s", "stream", false.into()),
        with("r-model", "metadata", json!({"tags": ["night-7"]})),
        with(
            "r-model",
            "tools",
            json!([{"type": "function", "function": {"name": "f"}}]),
        ),
        with(
            "r-model",
            "messages",
            json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]),
        ),
        with("r-model", "padding", "lorem ipsum ".repeat(300).into()),
        plain("limited"),
        plain("limit-all"),
    ]
    .into_iter()
    .map(case)
    .collect();
    let users = ["ada", "grace", "alan", "edsger", "barbara", "donald"];
    cases.extend(users.map(|user| case(with("trial", "user", user.into()))));
    for (model, key, headers) in [
        ("r-model", ("blue-1", "blue-key"), vec![]),
        ("t-model", ("blue-1", "blue-key"), vec![]),
        ("t-model", APP, vec![]),
        ("r-model", APP, vec![("x-env", "production")]),
        ("r-model", APP, vec![("x-env", "dev")]),
        ("r-model", APP, vec![("x-gateway-tags", "day, batch")]),
        ("r-model", APP, vec![("x-gateway-provider", "two")]),
        ("m", ("few", "few-key"), vec![]),
        ("r-model", ("few", "few-key"), vec![]),
    ] {
        cases.push(Case {
            body: plain(model),
            key,
            headers,
        });
    }
    cases
}

/// The decision that the command prints.
fn decision(ran: &Ran) -> Value {
    let mut values = serde_json::Deserializer::from_str(&ran.output).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => value,
        other => panic!("no JSON ({other:?}): {}", ran.output),
    }
}

#[tokio::test]
async fn the_command_and_the_gateway_agree() {
    let scene = scene().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("body.json");
    let (file, config) = (file.to_string_lossy(), scene.gateway.config_path());
    let config = config.to_string_lossy();
    let mut seen = Vec::new();
    for case in cases() {
        let body = case.body.to_string();
        std::fs::write(&*file, &body).unwrap();
        let mut arguments = vec!["route", "test", "--output", "json", "--config", &config];
        arguments.extend(["--json", &file, "--key", case.key.0]);
        let lines: Vec<String> = case
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        arguments.extend(lines.iter().flat_map(|line| ["--header", line]));
        let ran = scene.gateway.run(&arguments).await;
        let said = decision(&ran);

        let mut request = Request::post("/v1/chat/completions", body.clone()).bearer(case.key.1);
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let answer = scene.gateway.call(request).await;
        for name in [
            "provider",
            "model",
            "gateway-route",
            "gateway-pool",
            "gateway-variant",
            "gateway-strategy",
        ] {
            let live = answer
                .header(&format!("x-{name}"))
                .map(Value::from)
                .unwrap_or_default();
            let key = name.trim_start_matches("gateway-");
            assert_eq!(
                said[key], live,
                "{key} of {body} {:?}: {said}\n{answer:?}",
                case.headers
            );
        }
        assert_eq!(
            ran.status.success(),
            answer.status == 200,
            "{body}: {}",
            ran.output
        );
        if answer.status != 200 {
            let error = answer.openai_error();
            assert_eq!(said["error"]["message"], error["message"], "{body}");
            assert_eq!(said["error"]["code"], error["code"], "{body}");
            assert_eq!(said["error"]["status"], answer.status, "{body}");
        }
        seen.push(said["variant"].clone());
        seen.push(said["route"].clone());
    }
    for name in [
        "by-key",
        "by-team",
        "by-header",
        "by-tag",
        "by-stream",
        "by-tools",
        "by-images",
        "long",
        "trial",
        "limited",
        "limit-all",
        "rest",
        "a",
        "b",
    ] {
        assert!(seen.contains(&name.into()), "no case took {name}");
    }
    assert!(scene.one.count() > 0 && scene.two.count() > 0);
}

#[tokio::test]
async fn flags_make_a_request_and_every_route_says_why_not() {
    let scene = scene().await;
    let config = scene.gateway.config_path();
    let config = config.to_string_lossy();
    let test = async |more: &[&str]| {
        let arguments = [&["route", "test", "--config", &config], more].concat();
        scene.gateway.run(&arguments).await
    };
    let ran = test(&[
        "--model",
        "nick",
        "--team",
        "green",
        "--tag",
        "day",
        "--json-output",
    ])
    .await;
    assert!(ran.status.success(), "{}", ran.output);
    let said = decision(&ran);
    assert_eq!(said["aliases"], json!(["nickname", "r-model"]));
    assert_eq!(said["request"]["tags"], json!(["day"]));
    let routes = said["routes"].as_array().unwrap();
    let why =
        |name: &str| routes.iter().find(|route| route["name"] == name).unwrap()["why_not"].clone();
    assert_eq!(why("by-key"), "it has no key, and `blue-*` is asked for");
    assert_eq!(why("by-team"), "the model `r-model` is not `t-*`");
    assert_eq!(why("by-header"), "there is no header `x-env`");
    assert_eq!(
        why("by-tag"),
        "none of its tags (day) is `batch` or `night-*`"
    );
    assert_eq!(why("by-tools"), "it offers no tools");
    assert_eq!(why("rest"), Value::Null);
    let dear = decision(&test(&["--model", "limited", "--json-output"]).await);
    let first = &dear["first"]["candidates"][0];
    assert_eq!(first["skipped"], "it costs too much", "{dear}");
    assert!(first["estimated_usd"].as_f64().unwrap() > 0.01, "{dear}");
    assert_eq!(dear["first"]["candidates"][1]["chosen"], true, "{dear}");

    let table = test(&["--model", "s", "--stream", "--key", "nobody"]).await;
    for line in [
        "no key `nobody`",
        "by-stream  yes",
        "→ two/x, route by-stream, pool second",
    ] {
        assert!(table.output.contains(line), "{line}: {}", table.output);
    }
    let lost = test(&["--model", "nowhere"]).await;
    assert_eq!(lost.status.code(), Some(1), "{}", lost.output);
    assert!(
        lost.output
            .contains("error: There is no model `nowhere` here."),
        "{}",
        lost.output
    );
    let wrong = test(&["--header", "no header"]).await;
    assert_eq!(wrong.status.code(), Some(2), "{}", wrong.output);
}

#[tokio::test]
async fn shares_are_said_where_chance_decides() {
    let yaml = Yaml::open()
        .provider("one", "http://127.0.0.1:9/v1")
        .provider("two", "http://127.0.0.1:9/v1")
        .and("pools: {drawn: [{provider: one, weight: 3}, {provider: two}, {provider: two, model: spare, weight: 0}]}");
    let gateway = TestGateway::with(&yaml).await;
    let config = gateway.config_path();
    let config = config.to_string_lossy();
    let ran = gateway
        .run(&[
            "route", "test", "-c", &config, "--model", "drawn", "--output", "json",
        ])
        .await;
    let said = decision(&ran);
    assert_eq!(said["first"]["choice"], "random", "{said}");
    let shares: Vec<&Value> = (0..3)
        .map(|at| &said["first"]["candidates"][at]["share"])
        .collect();
    assert_eq!(shares, [&json!(0.75), &json!(0.25), &Value::Null]);
}

#[tokio::test]
async fn the_gateway_that_runs_knows_of_open_breakers() {
    let failing = ScriptedUpstream::start([Script::json(500, openai::error("down"))]).await;
    let good = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let yaml = Yaml::open()
        .provider("one", &failing.base_url())
        .provider("two", &good.base_url())
        .pooled()
        .and("routing: {retries: {max: 0}, breaker: {consecutive_failures: 1}}");
    let gateway = TestGateway::with(&yaml).await;
    let config = gateway.config_path();
    let config = config.to_string_lossy();
    let test = async |more: &[&str]| {
        let arguments = [
            "route",
            "test",
            "-c",
            &config,
            "--model",
            "m",
            "--json-output",
        ];
        decision(&gateway.run(&[&arguments, more].concat()).await)
    };
    assert_eq!(test(&["--live"]).await["provider"], "one");
    gateway.call(Request::chat(openai::chat("m"))).await;
    eventually("the breaker is open", async || {
        test(&["--live"]).await["provider"] == "two"
    })
    .await;
    let live = test(&["--live"]).await;
    let first = &live["first"]["candidates"][0];
    assert_eq!(first["breaker"], "open", "{live}");
    assert_eq!(first["skipped"], "its breaker is open", "{live}");
    assert_eq!(test(&[]).await["provider"], "one");
}
