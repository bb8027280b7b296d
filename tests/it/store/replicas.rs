//! Several gateways on one store.

use super::*;

#[tokio::test]
async fn a_key_revoked_by_one_replica_is_refused_by_the_other_within_a_second() {
    let Some(postgres) = Postgres::fresh().await else {
        return;
    };
    let upstream = upstream().await;
    let one = started(builder(&upstream.base_url(), Some(&postgres))).await;
    let other = started(builder(&upstream.base_url(), Some(&postgres))).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let (key, made) = create(&one, &["--label", "app"]).await;
        becomes(&one, &key, 200).await;
        becomes(&other, &key, 200).await;
        let id = made["id"].as_str().unwrap();
        assert!(one.run(&["key", "revoke", id]).await.status.success());
        slowest = slowest.max(becomes(&other, &key, 401).await);
        becomes(&one, &key, 401).await;
    }
    eprintln!("a revocation reached the other replica in at most {slowest:?}");
    assert!(slowest < SOON, "{slowest:?}");
}

#[tokio::test]
async fn a_gateway_starts_with_the_keys_that_there_are() {
    for postgres in crate::support::database::each().await {
        let upstream = upstream().await;
        let builder = builder(&upstream.base_url(), postgres.as_ref());
        let made = json(&builder.run(&["key", "create", "--json"]).await);
        let revoked = json(&builder.run(&["key", "create", "--json"]).await);
        let id = revoked["id"].as_str().unwrap();
        assert!(builder.run(&["key", "revoke", id]).await.status.success());
        let gateway = builder.start().await;
        assert_eq!(gateway.call(Request::get("/ready")).await.status, 200);
        assert_eq!(status(&gateway, made["key"].as_str().unwrap()).await, 200);
        assert_eq!(
            fault(&gateway, revoked["key"].as_str().unwrap()).await,
            "revoked"
        );
        assert!((gateway.metric("gateway_keys", &[]).await - 2.0).abs() < 0.1);
    }
}
