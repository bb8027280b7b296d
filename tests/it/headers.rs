//! What of a request's and an answer's headers passes, and what the gateway adds.

use std::time::Duration;

use crate::support::{
    Request, Script, ScriptedUpstream, TestGateway,
    config::{Yaml, single},
    openai,
};

async fn scene() -> (ScriptedUpstream, TestGateway) {
    let answer = Script::json(200, openai::completion("hi"))
        .with_header("x-ratelimit-remaining-requests", "41")
        .with_header("openai-processing-ms", "7")
        .with_header("x-request-id", "the-provider's-own")
        .with_header("keep-alive", "timeout=5")
        .with_header("proxy-authenticate", "Basic");
    let upstream = ScriptedUpstream::start([answer]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    (upstream, gateway)
}

#[tokio::test]
async fn an_answer_says_who_served_it_and_how() {
    let (_upstream, gateway) = scene().await;
    let request = Request::chat(openai::chat("m"));
    let http1 = gateway.call(request.clone()).await;
    let h2c = gateway.http2().await.call(&request).await.unwrap();
    for answer in [http1, h2c] {
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.text(),
            openai::completion("hi"),
            "the body passes byte for byte"
        );
        let ids: Vec<&str> = answer.headers.all("x-request-id").collect();
        assert!(ids.len() == 1 && ids[0].starts_with("req_"), "{ids:?}");
        for (name, value) in [
            ("x-gateway", "ai-gateway"),
            ("x-provider", "one"),
            ("x-model", "m"),
            ("x-cache", "BYPASS"),
            ("x-gateway-attempts", "1"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}: {answer:?}");
        }
        assert!(["local", "custom", "default"].contains(&answer.header("x-model-source").unwrap()));
        let overhead: f64 = answer
            .header("x-gateway-overhead-ms")
            .unwrap()
            .parse()
            .unwrap();
        assert!((0.0..1000.0).contains(&overhead), "{overhead}");
        assert!(
            answer.header("server-timing").unwrap().contains("dur="),
            "{answer:?}"
        );
        for hop in ["keep-alive", "proxy-authenticate"] {
            assert_eq!(answer.header(hop), None, "{hop} belongs to one connection");
        }
    }
}

#[tokio::test]
async fn request_ids_differ_and_lead_to_the_log() {
    let (_upstream, gateway) = scene().await;
    let first = gateway.call(Request::chat(openai::chat("m"))).await;
    let second = gateway.call(Request::chat(openai::chat("m"))).await;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let record = gateway.request_log(&second).await;
    for (field, value) in [
        ("method", "POST"),
        ("path", "/v1/chat/completions"),
        ("model", "m"),
        ("provider", "one"),
        ("served_model", "m"),
        ("key", "app"),
    ] {
        assert_eq!(record[field], value, "{record}");
    }
    assert_eq!(
        (&record["status"], &record["stream"]),
        (&200.into(), &false.into()),
        "{record}"
    );
    assert_eq!(
        record["bytes_out"],
        openai::completion("hi").len(),
        "{record}"
    );
    assert_eq!(record["bytes_in"], openai::chat("m").len(), "{record}");
    for field in ["latency_ms", "first_byte_ms"] {
        assert!(record[field].is_number(), "{field}: {record}");
    }
}

#[tokio::test]
async fn errors_of_the_gateway_carry_its_headers_too() {
    let (_upstream, gateway) = scene().await;
    for request in [
        Request::chat("not JSON"),
        Request::chat(openai::chat("no-such-model")),
        Request::get("/v1/models"),
        Request::get("/no-such-route"),
    ] {
        let answer = gateway.call(request).await;
        assert!(answer.status >= 400, "{answer:?}");
        assert!(
            answer.header("x-request-id").unwrap().starts_with("req_"),
            "{answer:?}"
        );
        assert_eq!(answer.header("x-gateway"), Some("ai-gateway"), "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn what_belongs_to_one_connection_or_to_the_gateway_stays_behind() {
    let (upstream, gateway) = scene().await;
    let request = Request::chat(openai::chat("m"))
        .header("connection", "keep-alive, x-only-here")
        .header("x-only-here", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("proxy-connection", "keep-alive")
        .header("x-gateway-provider", "one")
        .header("x-gateway-cache", "no-store")
        .header("x-gateway-tags", "a,b")
        .header("openai-beta", "assistants=v2");
    let answer = gateway.call(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sent = upstream.last();
    for name in [
        "x-only-here",
        "keep-alive",
        "te",
        "proxy-connection",
        "transfer-encoding",
    ] {
        assert_eq!(sent.header(name), None, "{name}: {}", sent.everything());
    }
    let ours = sent
        .headers
        .0
        .iter()
        .find(|(name, _)| name.starts_with("x-gateway-"));
    assert_eq!(ours, None, "{}", sent.everything());
    assert_eq!(
        sent.header("openai-beta"),
        Some("assistants=v2"),
        "what is not ours passes"
    );
    assert_eq!(
        sent.header("host"),
        Some(upstream.address.to_string().as_str())
    );
    assert_eq!(
        sent.header("authorization"),
        Some("Bearer provider-secret-one")
    );
    let length = sent.body.len().to_string();
    assert_eq!(
        sent.headers.all("content-length").collect::<Vec<_>>(),
        [length.as_str()]
    );
    assert_eq!(sent.target, "/v1/chat/completions");
}

#[tokio::test]
async fn the_headers_of_a_provider_are_sent_with_every_request() {
    let upstream = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let headers = ", headers: {CF-Access-Client-Id: gateway, X-Extra: \"1\"}";
    let yaml = Yaml::new().provider_with("one", &upstream.base_url(), headers);
    let gateway = TestGateway::with(&yaml).await;
    let request = Request::chat(openai::chat("m")).header("x-extra", "from the client");
    assert_eq!(gateway.call(request).await.status, 200);
    assert_eq!(
        upstream.last().header("cf-access-client-id"),
        Some("gateway")
    );
    assert_eq!(
        upstream.last().headers.all("x-extra").collect::<Vec<_>>(),
        ["1"]
    );
}

#[tokio::test]
async fn connections_are_kept_alive_on_both_sides() {
    let (upstream, gateway) = scene().await;
    let mut client = gateway.http1().await;
    for _ in 0..10 {
        let answer = client
            .call(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.whole), (200, true));
        assert_ne!(answer.header("connection"), Some("close"));
    }
    let connections = upstream.state().connections.len();
    assert!(
        connections <= 2,
        "{connections} connections for ten requests in turn"
    );
}

#[tokio::test]
async fn streams_keep_connections_alive_too() {
    let upstream =
        ScriptedUpstream::start([Script::frames(openai::frames(2), Duration::ZERO)]).await;
    let gateway = TestGateway::with(&single(&upstream.base_url())).await;
    let mut client = gateway.http1().await;
    for _ in 0..10 {
        let answer = client
            .call(&Request::chat(openai::streamed("m")))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.whole), (200, true));
    }
    let connections = upstream.state().connections.len();
    assert!(
        connections <= 2,
        "{connections} connections for ten streams in turn"
    );
}

#[tokio::test]
async fn a_kept_connection_that_the_provider_closed_costs_no_request() {
    let (upstream, gateway) = scene().await;
    let mut client = gateway.http1().await;
    let early = Script::AnswerBeforeBody {
        status: 200,
        body: "{}".into(),
    };
    upstream.follow([early]);
    for _ in 0..5 {
        let answer = client
            .call(&Request::chat(openai::chat("m")))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_names_its_route_and_the_pool_that_served_it() {
    let failing = ScriptedUpstream::start([Script::json(503, openai::error("busy"))]).await;
    let answer = Script::json(200, openai::completion("hi"));
    let answer = answer.with_header("x-gateway-route", "somebody-else's");
    let good = ScriptedUpstream::start([answer]).await;
    let yaml = Yaml::new()
        .provider("bad", &failing.base_url())
        .provider("good", &good.base_url())
        .and("pools: {first: [{provider: bad}], second: {strategy: priority, targets: [{provider: good}]}}")
        .and("routes:")
        .and("  - {name: \"to good\", model: plain, pool: second}")
        .and("  - {name: trial, model: split, split: [{name: arm, pool: second}]}")
        .and("  - {name: next-pool, model: pooled, pool: first, fallbacks: [second]}")
        .and("  - {name: next-model, model: listed, pool: first, fallbacks: [good/m]}")
        .and("  - {name: lost, model: lost, pool: first}");
    let gateway = TestGateway::with(&yaml).await;
    let priority = Some(("second", "priority"));
    for (model, status, route, variant, pool) in [
        ("plain", 200, Some("to good"), None, priority),
        ("split", 200, Some("trial"), Some("arm"), priority),
        ("second", 200, None, None, priority),
        ("pooled", 200, Some("next-pool"), None, priority),
        ("listed", 200, Some("next-model"), None, None),
        ("lost", 502, Some("lost"), None, Some(("first", "weighted"))),
        ("good/m", 200, None, None, None),
        ("nobody/m", 404, None, None, None),
    ] {
        let answer = gateway.call(Request::chat(openai::chat(model))).await;
        assert_eq!(answer.status, status, "{model}: {answer:?}");
        for (name, value) in [
            ("x-gateway-route", route),
            ("x-gateway-variant", variant),
            ("x-gateway-pool", pool.map(|(name, _)| name)),
            ("x-gateway-strategy", pool.map(|(_, strategy)| strategy)),
        ] {
            assert_eq!(answer.header(name), value, "{model}: {answer:?}");
        }
    }
}
