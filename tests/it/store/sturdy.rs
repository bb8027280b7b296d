//! What goes wrong with single records and single connections, and stops nothing else.

use ai_gateway::{
    secret::Secret,
    store::{Location, Store, sql},
};

use super::*;
use crate::support::{
    database::{self, sqlite_in},
    eventually,
    relay::Relay,
};

/// The store of a gateway, as somebody else sees it.
async fn store_of(gateway: &TestGateway, postgres: Option<&Postgres>) -> Store {
    let location = match postgres {
        Some(postgres) => Location::Postgres(Secret::new(&postgres.url)),
        None => sqlite_in(&gateway.home_path().join("data")),
    };
    Store::open(&location).await.expect("the store opens")
}

#[tokio::test]
async fn a_damaged_team_is_blocked_and_stops_no_revocation() {
    for postgres in database::each().await {
        let upstream = upstream().await;
        let gateway = started(builder(&upstream.base_url(), postgres.as_ref())).await;
        let (victim, made) = create(&gateway, &[]).await;
        let (of_team, _) = create(&gateway, &["--team", "odd"]).await;
        becomes(&gateway, &of_team, 200).await;
        let store = store_of(&gateway, postgres.as_ref()).await;
        let team = ai_gateway::store::teams::Team::new("odd");
        store.create(team, None).await.expect("a team");
        let damage = "UPDATE teams SET terms = '[1]' WHERE id = 'odd'";
        store.run(sql(damage)).await.expect("damage");
        let mut transaction = store.begin().await.expect("a transaction");
        let odd = ["odd".to_owned()];
        let kind = ai_gateway::store::Kind::Team;
        transaction.changed(kind, odd);
        transaction.commit().await.expect("done");
        becomes(&gateway, &of_team, 401).await;
        let id = made["id"].as_str().unwrap();
        assert!(gateway.run(&["key", "revoke", id]).await.status.success());
        becomes(&gateway, &victim, 401).await;
        let listed = gateway.run(&["team", "list"]).await;
        assert!(
            listed.status.success() && listed.output.contains("unreadable"),
            "{}",
            listed.output
        );
        let deleted = gateway.run(&["team", "delete", "odd", "--with-keys"]).await;
        assert!(deleted.status.success(), "{}", deleted.output);
    }
}

#[tokio::test]
async fn what_could_not_be_read_again_is_refused() {
    let builder = builder("http://127.0.0.1:1/v1", None);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    let refused = builder
        .run(&["team", "create", "deep", "--metadata", &deep])
        .await;
    assert!(
        !refused.status.success() && refused.output.contains("deeper"),
        "{}",
        refused.output
    );
    let listed = builder.run(&["team", "list"]).await;
    assert!(listed.status.success(), "{}", listed.output);
}

#[tokio::test]
async fn connections_that_die_in_silence_are_replaced() {
    let Some(postgres) = Postgres::fresh().await else {
        return;
    };
    let (before, rest) = postgres.url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let relay = Relay::to(address.parse().unwrap()).await;
    let url = format!("{before}@{}/{name}", relay.address);
    let upstream = upstream().await;
    let gateway = builder(&upstream.base_url(), None).env("GATEWAY_DATABASE_URL", &url);
    let gateway = started(gateway).await;
    let (doomed, made) = create(&gateway, &[]).await;
    becomes(&gateway, &doomed, 200).await;
    relay.freeze();
    let beside = on(TestGateway::builder(&Yaml::new().build()), Some(&postgres));
    let id = made["id"].as_str().unwrap();
    let revoked = beside.run(&["key", "revoke", id]).await;
    assert!(revoked.status.success(), "{}", revoked.output);
    let began = Instant::now();
    eventually("the revocation is known", async || {
        status(&gateway, &doomed).await == 401
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let (next, _) = create(&gateway, &[]).await;
    becomes(&gateway, &next, 200).await;
}

#[tokio::test]
async fn a_gateway_goes_on_with_keys_that_were_sealed_anew_under_another_key() {
    let Some(postgres) = Postgres::fresh().await else {
        return;
    };
    let (one, two) = (upstream().await, upstream().await);
    let gateway = started(builder(&one.base_url(), Some(&postgres))).await;
    let url = two.base_url();
    let add = ["provider", "add", "mine", "--base-url", &url];
    let added = gateway.run_with(&add, "sk-stored-provider-key-1\n").await;
    assert!(added.status.success(), "{}", added.output);
    let (key, _) = create(&gateway, &[]).await;
    let asks = async || {
        let ask = Request::post("/v1/chat/completions", openai::chat("mine/m"));
        gateway.call(ask.bearer(&key)).await.status
    };
    eventually("the provider serves", async || asks().await == 200).await;
    let both = format!("{},{ENCRYPTION_KEY}", "ff".repeat(32));
    let beside = on(TestGateway::builder(&Yaml::new().build()), Some(&postgres));
    let beside = beside.env("GATEWAY_ENCRYPTION_KEY", &both);
    let sealed = beside.run(&["provider", "reencrypt"]).await;
    assert!(sealed.output.starts_with("1 sealed"), "{}", sealed.output);
    eventually("it is known", async || {
        gateway.logs().contains("is used still")
    })
    .await;
    for _ in 0..5 {
        assert_eq!(asks().await, 200);
    }
}

#[tokio::test]
async fn a_provider_is_added_whole_or_not_at_all() {
    let builder = builder("http://127.0.0.1:1/v1", None);
    let url = "http://127.0.0.1:1/v1";
    let add = ["provider", "add", "mine", "--base-url", url];
    for (rest, said) in [
        (["--label", "a\u{7}b"], "control"),
        (["--header-env", "bad name=PATH"], "names no header"),
    ] {
        let add: Vec<&str> = add.iter().chain(&rest).copied().collect();
        let refused = builder.run_with(&add, "sk-stored-provider-key-1\n").await;
        assert!(!refused.status.success(), "{}", refused.output);
        assert!(refused.output.contains(said), "{}", refused.output);
        let listed = builder.run(&["provider", "list"]).await;
        assert!(!listed.output.contains("mine"), "{}", listed.output);
    }
    let dead = builder
        .run(&["key", "create", "--expires", "2020-01-01"])
        .await;
    assert!(!dead.status.success(), "{}", dead.output);
}
