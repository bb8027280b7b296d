//! Any dialect in, any provider out: what goes over the sockets on both sides.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Http1, Request, Script, ScriptedUpstream, TestGateway, anthropic, config::Yaml, openai,
    sse,
};

const TO_ANTHROPIC: &str = ", kind: anthropic";

fn post(path: &str, body: &Value) -> Request {
    Request::post(path, body.to_string()).bearer("test-key")
}

async fn gateway(upstream: &ScriptedUpstream, more: &str) -> TestGateway {
    let yaml = Yaml::new().provider_with("one", &upstream.base_url(), more);
    TestGateway::with(&yaml).await
}

fn sent(upstream: &ScriptedUpstream) -> Value {
    serde_json::from_slice(&upstream.last().body).unwrap()
}

fn text_of(answer: &Answer) -> String {
    let choice = &answer.json()["choices"][0];
    choice["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_openai_caller_is_served_by_anthropic() {
    let upstream = ScriptedUpstream::start([Script::json(200, anthropic::message("hi"))]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let body = json!({"model": "m", "seed": 7, "messages": [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]});
    let request = post("/v1/chat/completions", &body).header("openai-organization", "org");
    let answer = gateway.call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(text_of(&answer), "hi");
    // Cached tokens are part of the prompt, and counted once.
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 7);
    assert_eq!(answer.header("x-gateway-dropped"), Some("seed"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let exchange = upstream.last();
    assert_eq!(exchange.target, "/v1/messages");
    assert_eq!(exchange.header("x-api-key"), Some("provider-secret-one"));
    assert_eq!(exchange.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(exchange.header("authorization"), None);
    assert_eq!(exchange.header("openai-organization"), None);
    let sent = sent(&upstream);
    assert!(
        sent["max_tokens"].is_u64() && sent.get("seed").is_none(),
        "{sent}"
    );
    assert!(sent["system"].to_string().contains("be brief"), "{sent}");
    let log = gateway.request_log(&answer).await;
    assert_eq!(log["usage"]["input"], 7, "{log}");
}

#[tokio::test]
async fn connections_on_both_sides_are_used_again_after_a_translated_answer() {
    let script = || Script::json(200, anthropic::message("hi"));
    let upstream = ScriptedUpstream::start([script(), script(), script()]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let mut client: Http1 = gateway.http1().await;
    for _ in 0..3 {
        let answer = client
            .call(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        assert_eq!(text_of(&answer), "hi");
    }
    assert_eq!(upstream.state().connections.len(), 1);
}

#[tokio::test]
async fn a_translated_answer_goes_over_http2_and_for_a_large_unsized_body_too() {
    let script = || Script::json(200, anthropic::message("hi"));
    let upstream = ScriptedUpstream::start([script(), script()]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let client = gateway.http2().await;
    let answer = client
        .call(&Request::chat(openai::chat("m")))
        .await
        .unwrap();
    assert_eq!((answer.status, text_of(&answer).as_str()), (200, "hi"));
    let large = Request::chat(openai::chat_of_size("m", 200_000)).chunked(9_000);
    let answer = gateway.call(large).await;
    assert_eq!((answer.status, text_of(&answer).as_str()), (200, "hi"));
}

#[tokio::test]
async fn each_event_is_translated_before_the_next_is_written() {
    let words: Vec<_> = (0..8)
        .map(|number| anthropic::delta(&format!("w{number} ")))
        .collect();
    let frames = [anthropic::start(), words, anthropic::end()].concat();
    let upstream =
        ScriptedUpstream::start([Script::frames(frames, Duration::from_millis(60))]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let mut client: Http1 = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.headers.get("content-type"), Some("text/event-stream"));
    let mut reader = sse::SseReader::default();
    let (events, ended) = sse::read_events(&mut client, &mut reader, usize::MAX).await;
    assert!(ended);
    assert!(
        events.last().unwrap().data.ends_with("[DONE]"),
        "{:?}",
        events.last()
    );
    let writes = upstream.last().writes;
    // The words stand in writes 2 to 9; each must be here before the next is written.
    for (number, write) in (0..8).zip(&writes[3..]) {
        let word = format!("w{number} ");
        let event = events
            .iter()
            .find(|event| event.data.contains(&word))
            .unwrap();
        assert!(event.at < *write, "{word} came late");
    }
}

#[tokio::test]
async fn an_anthropic_caller_is_passed_through_to_anthropic_untouched() {
    let upstream = ScriptedUpstream::start([Script::json(200, anthropic::message("hi"))]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let body =
        "{ \"model\": \"m\",\"max_tokens\":1.0, \"new_field\":{\"b\":1,\"a\":2}, \"messages\":[]}";
    let request = Request::post("/v1/messages?beta=true", body)
        .header("x-api-key", "test-key")
        .header("anthropic-version", "2099-01-01")
        .header("anthropic-beta", "new-thing");
    let answer = gateway.call(request).await;
    assert_eq!(answer.text(), anthropic::message("hi"));
    let exchange = upstream.last();
    assert_eq!(exchange.target, "/v1/messages?beta=true");
    assert_eq!(&exchange.body[..], body.as_bytes());
    assert_eq!(exchange.header("anthropic-version"), Some("2099-01-01"));
    assert_eq!(exchange.header("anthropic-beta"), Some("new-thing"));
    assert_eq!(exchange.header("x-api-key"), Some("provider-secret-one"));
    let log = gateway.request_log(&answer).await;
    assert_eq!(
        (&log["usage"]["input"], &log["usage"]["cached_input"]),
        (&json!(7), &json!(4))
    );
}

#[tokio::test]
async fn a_gemini_caller_names_model_and_stream_in_the_path() {
    let frames = [
        anthropic::start(),
        vec![anthropic::delta("hi")],
        anthropic::end(),
    ]
    .concat();
    let script = || Script::frames(frames.clone(), Duration::ZERO);
    let upstream = ScriptedUpstream::start([script(), script()]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let call = |path: &str| {
        let request = Request::post(path, body.to_string()).header("x-goog-api-key", "test-key");
        gateway.call(request)
    };
    let answer = call("/v1beta/models/m:streamGenerateContent?alt=sse").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Google ends its lines with CRLF.
    let events = sse::events(answer.text().replace('\r', "").as_bytes());
    assert_eq!(
        events[0].json()["candidates"][0]["content"]["parts"][0]["text"],
        "hi"
    );
    assert_eq!(sent(&upstream)["stream"], true);
    let answer = call("/v1/models/m:streamGenerateContent").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let list = answer.json();
    assert_eq!(
        list[0]["candidates"][0]["content"]["parts"][0]["text"], "hi",
        "{list}"
    );
}

#[tokio::test]
async fn a_bedrock_provider_gets_a_signed_request() {
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}});
    let upstream = ScriptedUpstream::start([Script::json(200, answer.to_string())]).await;
    let base_url = upstream.base_url().replace("/v1", "");
    let more = ", kind: bedrock, settings: {access_key_id: AKIDEXAMPLE, region: eu-west-1}";
    let yaml = Yaml::new().provider_with("one", &base_url, more);
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway
        .call(post(
            "/v1/messages",
            &anthropic::messages("one/amazon.nova-v1:0"),
        ))
        .await;
    assert_eq!(answer.json()["content"][0]["text"], "hi", "{answer:?}");
    let exchange = upstream.last();
    assert_eq!(exchange.target, "/model/amazon.nova-v1%3A0/converse");
    let authorization = exchange.header("authorization").unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/eu-west-1/bedrock/aws4_request"),
        "{authorization}"
    );
    assert!(exchange.header("x-amz-date").is_some());
}

#[tokio::test]
async fn azures_deployments_stand_in_the_path() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let base_url = upstream.base_url().replace("/v1", "");
    let more = ", kind: azure, settings: {api_version: 2030-01-01}";
    let gateway = TestGateway::with(&Yaml::new().provider_with("one", &base_url, more)).await;
    let answer = gateway
        .call(post("/v1/messages", &anthropic::messages("one/my gpt")))
        .await;
    assert_eq!(answer.json()["content"][0]["text"], "hi", "{answer:?}");
    let exchange = upstream.last();
    assert_eq!(
        exchange.target,
        "/openai/deployments/my%20gpt/chat/completions?api-version=2030-01-01"
    );
    assert_eq!(exchange.header("api-key"), Some("provider-secret-one"));
}

#[tokio::test]
async fn what_cannot_be_expressed_is_refused_where_that_is_configured() {
    let upstream = ScriptedUpstream::start([Script::json(200, anthropic::message("hi"))]).await;
    let yaml = Yaml::new()
        .provider_with("one", &upstream.base_url(), TO_ANTHROPIC)
        .and("unsupported_params: reject");
    let gateway = TestGateway::with(&yaml).await;
    let body = json!({"model": "m", "seed": 7, "messages": [{"role": "user", "content": "x"}]});
    let answer = gateway.call(post("/v1/chat/completions", &body)).await;
    assert_eq!(answer.status, 400);
    let error = answer.openai_error();
    assert_eq!(error["code"], "unsupported_parameter");
    assert!(
        error["message"].as_str().unwrap().contains("seed"),
        "{error}"
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn an_error_in_a_good_answer_goes_to_the_next_candidate() {
    let wrong = json!({"error": {"message": "upstream busy", "code": 502}}).to_string();
    let first = ScriptedUpstream::start([Script::json(200, wrong)]).await;
    let second = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let yaml = Yaml::new()
        .provider("one", &first.base_url())
        .provider("two", &second.base_url())
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway
        .call(post("/v1/messages", &anthropic::messages("m")))
        .await;
    assert_eq!(answer.json()["content"][0]["text"], "hi", "{answer:?}");
    assert_eq!(answer.header("x-provider"), Some("two"));
    assert_eq!(answer.header("x-gateway-attempts"), Some("2"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_502_in_the_callers_shape() {
    let upstream = ScriptedUpstream::start([Script::json(200, "<html>oops</html>")]).await;
    let gateway = gateway(&upstream, "").await;
    let answer = gateway
        .call(post("/v1/messages", &anthropic::messages("m")))
        .await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["source"], "one");
}

#[tokio::test]
async fn a_providers_error_event_becomes_the_callers() {
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let frames = [
        anthropic::start(),
        vec![anthropic::delta("hi"), anthropic::event(&error)],
    ]
    .concat();
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    let events = sse::events(&answer.body);
    assert!(
        events.iter().any(|event| event.data.contains("hi")),
        "{answer:?}"
    );
    let last = events.last().unwrap().json();
    assert_eq!(last["error"]["message"], "Overloaded", "{last}");
    assert_eq!(last["error"]["source"], "one");
}

/// A stream that comes in one piece with its head.
fn at_once(frames: &[bytes::Bytes]) -> Script {
    Script::Answer {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        body: frames.concat().into(),
    }
}

fn overloaded() -> bytes::Bytes {
    anthropic::event(
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    )
}

#[tokio::test]
async fn what_came_in_one_piece_with_an_error_is_said_before_it() {
    let frames = [
        anthropic::start(),
        vec![anthropic::delta("hi"), overloaded()],
    ]
    .concat();
    let upstream = ScriptedUpstream::start([at_once(&frames), at_once(&frames)]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let answers = [
        gateway.call(Request::chat(openai::streamed("m"))).await,
        // A child answers this one.
        gateway
            .http2()
            .await
            .call(&Request::chat(openai::streamed("m")))
            .await
            .unwrap(),
    ];
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.header("x-provider"), Some("one"));
        let events = sse::events(&answer.body);
        let said = events.iter().filter(|event| event.data.contains("hi"));
        assert_eq!(said.count(), 1, "{answer:?}");
        let last = events.last().unwrap().json();
        assert_eq!(last["error"]["message"], "Overloaded", "{last}");
        let log = gateway.request_log(&answer).await;
        assert_eq!(log["status"], 200, "{log}");
    }
}

#[tokio::test]
async fn an_error_before_anything_was_said_is_the_next_candidates_chance_or_a_whole_error() {
    let silent = [anthropic::start(), vec![overloaded()]].concat();
    let first = ScriptedUpstream::start([at_once(&silent)]).await;
    let whole = [
        anthropic::start(),
        vec![anthropic::delta("hi")],
        anthropic::end(),
    ]
    .concat();
    let second = ScriptedUpstream::start([at_once(&whole)]).await;
    let yaml = Yaml::new()
        .provider_with("one", &first.base_url(), TO_ANTHROPIC)
        .provider_with("two", &second.base_url(), TO_ANTHROPIC)
        .pooled();
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    assert_eq!(answer.header("x-provider"), Some("two"), "{answer:?}");
    assert!(answer.text().ends_with("[DONE]\n\n"), "{answer:?}");

    let upstream = ScriptedUpstream::start([at_once(&silent)]).await;
    let gateway = self::gateway(&upstream, TO_ANTHROPIC).await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.openai_error()["message"], "Overloaded");
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_the_callers_error_event() {
    let frames = [anthropic::start(), vec![anthropic::delta("hi")]].concat();
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    let last = sse::events(&answer.body).last().unwrap().json();
    assert_eq!(last["error"]["code"], "provider_answered_garbage", "{last}");
}

#[tokio::test]
async fn a_providers_error_has_the_callers_shape_and_its_retry_after() {
    let overloaded =
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}});
    let script = Script::json(429, overloaded.to_string()).with_header("retry-after", "17");
    let upstream = ScriptedUpstream::start([script]).await;
    let yaml = Yaml::new()
        .provider_with("one", &upstream.base_url(), TO_ANTHROPIC)
        .and("errors: {provider_rate_limit_status: 429}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("17"));
    let error = answer.openai_error();
    assert_eq!(
        (&error["message"], &error["type"]),
        (&json!("slow down"), &json!("rate_limit_error"))
    );
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_estimated() {
    let counted = json!({"totalTokens": 31}).to_string();
    let upstream = ScriptedUpstream::start([Script::json(200, counted)]).await;
    let yaml = Yaml::new()
        .provider_with("google", &upstream.base_url(), ", kind: gemini")
        .provider("openai", &upstream.base_url());
    let gateway = TestGateway::with(&yaml).await;
    let count = |model: &str| post("/v1/messages/count_tokens", &anthropic::messages(model));
    let answer = gateway.call(count("google/g")).await;
    assert_eq!(answer.json(), json!({"input_tokens": 31}), "{answer:?}");
    assert_eq!(upstream.last().target, "/v1/models/g:countTokens");
    let answer = gateway.call(count("openai/g")).await;
    assert!(
        answer.json()["input_tokens"].as_u64().unwrap() > 0,
        "{answer:?}"
    );
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn an_ollama_client_finds_models_and_answers() {
    let upstream = ScriptedUpstream::start([Script::json(200, anthropic::message("hi"))]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let tags = gateway
        .call(Request::get("/api/tags").bearer("test-key"))
        .await;
    assert_eq!(tags.json()["models"][0]["name"], "m");
    let body =
        json!({"model": "m", "stream": false, "messages": [{"role": "user", "content": "x"}]});
    let answer = gateway.call(post("/api/chat", &body)).await;
    assert_eq!(answer.json()["message"]["content"], "hi", "{answer:?}");
    assert_eq!(answer.json()["done"], true);
}

#[tokio::test]
async fn a_responses_caller_gets_a_responses_stream() {
    let frames = [
        anthropic::start(),
        vec![anthropic::delta("hi")],
        anthropic::end(),
    ]
    .concat();
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let body = json!({"model": "m", "input": "hello", "stream": true});
    let answer = gateway.call(post("/v1/responses", &body)).await;
    let events = sse::events(&answer.body);
    let last = events.last().unwrap().json();
    assert_eq!(last["type"], "response.completed", "{last}");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "hi");
    let refused = json!({"model": "m", "input": "and?", "previous_response_id": "resp_1"});
    let answer = gateway.call(post("/v1/responses", &refused)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.openai_error()["param"], "previous_response_id");
}

#[tokio::test]
async fn a_json_schema_is_emulated_by_a_tool_that_must_be_called() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}});
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "t1", "name": "it", "input": {"a": 1}}}]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}});
    let upstream = ScriptedUpstream::start([Script::json(200, answer.to_string())]).await;
    let base_url = upstream.base_url().replace("/v1", "");
    let yaml = Yaml::new().provider_with("one", &base_url, ", kind: bedrock");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway.call(post("/v1/chat/completions", &request)).await;
    let tool = sent(&upstream)["toolConfig"]["tools"][0]["toolSpec"]["name"].clone();
    assert!(tool.is_string(), "{}", sent(&upstream));
    if tool == "it" {
        assert_eq!(text_of(&answer), r#"{"a":1}"#, "{answer:?}");
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    } else {
        panic!("the tool is called {tool}");
    }
}

#[tokio::test]
async fn embeddings_come_in_base64_whoever_the_provider_is() {
    let vectors = json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2},
        "data": [{"object": "embedding", "index": 0, "embedding": [1.0, -1.0]}]});
    let upstream = ScriptedUpstream::start([Script::json(200, vectors.to_string())]).await;
    let gateway = gateway(&upstream, "").await;
    let body = json!({"model": "m", "input": "x", "encoding_format": "base64"});
    let answer = gateway.call(post("/v1/embeddings", &body)).await;
    assert_eq!(
        answer.json()["data"][0]["embedding"],
        "AACAPwAAgL8=",
        "{answer:?}"
    );
    assert_eq!(sent(&upstream).get("encoding_format"), None);
    let body = json!({"model": "m", "input": "x"});
    let answer = gateway.call(post("/v1/embeddings", &body)).await;
    assert_eq!(answer.text(), vectors.to_string());
}

#[tokio::test]
async fn a_route_that_a_provider_lacks_is_refused() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = gateway(&upstream, TO_ANTHROPIC).await;
    let body = json!({"model": "m", "input": "x"});
    let answer = gateway.call(post("/v1/embeddings", &body)).await;
    assert_eq!((answer.status, upstream.count()), (400, 0));
    assert_eq!(answer.openai_error()["code"], "route_not_supported");
}

#[tokio::test]
async fn a_client_that_tries_a_websocket_for_responses_is_sent_to_http() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = gateway(&upstream, "").await;
    let request = Request::get("/v1/responses")
        .bearer("test-key")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = gateway.call(request).await;
    assert_eq!(answer.status, 426, "{answer:?}");
    assert_eq!(answer.openai_error()["code"], "no_websocket");
}

#[tokio::test]
async fn what_a_compatible_provider_refuses_is_cut_from_a_request_that_passes() {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let gateway = gateway(&upstream, ", kind: mistral").await;
    let body = "{ \"model\":\"m\", \"user\":\"u\",  \"messages\":[], \"stream_options\":{\"include_usage\":true}}";
    let answer = gateway.call(Request::chat(body)).await;
    assert_eq!(text_of(&answer), "hi");
    assert_eq!(answer.header("x-gateway-dropped"), Some("user"));
    assert_eq!(
        &upstream.last().body[..],
        b"{ \"model\":\"m\", \"messages\":[]}"
    );
}

#[tokio::test]
async fn mistrals_calls_get_what_sdks_need_of_them() {
    let chunk = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "delta": {"content": "", "tool_calls": [
            {"id": "abcDEF123", "function": {"name": "f", "arguments": "{}"}}]}}]});
    let frames = [format!("data: {chunk}\n\n"), "data: [DONE]\n\n".to_owned()];
    let upstream = ScriptedUpstream::start([Script::frames(frames, Duration::ZERO)]).await;
    let gateway = gateway(&upstream, ", kind: mistral").await;
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    let events = sse::events(&answer.body);
    let call = events
        .iter()
        .filter(|event| event.data.starts_with('{'))
        .find_map(|event| {
            Some(event.json()["choices"][0]["delta"]["tool_calls"].as_array()?[0].clone())
        })
        .unwrap();
    assert_eq!(
        (&call["index"], &call["type"]),
        (&json!(0), &json!("function")),
        "{answer:?}"
    );
}

/// What Mistral says when it thinks.
fn thinking(text: &str) -> Value {
    json!([{"type": "thinking", "thinking": [{"type": "text", "text": text}]}])
}

#[tokio::test]
async fn mistrals_thoughts_reach_a_chat_caller_as_those_of_others_do() {
    let mut content = thinking("hm");
    content[0]["closed"] = json!(true);
    content.as_array_mut().unwrap().extend([
        json!({"type": "text", "text": "4"}),
        json!({"type": "reference", "reference_ids": [1]}),
    ]);
    let whole = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]});
    let chunk = |content: Value, finish: Value| {
        let chunk = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    let frames = [
        chunk(thinking("h"), Value::Null),
        chunk(thinking("m"), Value::Null),
        chunk(json!("4"), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let upstream = ScriptedUpstream::start([
        Script::json(200, whole.to_string()),
        // A request that has to be written anew is answered the same way.
        Script::json(200, whole.to_string()),
        Script::frames(frames, Duration::ZERO),
    ])
    .await;
    let gateway = gateway(&upstream, ", kind: mistral").await;
    for more in [json!({}), json!({"seed": 1})] {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "2+2"}]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = gateway.call(Request::chat(body.to_string())).await;
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!(message["content"], "4", "{answer:?}");
        assert_eq!(message["reasoning_content"], "hm", "{answer:?}");
    }
    let answer = gateway.call(Request::chat(openai::streamed("m"))).await;
    let events = sse::events(&answer.body);
    let chunks = events.iter().filter(|event| event.data.starts_with('{'));
    let deltas: Vec<Value> = chunks
        .map(|event| event.json()["choices"][0]["delta"].clone())
        .collect();
    let all = |name: &str| {
        let texts = deltas.iter().filter_map(|delta| delta.get(name));
        texts.map(|text| text.as_str().unwrap()).collect::<String>()
    };
    assert_eq!(
        (all("reasoning_content"), all("content")),
        ("hm".into(), "4".into()),
        "{deltas:?}"
    );
}

#[tokio::test]
async fn thoughts_go_back_to_a_strict_provider_as_it_takes_them_or_not_at_all() {
    let script = || Script::json(200, openai::completion("hi"));
    let upstream = ScriptedUpstream::start([script(), script(), script(), script()]).await;
    let yaml = Yaml::new()
        .provider_with("mistral", &upstream.base_url(), ", kind: mistral")
        .provider_with("groq", &upstream.base_url(), ", kind: groq");
    let gateway = TestGateway::with(&yaml).await;
    let thought = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "4"}]);
    for (model, expected, dropped) in [
        (
            "mistral/mistral-small-latest",
            json!({"role": "assistant", "content": thought}),
            None,
        ),
        (
            "mistral/codestral-latest",
            json!({"role": "assistant", "content": "4"}),
            Some("thinking"),
        ),
        (
            "groq/openai/gpt-oss-20b",
            json!({"role": "assistant", "content": "4", "reasoning": "hm"}),
            None,
        ),
        (
            "groq/llama-3.1-8b-instant",
            json!({"role": "assistant", "content": "4"}),
            Some("thinking"),
        ),
    ] {
        let body = json!({"model": model, "messages": [
            {"role": "user", "content": "2+2"},
            {"role": "assistant", "content": "4", "reasoning_content": "hm", "refusal": null},
            {"role": "user", "content": "and?"}]});
        let answer = gateway.call(Request::chat(body.to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(sent(&upstream)["messages"][1], expected, "{model}");
        assert_eq!(answer.header("x-gateway-dropped"), dropped, "{model}");
    }
}
