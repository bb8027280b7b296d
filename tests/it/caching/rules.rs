//! Which answers are kept, for whom, and for how long.

use serde_json::json;

use super::{ask, chat, frames, gateway, gateway_with, good, streamed, x_cache};
use crate::support::{
    Ending, Request, Script, ScriptedUpstream, TestGateway, config::Yaml, openai,
};

#[tokio::test]
async fn the_same_request_is_answered_from_the_cache() {
    let one = ScriptedUpstream::start([good("hi"), good("another")]).await;
    let gateway = gateway(&one).await;
    let first = gateway.call(chat(&ask("a"))).await;
    assert_eq!((first.status, x_cache(&first)), (200, "MISS"), "{first:?}");
    let second = gateway.call(chat(&ask("a"))).await;
    assert_eq!(
        (second.status, x_cache(&second)),
        (200, "HIT"),
        "{second:?}"
    );
    assert_eq!(second.body, first.body);
    assert_eq!(one.count(), 1);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-provider", "one"),
        ("x-model", "m"),
        ("x-gateway-attempts", "0"),
        ("age", "0"),
    ] {
        assert_eq!(second.header(name), Some(value), "{name}: {second:?}");
    }
    let ttl: u32 = second.header("x-cache-ttl").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&ttl), "{ttl}");
    assert_ne!(second.header("x-request-id"), first.header("x-request-id"));
    let line = gateway
        .wait_request(|record| record["cache"] == "hit")
        .await;
    assert_eq!(
        (&line["provider"], &line["attempts"]),
        (&json!("one"), &json!([]))
    );
    assert!(line.get("usage").is_none(), "a hit uses no tokens: {line}");
    gateway
        .wait_metric("gateway_cache_hits_total", &[("kind", "memory")], |count| {
            count == 1.0
        })
        .await;
    gateway
        .wait_metric("gateway_cache_saved_tokens_total", &[], |count| count > 0.0)
        .await;
}

#[tokio::test]
async fn layout_and_what_shapes_no_answer_do_not_count() {
    let one = ScriptedUpstream::start([good("hi")]).await;
    let gateway = gateway(&one).await;
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1}"#;
    assert_eq!(x_cache(&gateway.call(Request::chat(body)).await), "MISS");
    for same in [
        r#"{ "seed" : 1, "messages":[ {"role":"user", "content":"a"} ], "model":"m" }"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1,"user":"u","metadata":{"a":"b"}}"#,
        r#"{"model":"one/m","messages":[{"role":"user","content":"a"}],"seed":1,"temperature":0}"#,
    ] {
        // A temperature of 0 is said or not said: two keys, and both are kept.
        let answer = gateway.call(Request::chat(same)).await;
        let expected = if same.contains("temperature") {
            "MISS"
        } else {
            "HIT"
        };
        assert_eq!(x_cache(&answer), expected, "{same}");
    }
    for other in [
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":2}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a "}],"seed":1}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1,"tools":[]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1,"response_format":{"type":"json_object"}}"#,
    ] {
        let answer = gateway.call(Request::chat(other)).await;
        assert_eq!(x_cache(&answer), "MISS", "{other}");
    }
}

#[tokio::test]
async fn two_teams_never_see_each_others_answers() {
    let one = ScriptedUpstream::start([good("for a"), good("for b"), good("for c")]).await;
    let yaml = Yaml::new()
        .key("a1", "key-a1", ", team: a")
        .key("a2", "key-a2", ", team: a")
        .key("b1", "key-b1", ", team: b")
        .key("c1", "key-c1", "")
        .patient("one", &one.base_url())
        .and("cache: {enabled: true}");
    let gateway = TestGateway::with(&yaml).await;
    let mut seen = Vec::new();
    for key in ["key-a1", "key-a2", "key-b1", "key-c1", "key-b1"] {
        let request = Request::post("/v1/chat/completions", ask("x").to_string()).bearer(key);
        let answer = gateway.call(request).await;
        let said = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
        let said = said["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned();
        seen.push((key, x_cache(&answer).to_owned(), said));
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|(key, how, said)| (*key, how.as_str(), said.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("key-a1", "MISS", "for a"),
            ("key-a2", "HIT", "for a"),
            ("key-b1", "MISS", "for b"),
            ("key-c1", "MISS", "for c"),
            ("key-b1", "HIT", "for b"),
        ]
    );
}

#[tokio::test]
async fn chance_errors_and_cut_answers_are_not_kept() {
    let mut filtered =
        serde_json::from_str::<serde_json::Value>(&openai::completion("no")).unwrap();
    filtered["choices"][0]["finish_reason"] = json!("content_filter");
    for (what, script, body) in [
        (
            "an error",
            Script::json(500, openai::error("broken")),
            ask("x"),
        ),
        (
            "a refusal",
            Script::json(200, filtered.to_string()),
            ask("x"),
        ),
        (
            "no reason",
            Script::json(200, r#"{"choices":[{"message":{"content":"x"}}]}"#),
            ask("x"),
        ),
        (
            "a cut stream",
            Script::broken(frames(&["a"]).into_iter().take(1), Ending::Truncate),
            streamed("x"),
        ),
    ] {
        let one = ScriptedUpstream::start([script]).await;
        let gateway = gateway(&one).await;
        for count in 1..=2 {
            let answer = gateway.http1().await.call(&chat(&body)).await;
            let how = answer.as_ref().map_or("cut", x_cache).to_owned();
            assert!(matches!(how.as_str(), "MISS" | "cut"), "{what}: {how}");
            assert_eq!(one.count(), count, "{what}");
        }
    }
    let one = ScriptedUpstream::start([good("hi")]).await;
    let gateway = gateway(&one).await;
    for count in 1..=2 {
        let mut body = ask("x");
        body["temperature"] = json!(0.7);
        let answer = gateway.call(chat(&body)).await;
        assert_eq!((x_cache(&answer), one.count()), ("BYPASS", count));
    }
    gateway
        .wait_metric(
            "gateway_cache_bypass_total",
            &[("reason", "temperature")],
            |count| count == 2.0,
        )
        .await;
}

#[tokio::test]
async fn clients_say_what_they_want_of_the_cache() {
    let one = ScriptedUpstream::start([good("1"), good("2"), good("3"), good("4")]).await;
    let gateway = gateway(&one).await;
    let call = async |name: &'static str, value: &'static str| {
        let answer = gateway.call(chat(&ask("x")).header(name, value)).await;
        (answer.status, x_cache(&answer).to_owned(), one.count())
    };
    let only = call("x-gateway-cache", "only-if-cached").await;
    assert_eq!((only.0, only.2), (504, 0), "{only:?}");
    assert_eq!(
        call("x-gateway-cache", "no-store").await,
        (200, "BYPASS".into(), 1)
    );
    assert_eq!(
        call("x-gateway-cache-ttl", "100").await,
        (200, "MISS".into(), 2)
    );
    assert_eq!(
        call("x-gateway-cache", "only-if-cached").await,
        (200, "HIT".into(), 2)
    );
    assert_eq!(
        call("x-gateway-cache", "no-cache").await,
        (200, "MISS".into(), 3)
    );
    let refreshed = gateway.call(chat(&ask("x"))).await;
    assert_eq!(
        (x_cache(&refreshed), refreshed.text().contains("\"3\"")),
        ("HIT", true)
    );
    assert_eq!(call("x-gateway-cache", "nocache").await.0, 400);
    let mut chance = ask("x");
    chance["temperature"] = json!(1);
    let only = chat(&chance).header("x-gateway-cache", "only-if-cached");
    assert_eq!((gateway.call(only).await.status, one.count()), (504, 3));
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_was_meant_to_be() {
    let one = ScriptedUpstream::start([good("1")]).await;
    let gateway = gateway_with(&one, "ttl_seconds: 1").await;
    for expected in ["MISS", "HIT"] {
        assert_eq!(x_cache(&gateway.call(chat(&ask("x"))).await), expected);
    }
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(x_cache(&gateway.call(chat(&ask("x"))).await), "MISS");
}

#[tokio::test]
async fn a_fallbacks_answer_is_not_kept_as_that_of_the_model() {
    let one =
        ScriptedUpstream::start([Script::json(500, openai::error("broken")), good("one")]).await;
    let two = ScriptedUpstream::start([good("two")]).await;
    let yaml = Yaml::new().patient("one", &one.base_url()).and(&format!(
        "  two: {{base_url: \"{}\", api_key: key-two, models: [big]}}",
        two.base_url()
    ));
    let yaml = yaml.and("cache: {enabled: true}\nrouting: {retries: {max: 0}, breaker: {enabled: false}, fallbacks: {m: [two/big]}}");
    let gateway = TestGateway::with(&yaml).await;
    let first = gateway.call(chat(&ask("x"))).await;
    assert_eq!(
        (x_cache(&first), first.header("x-provider")),
        ("MISS", Some("two")),
        "{first:?}"
    );
    let second = gateway.call(chat(&ask("x"))).await;
    assert_eq!(
        (x_cache(&second), second.header("x-provider")),
        ("MISS", Some("one"))
    );
    let third = gateway.call(chat(&ask("x"))).await;
    assert_eq!(
        (x_cache(&third), third.header("x-provider")),
        ("HIT", Some("one"))
    );
}

#[tokio::test]
async fn a_cached_answer_needs_no_provider() {
    let one =
        ScriptedUpstream::start([good("hi"), Script::json(500, openai::error("broken"))]).await;
    let yaml = Yaml::new()
        .patient("one", &one.base_url())
        .and("cache: {enabled: true}\nrouting: {retries: {max: 0}, breaker: {consecutive_failures: 1, cooldown_seconds: 60}}");
    let gateway = TestGateway::with(&yaml).await;
    assert_eq!(gateway.call(chat(&ask("known"))).await.status, 200);
    assert_eq!(gateway.call(chat(&ask("unknown"))).await.status, 502);
    assert_eq!(gateway.call(chat(&ask("unknown"))).await.status, 503);
    let answer = gateway.call(chat(&ask("known"))).await;
    assert_eq!((answer.status, x_cache(&answer)), (200, "HIT"));
}

#[tokio::test]
async fn routes_and_keys_have_settings_of_their_own() {
    let one = ScriptedUpstream::start([good("hi")]).await;
    let yaml = Yaml::new()
        .key("fresh", "key-fresh", ", cache: {enabled: false}")
        .patient("one", &one.base_url())
        .and("pools: {all: [{provider: one}]}")
        .and("routes: [{model: m, pool: all, cache: {ttl_seconds: 50}}]")
        .and("cache: {enabled: true}");
    let gateway = TestGateway::with(&yaml).await;
    assert_eq!(x_cache(&gateway.call(chat(&ask("x"))).await), "MISS");
    let hit = gateway.call(chat(&ask("x"))).await;
    let ttl: u32 = hit.header("x-cache-ttl").unwrap().parse().unwrap();
    assert!((49..=50).contains(&ttl), "{ttl}");
    let fresh = Request::post("/v1/chat/completions", ask("x").to_string()).bearer("key-fresh");
    assert_eq!(x_cache(&gateway.call(fresh).await), "BYPASS");
}

#[tokio::test]
async fn embeddings_are_kept_too() {
    let vectors = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}});
    let one = ScriptedUpstream::start([Script::json(200, vectors.to_string())]).await;
    let gateway = gateway(&one).await;
    let request = || {
        let body = json!({"model": "m", "input": "x", "encoding_format": "float"});
        Request::post("/v1/embeddings", body.to_string()).bearer("test-key")
    };
    let first = gateway.call(request()).await;
    let second = gateway.call(request()).await;
    assert_eq!((x_cache(&first), x_cache(&second)), ("MISS", "HIT"));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn clients_over_http2_are_served_from_the_cache_as_well() {
    let one = ScriptedUpstream::start([good("hi")]).await;
    let gateway = gateway(&one).await;
    let client = gateway.http2().await;
    let first = client.call(&chat(&ask("x"))).await.unwrap();
    let second = client.call(&chat(&ask("x"))).await.unwrap();
    assert_eq!(
        (x_cache(&first), x_cache(&second)),
        ("MISS", "HIT"),
        "{second:?}"
    );
    assert_eq!((&first.body, one.count()), (&second.body, 1));
}
