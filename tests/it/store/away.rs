//! A store that cannot be reached.

use super::*;
use crate::support::{config::CLIENT_KEY, eventually, upstream::refused_address};

#[tokio::test]
async fn while_the_store_is_away_requests_go_on_and_afterwards_all_is_known() {
    let Some(postgres) = Postgres::fresh().await else {
        return;
    };
    let upstream = upstream().await;
    let gateway = started(builder(&upstream.base_url(), Some(&postgres))).await;
    let (key, made) = create(&gateway, &[]).await;
    let (doomed, other) = create(&gateway, &[]).await;
    becomes(&gateway, &key, 200).await;
    becomes(&gateway, &doomed, 200).await;
    postgres.goes_away().await;
    gateway.wait_events("store_away", 1).await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up < 0.5)
        .await;
    for _ in 0..20 {
        assert_eq!(status(&gateway, &key).await, 200);
    }
    assert_eq!(gateway.call(Request::get("/ready")).await.status, 200);
    assert_eq!(status(&gateway, "gw_unknown").await, 401);
    let refused = gateway.run(&["key", "list"]).await;
    assert!(!refused.status.success(), "{}", refused.output);
    postgres.comes_back().await;
    let id = other["id"].as_str().unwrap();
    eventually("the command line reaches it", async || {
        gateway.run(&["key", "revoke", id]).await.status.success()
    })
    .await;
    gateway.wait_events("store_back", 1).await;
    eventually("the revocation is known", async || {
        status(&gateway, &doomed).await == 401
    })
    .await;
    assert_eq!(status(&gateway, &key).await, 200);
    assert_eq!(made["state"], "active");
}

#[tokio::test]
async fn a_gateway_whose_store_is_away_at_the_start_serves_its_static_keys_and_is_not_ready() {
    let upstream = upstream().await;
    let away = format!("postgres://user:db-password-canary@{}/x", refused_address());
    let yaml = Yaml::new().provider("one", &upstream.base_url()).build();
    let gateway = TestGateway::builder(&yaml)
        .env("DATABASE_URL", &away)
        .start()
        .await;
    assert_eq!(status(&gateway, CLIENT_KEY).await, 200);
    let answer = gateway.call(chat("gw_perhaps-it-is-known")).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1")),
        "{answer:?}"
    );
    assert_eq!(gateway.call(Request::get("/ready")).await.status, 503);
    assert_eq!(gateway.call(Request::get("/live")).await.status, 200);
    gateway.wait_events("store_away", 1).await;
    assert!(!gateway.logs().contains("db-password-canary"));
    let refused = gateway.run(&["key", "list"]).await.output;
    assert!(!refused.contains("db-password-canary"), "{refused}");
}

#[tokio::test]
async fn an_open_gateway_lets_nobody_in_before_it_knows_that_there_is_no_key() {
    let upstream = upstream().await;
    let away = format!("postgres://user@{}/x", refused_address());
    let yaml = Yaml::open().provider("one", &upstream.base_url()).build();
    let gateway = TestGateway::builder(&yaml)
        .env("DATABASE_URL", &away)
        .start()
        .await;
    assert_eq!(status(&gateway, "whatever").await, 503);
}

#[tokio::test]
async fn without_a_place_for_the_store_a_gateway_serves_by_its_configuration() {
    let upstream = upstream().await;
    let yaml = Yaml::new().provider("one", &upstream.base_url()).build();
    let builder = TestGateway::builder(&yaml);
    let file = builder.write("a-file", "");
    let gateway = builder
        .env("GATEWAY_DATA_DIR", &format!("{file}/data"))
        .start()
        .await;
    assert_eq!(status(&gateway, CLIENT_KEY).await, 200);
    assert_eq!(status(&gateway, "other").await, 401);
    assert_eq!(gateway.call(Request::get("/ready")).await.status, 200);
    assert!(
        gateway.logs().contains("GATEWAY_DATA_DIR"),
        "{}",
        gateway.logs()
    );
}

#[tokio::test]
async fn a_url_that_is_no_database_is_an_error_without_its_password() {
    let builder =
        TestGateway::builder(&Yaml::new().provider("one", "http://127.0.0.1:1/v1").build());
    let refused = builder
        .env("DATABASE_URL", "mysql://root:db-password-canary@h/x")
        .try_start()
        .await;
    let refused = refused.err().expect("it refuses").output;
    assert!(
        refused.contains("DATABASE_URL") && !refused.contains("db-password-canary"),
        "{refused}"
    );
}
