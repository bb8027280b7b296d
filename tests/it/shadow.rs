//! Copies of requests go elsewhere; clients notice nothing, and what came back is kept.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, anthropic, assert_same_bytes, config::Yaml,
    eventually, openai,
};

/// `m` is served by `one`, and copied to `two`, where it is called `candidate`.
struct Scene {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    gateway: TestGateway,
}

/// `kind` of the target such as `, kind: anthropic`.
async fn scene(percent: u8, target: Script, kind: &str) -> Scene {
    scene_with(percent, ScriptedUpstream::start([target]).await, kind).await
}

async fn scene_with(percent: u8, two: ScriptedUpstream, kind: &str) -> Scene {
    scene_by(percent, two, kind, "{}\n").await
}

/// With these prices of the operator's own.
async fn scene_by(percent: u8, two: ScriptedUpstream, kind: &str, prices: &str) -> Scene {
    let one = ScriptedUpstream::start([good("primary")]).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .provider_with("two", &two.base_url(), kind)
        .and("pools: {main: [{provider: one}]}")
        .and(&format!(
            "routes:\n  - {{model: m, pool: main, shadow: {{to: two/candidate, percent: {percent}}}}}\n  \
             - {{model: always, pool: main, shadow: {{to: two/last}}}}"
        ))
        .and("routing: {retries: {max: 0}, breaker: {consecutive_failures: 2, cooldown_seconds: 60}}")
        .and("pricing: {file: prices.yaml}");
    let builder = TestGateway::builder(&yaml.build());
    builder.write("prices.yaml", prices);
    let gateway = builder.start().await;
    Scene { one, two, gateway }
}

fn good(text: &str) -> Script {
    Script::json(200, openai::completion(text))
}

impl Scene {
    async fn chat(&self, request: Request) {
        let answer = self.gateway.call(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.text(), openai::completion("primary"));
        assert_eq!(answer.header("x-provider"), Some("one"));
    }

    /// What the file holds once it has so many lines.
    async fn kept(&self, count: usize) -> Vec<Value> {
        let path = self.gateway.config_path();
        let path = path.parent().unwrap().join("data/shadow.jsonl");
        let mut lines = Vec::new();
        eventually("the file has the lines", async || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            lines = text.lines().map(str::to_owned).collect();
            lines.len() >= count
        })
        .await;
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        lines.iter().map(parse).collect()
    }

    async fn wait_outcome(&self, outcome: &str, count: f64) {
        let name = "gateway_shadow_requests_total";
        let labels = [("outcome", outcome)];
        self.gateway
            .wait_metric(name, &labels, |copies| copies >= count)
            .await;
    }

    /// The models of the copies, after one more request whose copy is the last.
    async fn models_copied(&self) -> Vec<String> {
        self.chat(Request::chat(openai::chat("always"))).await;
        let model = |body: &[u8]| {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["model"].as_str().unwrap().to_owned()
        };
        let is_last = |body: &[u8]| !body.is_empty() && model(body) == "last";
        let state = self
            .two
            .wait("the last copy", |state| {
                state
                    .exchanges
                    .iter()
                    .any(|it| it.read && is_last(&it.body))
            })
            .await;
        state.exchanges.iter().map(|it| model(&it.body)).collect()
    }
}

#[tokio::test]
async fn each_request_is_copied_once_under_the_targets_name() {
    let scene = scene(100, good("shadow"), "").await;
    let body = openai::chat("m");
    scene
        .chat(Request::chat(body.clone()).header("x-custom", "kept"))
        .await;
    let copies = scene.two.wait_for_requests(1).await;
    let expected = openai::with_model(&body, "m", "candidate");
    assert_same_bytes(&copies[0].body, &expected, "the copy");
    assert_eq!(copies[0].target, "/v1/chat/completions");
    let key = copies[0].header("authorization");
    assert_eq!(key, Some("Bearer provider-secret-two"));
    assert_eq!(copies[0].header("x-custom"), Some("kept"));

    let streamed = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hello"}]});
    scene.chat(Request::chat(streamed.to_string())).await;
    let copies = scene.two.wait_for_requests(2).await;
    let sent: Value = serde_json::from_slice(&copies[1].body).unwrap();
    let whole = json!({"stream": false, "model": "candidate",
        "messages": [{"role": "user", "content": "hello"}]});
    assert_eq!(sent, whole);

    // Longer than what Pingora keeps of a body, and of unknown length.
    let long = openai::chat_of_size("m", 100 << 10);
    let expected = openai::with_model(&long, "m", "candidate");
    scene.chat(Request::chat(long).chunked(9_001)).await;
    let copies = scene.two.wait_for_requests(3).await;
    assert_same_bytes(&copies[2].body, &expected, "the long copy");

    scene.wait_outcome("ok", 3.0).await;
    let seconds = "gateway_shadow_latency_seconds_count";
    let labels = [("provider", "two"), ("model", "candidate")];
    assert_eq!(scene.gateway.metric(seconds, &labels).await, 3.0);
    assert_eq!((scene.one.count(), scene.two.count()), (3, 3));
}

#[tokio::test]
async fn what_came_back_is_logged_and_kept_with_its_text() {
    let scene = scene(100, good("shadow"), "").await;
    let answer = scene.gateway.call(Request::chat(openai::chat("m"))).await;
    let id = answer.header("x-request-id").unwrap();
    let kept = scene.kept(1).await.remove(0);
    let log = scene.gateway.wait_events("shadow", 1).await.remove(0);
    for record in [&kept, &log] {
        assert_eq!(record["request"], id, "{record}");
        assert_eq!(record["provider"], "two", "{record}");
        assert_eq!(record["model"], "candidate", "{record}");
        assert_eq!(record["primary_provider"], "one", "{record}");
        assert_eq!(record["primary_model"], "m", "{record}");
        assert_eq!(record["outcome"], "ok", "{record}");
        assert_eq!(record["status"], 200, "{record}");
        assert_eq!(record["usage"]["output"], 2, "{record}");
        assert!(record["latency_ms"].is_u64(), "{record}");
    }
    assert_eq!(kept["text"], "shadow", "{kept}");
    assert!(log.get("text").is_none(), "{log}");
}

#[tokio::test]
async fn a_copy_is_written_in_the_targets_dialect() {
    let answer = Script::json(200, anthropic::message("in other words"));
    let scene = scene(100, answer, ", kind: anthropic").await;
    scene.chat(Request::chat(openai::streamed("m"))).await;
    let kept = scene.kept(1).await.remove(0);
    assert_eq!(kept["text"], "in other words", "{kept}");
    assert_eq!(kept["usage"]["cached_input"], 4, "{kept}");
    let copy = scene.two.last();
    assert_eq!(copy.target, "/v1/messages");
    let sent: Value = serde_json::from_slice(&copy.body).unwrap();
    assert_eq!(sent["model"], "candidate", "{sent}");
    assert_ne!(sent["stream"], true, "{sent}");
    assert_eq!(copy.header("x-api-key"), Some("provider-secret-two"));
    assert_eq!(copy.header("authorization"), None);
}

#[tokio::test]
async fn a_stream_that_is_asked_for_in_the_path_is_copied_as_a_whole_answer() {
    let answer = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "whole"}]},
        "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}});
    let answer = Script::json(200, answer.to_string());
    let scene = scene(100, answer, ", kind: gemini").await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let target = "/v1beta/models/m:streamGenerateContent?alt=sse";
    let request = Request::post(target, body.to_string()).bearer("test-key");
    let answer = scene.gateway.call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let kept = scene.kept(1).await.remove(0);
    assert_eq!(kept["text"], "whole", "{kept}");
    let copy = scene.two.last();
    assert_eq!(copy.target, "/v1/models/candidate:generateContent");
    assert_same_bytes(&copy.body, body.to_string().as_bytes(), "the copy");
}

#[tokio::test]
async fn a_copy_goes_over_the_targets_own_version_of_http() {
    let two = ScriptedUpstream::start_h2c([good("shadow")]).await;
    let scene = scene_with(100, two, ", http_version: http2").await;
    let body = openai::chat_of_size("m", 300 << 10);
    for count in 1..=3 {
        scene.chat(Request::chat(body.clone())).await;
        let record = scene.kept(count).await.remove(count - 1);
        assert_eq!(record["text"], "shadow", "{record}");
    }
    let copy = scene.two.last();
    assert_eq!(copy.protocol, "HTTP/2");
    let expected = openai::with_model(&body, "m", "candidate");
    assert_same_bytes(&copy.body, &expected, "the copy");
    assert_eq!(scene.two.state().connections.len(), 1, "it is kept");
}

#[tokio::test]
async fn none_is_sent_at_zero_per_cent() {
    let scene = scene(0, good("shadow"), "").await;
    for _ in 0..20 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    assert_eq!(scene.models_copied().await, ["last"]);
}

#[tokio::test]
async fn about_as_many_are_sent_as_were_asked_for() {
    let scene = scene(50, good("shadow"), "").await;
    for _ in 0..60 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    let copies = scene.models_copied().await.len() - 1;
    assert!((12..=48).contains(&copies), "{copies}");
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_copied() {
    let scene = scene(100, good("shadow"), "").await;
    let refused = [
        (400, Request::chat(r#"{"model":"m","messages":["#)),
        (400, Request::chat(r#"{"model":"m","stream":"yes"}"#)),
        (
            400,
            Request::chat(openai::chat("m")).header("x-gateway-timeout", "soon"),
        ),
        (404, Request::chat(openai::chat("unknown"))),
        (
            401,
            Request::post("/v1/chat/completions", openai::chat("m")).bearer("wrong"),
        ),
    ];
    for (status, request) in refused {
        let answer = scene.gateway.call(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(scene.models_copied().await, ["last"]);
}

/// The median time of so many requests, one after the other.
async fn median(scene: &Scene, count: usize) -> Duration {
    let mut client = scene.gateway.http1().await;
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let answer = client
            .call(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        times.push(began.elapsed());
        assert_eq!(answer.text(), openai::completion("primary"), "{answer:?}");
    }
    times.sort_unstable();
    times[count / 2]
}

#[tokio::test]
async fn a_target_that_stalls_or_fails_changes_neither_answers_nor_their_time() {
    let usual = median(&scene(0, good("shadow"), "").await, 21).await;
    for (script, outcome) in [
        (Script::Stall, None),
        (
            Script::json(500, openai::error("broken")),
            Some("http_error"),
        ),
        (Script::ResetBeforeHead, Some("reset")),
        (Script::Garbage, Some("garbage")),
        (Script::json(200, "no answer"), Some("garbage")),
    ] {
        let scene = scene(100, script, "").await;
        let copied = median(&scene, 21).await;
        assert!(
            copied < usual + Duration::from_millis(50),
            "{outcome:?}: {copied:?} instead of {usual:?}"
        );
        assert_eq!(scene.two.wait_for_requests(21).await.len(), 21);
        if let Some(outcome) = outcome {
            scene.wait_outcome(outcome, 21.0).await;
            let record = scene.kept(1).await.remove(0);
            assert!(record["error"].is_string(), "{record}");
        }
    }
}

#[tokio::test]
async fn a_target_that_stalls_holds_so_many_copies_and_no_more() {
    let scene = scene(100, Script::Stall, "").await;
    for _ in 0..40 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    scene.two.wait_for_requests(32).await;
    scene.wait_outcome("skipped", 8.0).await;
    assert_eq!(scene.two.count(), 32);
}

#[tokio::test]
async fn a_copy_counts_against_the_limits_of_its_provider_and_is_skipped_where_there_is_no_room() {
    let scene = scene(100, good("shadow"), ", limits: {rpm: 2}").await;
    for _ in 0..5 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    scene.wait_outcome("skipped", 3.0).await;
    scene.two.wait_for_requests(2).await;
    assert_eq!(scene.two.count(), 2);
    let direct = Request::chat(openai::chat("two/candidate"));
    assert_eq!(scene.gateway.call(direct).await.status, 429);
}

#[tokio::test]
async fn what_a_copy_costs_is_known_by_the_operators_own_prices() {
    let prices = "two:\n  models:\n    candidate: {input: 2, output: 8}\n";
    let two = ScriptedUpstream::start([good("shadow")]).await;
    // One costs 22 millionths: the third has no room.
    let limits = ", limits: {max_budget: 0.00003}";
    let scene = scene_by(100, two, limits, prices).await;
    for copies in 1..=2 {
        scene.chat(Request::chat(openai::chat("m"))).await;
        scene.wait_outcome("ok", f64::from(copies)).await;
    }
    scene.chat(Request::chat(openai::chat("m"))).await;
    scene.wait_outcome("skipped", 1.0).await;
    assert_eq!(scene.two.count(), 2);
}

#[tokio::test]
async fn copies_that_fail_leave_the_targets_breaker_alone() {
    let broken = Script::json(500, openai::error("broken"));
    let scene = scene(100, broken, "").await;
    for _ in 0..5 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    scene.wait_outcome("http_error", 5.0).await;
    scene.two.follow([good("shadow")]);
    let direct = Request::chat(openai::chat("two/candidate"));
    assert_eq!(scene.gateway.call(direct).await.status, 200);
}

#[tokio::test]
async fn a_target_whose_breaker_is_open_gets_no_copies() {
    let broken = Script::json(500, openai::error("broken"));
    let scene = scene(100, broken, "").await;
    for _ in 0..2 {
        let direct = Request::chat(openai::chat("two/candidate"));
        assert_eq!(scene.gateway.call(direct).await.status, 502);
    }
    for _ in 0..3 {
        scene.chat(Request::chat(openai::chat("m"))).await;
    }
    scene.wait_outcome("unavailable", 3.0).await;
    assert_eq!(scene.two.count(), 2);
}
