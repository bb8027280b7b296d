//! A new configuration is taken whole or not at all, and no request notices.

use rustix::process::Signal;

use crate::support::{
    Ending, Gate, Request, Script, ScriptedUpstream, Step, TestGateway,
    config::{Yaml, single},
    eventually, openai,
};

async fn status(gateway: &TestGateway, model: &str) -> u16 {
    gateway
        .call(Request::chat(openai::chat(model)))
        .await
        .status
}

async fn scene() -> (ScriptedUpstream, Yaml, TestGateway) {
    let one = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = single(&one.base_url());
    let gateway = TestGateway::with(&yaml).await;
    assert_eq!(status(&gateway, "fast").await, 404);
    (one, yaml, gateway)
}

#[tokio::test]
async fn sighup_takes_the_new_configuration() {
    let (_one, yaml, gateway) = scene().await;
    std::fs::write(
        gateway.config_path(),
        yaml.and("aliases: {fast: one/m}").build(),
    )
    .unwrap();
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 1).await;
    eventually("the alias is known", async || {
        status(&gateway, "fast").await == 200
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_is_taken_without_a_signal() {
    let (_one, yaml, gateway) = scene().await;
    std::fs::write(
        gateway.config_path(),
        yaml.and("aliases: {fast: one/m}").build(),
    )
    .unwrap();
    gateway.wait_events("config_reloaded", 1).await;
    eventually("the alias is known", async || {
        status(&gateway, "fast").await == 200
    })
    .await;
}

#[tokio::test]
async fn a_file_moved_into_place_is_taken_without_a_signal() {
    let (_one, yaml, gateway) = scene().await;
    gateway.write_config(&yaml.and("aliases: {fast: one/m}").build());
    gateway.wait_events("config_reloaded", 1).await;
    eventually("the alias is known", async || {
        status(&gateway, "fast").await == 200
    })
    .await;
}

#[tokio::test]
async fn a_bad_configuration_is_rejected_whole_and_the_old_one_serves_on() {
    let (one, yaml, gateway) = scene().await;
    let bad = single(&one.base_url())
        .and("aliases: {fast: one/m}")
        .and("routes: [{model: x, pool: nowhere}]");
    for (count, text) in [
        (1, bad.build()),
        (2, format!("{}nonsense: 1\n", yaml.build())),
        (3, "a: [".into()),
    ] {
        gateway.write_config(&text);
        gateway.signal(Signal::HUP);
        gateway.wait_events("config_rejected", count).await;
        assert_eq!(
            status(&gateway, "fast").await,
            404,
            "nothing of it was taken"
        );
        assert_eq!(status(&gateway, "m").await, 200);
    }
    gateway.write_config(&yaml.and("aliases: {fast: one/m}").build());
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 1).await;
    assert_eq!(
        status(&gateway, "fast").await,
        200,
        "a good one is taken after bad ones"
    );
}

#[tokio::test]
async fn a_stream_under_way_ends_on_the_configuration_it_began_with() {
    let gate = Gate::closed();
    let steps = vec![
        Step::Write(openai::frame("before")),
        Step::Wait(gate.clone()),
        Step::Write(openai::done()),
    ];
    let one = ScriptedUpstream::start([Script::Stream {
        steps,
        ending: Ending::Whole,
    }])
    .await;
    let two = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let gateway = TestGateway::with(&Yaml::new().patient("one", &one.base_url())).await;
    let mut client = gateway.http1().await;
    client
        .send(&Request::chat(openai::streamed("m")))
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    assert_eq!(
        client.piece().await.unwrap().unwrap().bytes,
        openai::frame("before")
    );
    gateway.write_config(
        &Yaml::open()
            .key("new", "new-key", "")
            .patient("two", &two.base_url())
            .build(),
    );
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 1).await;
    let request = Request::chat(openai::chat("m"));
    assert_eq!(
        gateway.call(request).await.status,
        401,
        "the old key is gone"
    );
    let request = Request::post("/v1/chat/completions", openai::chat("m")).bearer("new-key");
    let answer = gateway.call(request).await;
    assert_eq!(
        (answer.status, answer.header("x-provider")),
        (200, Some("two"))
    );
    gate.open();
    assert_eq!(client.piece().await.unwrap().unwrap().bytes, openai::done());
    assert!(client.piece().await.unwrap().is_none(), "the proper end");
}

#[tokio::test]
async fn reloads_under_load_lose_no_request() {
    let (_one, yaml, gateway) = scene().await;
    let address = gateway.address;
    let caller = tokio::spawn(async move {
        let mut client = crate::support::Http1::connect(address).await;
        for number in 0..300 {
            let answer = client
                .call(&Request::chat(openai::chat("m")))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "request {number}: {answer:?}");
        }
    });
    let mut yaml = yaml;
    for round in 1..=5 {
        yaml = yaml.and(&format!("# round {round}"));
        gateway.write_config(&yaml.build());
        gateway.signal(Signal::HUP);
        gateway.wait_events("config_reloaded", round).await;
    }
    caller.await.unwrap();
    // Counters survive; the last request is counted a moment after its answer.
    gateway
        .wait_metric("gateway_requests_total", &[("status", "200")], |counted| {
            counted >= 300.0
        })
        .await;
}

#[tokio::test]
async fn breakers_that_are_turned_off_keep_nobody_away_and_targets_that_are_gone_are_forgotten() {
    let one = ScriptedUpstream::start([Script::json(500, "{}")]).await;
    let yaml = |model: &str, rules: &str| {
        single(&one.base_url())
            .and(&format!(
                "pools: {{p: [{{provider: one, model: {model}}}]}}"
            ))
            .and(&format!(
                "routing: {{retries: {{max: 0}}, breaker: {{{rules}}}}}"
            ))
            .build()
    };
    let on = "consecutive_failures: 1, cooldown_seconds: 300";
    let gateway = TestGateway::start(&yaml("old", on)).await;
    assert_eq!(status(&gateway, "p").await, 502);
    assert_eq!(status(&gateway, "p").await, 503);
    let health = async || gateway.admin("/admin/health").await.json()["providers"]["one"].clone();
    assert_eq!(health().await["targets"]["old"]["breaker"], "open");
    gateway.write_config(&yaml("old", &format!("{on}, enabled: false")));
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 1).await;
    assert_eq!(health().await["targets"]["old"]["breaker"], "closed");
    for _ in 0..3 {
        assert_eq!(status(&gateway, "p").await, 502, "asked each time");
    }
    gateway.write_config(&yaml("old", on));
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 2).await;
    assert_eq!(status(&gateway, "p").await, 502);
    assert_eq!(health().await["healthy"], false);
    gateway.write_config(&yaml("new", on));
    gateway.signal(Signal::HUP);
    gateway.wait_events("config_reloaded", 3).await;
    let after = health().await;
    assert_eq!(
        (&after["healthy"], &after["targets"]["old"]),
        (&true.into(), &().into()),
        "{after}"
    );
}
