//! Several gateways on one Redis, and that Redis gone.

use super::*;
use crate::support::{eventually, redis::RedisServer};

async fn gateway(
    upstream: &ScriptedUpstream,
    url: &str,
    of_key: &str,
    section: &str,
) -> TestGateway {
    let more =
        format!("cache: {{enabled: false, redis_url: \"{url}\"}}\nrate_limiting: {{{section}}}");
    TestGateway::start(&yaml(upstream, of_key, &more)).await
}

/// How many of so many requests are let in, sent to one after the other.
async fn admitted(gateways: &[&TestGateway], requests: usize) -> usize {
    let mut count = 0;
    for number in 0..requests {
        let gateway = gateways[number % gateways.len()];
        let answer = ask(gateway, priced()).await;
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        count += usize::from(answer.status == 200);
    }
    count
}

/// Until it leases what it gives out.
async fn shares(gateways: &[&TestGateway]) {
    for gateway in gateways {
        eventually("Redis is asked for limits", async || {
            let request =
                Request::post("/v1/chat/completions", openai::chat("m")).bearer("other-key");
            gateway.call(request).await;
            let calls = gateway.metric("gateway_limit_redis_calls_total", &[]).await;
            let shared = gateway.metric("gateway_limits_shared", &[]).await;
            calls > 0.5 && shared > 0.5
        })
        .await;
    }
}

const WARM: &str = "users: {bob: {rpm: 100000}}";

#[tokio::test]
async fn gateways_on_one_redis_share_a_limit_and_a_budget() {
    let redis = RedisServer::start(&[]).await;
    for (of_key, wanted) in [("rpd: 20", 20), ("max_budget: 0.0003", 14)] {
        let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
        let one = gateway(&upstream, &redis.url(), of_key, WARM).await;
        let two = gateway(&upstream, &redis.url(), of_key, WARM).await;
        shares(&[&one, &two]).await;
        let mut count = admitted(&[&one, &two], 60).await;
        // What one has leased and does not use goes back after two seconds.
        let began = std::time::Instant::now();
        while count < wanted && began.elapsed().as_secs() < 15 {
            count += admitted(&[&one, &two], 2).await;
        }
        assert_eq!(count, wanted, "{of_key}");
        assert_eq!(admitted(&[&one, &two], 10).await, 0, "{of_key}");
    }
}

#[tokio::test]
async fn while_redis_is_away_each_goes_on_by_itself_or_refuses_as_configured() {
    for (mode, goes_on) in [("local", true), ("reject", false)] {
        let redis = RedisServer::start(&[]).await;
        let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
        let section = format!("while_redis_is_away: {mode}, {WARM}");
        let gateway = gateway(&upstream, &redis.url(), "rpm: 600", &section).await;
        shares(&[&gateway]).await;
        assert_eq!(admitted(&[&gateway], 10).await, 10);
        let port = redis.stop();
        gateway
            .wait_metric("gateway_limits_shared", &[], |shared| shared < 0.5)
            .await;
        if goes_on {
            assert_eq!(admitted(&[&gateway], 50).await, 50);
        } else {
            let mut last = None;
            eventually("the lease is used up", async || {
                let answer = ask(&gateway, priced()).await;
                let is_over = answer.status == 429;
                last = Some(answer);
                is_over
            })
            .await;
            let refused = last.unwrap();
            assert!(
                refused.text().contains("cannot be checked right now"),
                "{refused:?}"
            );
            assert!(refused.header("retry-after").is_some());
        }
        assert!(
            gateway
                .logs()
                .contains("Redis does not answer; limits are kept by this process alone")
        );
        let _redis = RedisServer::start_on(port, &[]).await;
        gateway
            .wait_metric("gateway_limits_shared", &[], |shared| shared > 0.5)
            .await;
        eventually("it shares again", async || {
            admitted(&[&gateway], 1).await == 1
        })
        .await;
        eventually("it says so", async || {
            gateway
                .logs()
                .contains("Redis answers again; limits are shared")
        })
        .await;
    }
}
