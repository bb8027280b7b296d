//! Bodies that no provider should see: a clear 4xx in the caller's shape, no call, no panic.

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway, assert_same_bytes,
    config::{Yaml, single},
    openai,
};

async fn bodies_are_refused(bodies: &[(&str, Vec<u8>)]) {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut client = gateway.http1().await;
    let h2c = gateway.http2().await;
    for (what, body) in bodies {
        let request = Request::chat(body.clone());
        let sized = client.call(&request).await.unwrap();
        let chunked = client.call(&request.clone().chunked(1_000)).await.unwrap();
        let over_h2c = h2c.call(&request).await.unwrap();
        for answer in [sized, chunked, over_h2c] {
            assert_eq!(
                (answer.status, answer.whole),
                (400, true),
                "{what}: {answer:?}"
            );
            assert_eq!(answer.openai_error()["source"], "gateway", "{what}");
        }
    }
    assert_eq!(upstream.count(), 0, "no provider was called");
    assert_eq!(
        gateway.call(Request::chat(openai::chat("m"))).await.status,
        200
    );
    gateway
        .wait_metric("gateway_requests_in_flight", &[], |count| count == 0.0)
        .await;
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    bodies_are_refused(&[
        ("empty", Vec::new()),
        ("white space", b" \r\n\t ".to_vec()),
        ("words", b"model=m&stream=true".to_vec()),
        ("cut short", br#"{"model":"m","messages":["#.to_vec()),
        (
            "something after it",
            br#"{"model":"m","messages":[]} x"#.to_vec(),
        ),
        (
            "two values",
            br#"{"model":"m","messages":[]}{"model":"m"}"#.to_vec(),
        ),
        ("single quotes", br"{'model':'m'}".to_vec()),
        ("a comma too many", br#"{"model":"m",}"#.to_vec()),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"model\":\"m\"}".to_vec(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn json_of_the_wrong_type_is_refused() {
    bodies_are_refused(&[
        ("an array", br#"[{"model":"m"}]"#.to_vec()),
        ("a string", br#""m""#.to_vec()),
        ("a number", b"42".to_vec()),
        ("null", b"null".to_vec()),
        ("a numeric model", br#"{"model":5,"messages":[]}"#.to_vec()),
        (
            "a model object",
            br#"{"model":{"name":"m"},"messages":[]}"#.to_vec(),
        ),
        (
            "a stream that is a word",
            br#"{"model":"m","stream":"yes","messages":[]}"#.to_vec(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn no_model_and_no_default_is_refused() {
    bodies_are_refused(&[
        ("no model", br#"{"messages":[]}"#.to_vec()),
        ("an empty model", br#"{"model":"","messages":[]}"#.to_vec()),
        (
            "a model only inside",
            br#"{"messages":[{"model":"m"}]}"#.to_vec(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn duplicate_top_level_keys_are_refused() {
    bodies_are_refused(&[
        (
            "model",
            br#"{"model":"m","messages":[],"model":"m"}"#.to_vec(),
        ),
        (
            "model, once escaped",
            br#"{"model":"m","messages":[],"mod\u0065l":"other"}"#.to_vec(),
        ),
        (
            "stream",
            br#"{"model":"m","stream":false,"messages":[],"stream":true}"#.to_vec(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn nesting_ten_thousand_deep_is_refused() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(10_000), close.repeat(10_000));
        format!(r#"{{"model":"m","messages":{open}1{close}}}"#).into_bytes()
    };
    bodies_are_refused(&[
        ("arrays", deep("[", "]")),
        ("objects", deep(r#"{"a":"#, "}")),
        (
            "arrays that never close",
            [br#"{"model":"m","messages":"#, &[b'['; 10_000][..]].concat(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn invalid_utf8_and_raw_control_bytes_are_refused() {
    bodies_are_refused(&[
        (
            "invalid UTF-8 in the prompt",
            b"{\"model\":\"m\",\"messages\":[\"\xff\xfe\"]}".to_vec(),
        ),
        (
            "a surrogate in UTF-8",
            b"{\"model\":\"m\",\"messages\":[\"\xed\xa0\x80\"]}".to_vec(),
        ),
        (
            "invalid UTF-8 in the model",
            b"{\"model\":\"m\xc3\",\"messages\":[]}".to_vec(),
        ),
        (
            "a NUL in a string",
            b"{\"model\":\"m\",\"messages\":[\"a\0b\"]}".to_vec(),
        ),
        (
            "a NUL after the end",
            b"{\"model\":\"m\",\"messages\":[]}\0".to_vec(),
        ),
        ("only NULs", vec![0; 100]),
    ])
    .await;
}

#[tokio::test]
async fn strange_but_valid_json_passes_byte_for_byte() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    for body in [
        r#"{"messages":["\u0000 escaped"],"model":"m"}"#,
        "\n{ \"model\" :\t\"m\" ,\"messages\" : [ ] }\n",
        r#"{"mod\u0065l":"\u006d","messages":[]}"#,
        r#"{"messages":[{"model":"x","model":"y"}],"model":"m","":null}"#,
        r#"{"model":"m","stream":null,"temperature":1e-7,"messages":[123456789012345678901234567890]}"#,
    ] {
        let answer = gateway.call(Request::chat(body)).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_same_bytes(&upstream.last().body, body.as_bytes(), body);
    }
}

#[tokio::test]
async fn an_unknown_model_is_404_and_names_the_nearest() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new()
        .provider("one", &upstream.base_url())
        .and("aliases: {sonnet-latest: one/m}");
    let gateway = TestGateway::with(&yaml).await;
    let answer = gateway
        .call(Request::chat(openai::chat("sonnet-lates")))
        .await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let error = answer.openai_error();
    assert_eq!(error["source"], "gateway");
    assert!(
        error["message"].as_str().unwrap().contains("sonnet-latest"),
        "{error}"
    );
    assert_eq!(upstream.count(), 0);
}
