//! Providers and their keys in the store.

use super::*;
use crate::support::{config::CLIENT_KEY, database, eventually};

fn ask(model: &str) -> Request {
    Request::post("/v1/chat/completions", openai::chat(model)).bearer(CLIENT_KEY)
}

#[track_caller]
fn succeeds(ran: &Ran) {
    assert!(ran.status.success(), "{}", ran.output);
}

#[tokio::test]
async fn a_provider_is_added_tried_given_another_key_and_removed_while_the_gateway_runs() {
    for postgres in database::each().await {
        let (one, two) = (upstream().await, upstream().await);
        let gateway = started(builder(&one.base_url(), postgres.as_ref())).await;
        assert_eq!(gateway.call(ask("mine/m")).await.status, 404);
        let url = two.base_url();
        let add = [
            "provider",
            "add",
            "mine",
            "--base-url",
            &url,
            "--models",
            "special",
            "--label",
            "a",
        ];
        let added = gateway.run_with(&add, "sk-stored-provider-key-1\n").await;
        succeeds(&added);
        assert!(
            !added.output.contains("sk-stored-provider-key-1"),
            "{}",
            added.output
        );
        eventually("the provider serves", async || {
            gateway.call(ask("special")).await.status == 200
        })
        .await;
        assert_eq!(
            two.last().header("authorization"),
            Some("Bearer sk-stored-provider-key-1")
        );

        let key = gateway.home_file("key.txt", "sk-stored-provider-key-2\n");
        succeeds(
            &gateway
                .run(&["provider", "add", "mine", "--key-file", &key])
                .await,
        );
        eventually("both keys are used in turn", async || {
            gateway.call(ask("mine/m")).await;
            two.last().header("authorization") == Some("Bearer sk-stored-provider-key-2")
        })
        .await;

        let listed = json(&gateway.run(&["provider", "list", "--json"]).await);
        let mine = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "mine")
            .unwrap();
        assert_eq!(
            (&mine["source"], &mine["keys"]),
            (&"store".into(), &2.into()),
            "{mine}"
        );
        let tried = gateway.run(&["provider", "test", "mine"]).await;
        succeeds(&tried);
        two.follow([Script::json(401, openai::error("no such key"))]);
        let tried = gateway.run(&["provider", "test", "mine", "--json"]).await;
        assert!(
            !tried.status.success() && tried.output.contains("refused"),
            "{}",
            tried.output
        );
        two.follow([Script::json(200, openai::completion("hi"))]);

        let first = mine["credentials"][0]["id"].as_str().unwrap();
        succeeds(&gateway.run(&["provider", "remove", first]).await);
        let before = two.count();
        eventually("the key is not used", async || {
            let mut used = Vec::new();
            for _ in 0..4 {
                gateway.call(ask("mine/m")).await;
                used.push(two.last().header("authorization").unwrap().to_owned());
            }
            used.iter()
                .all(|key| key == "Bearer sk-stored-provider-key-2")
        })
        .await;
        assert!(two.count() > before);
        succeeds(&gateway.run(&["provider", "remove", "mine"]).await);
        eventually("the provider is gone", async || {
            gateway.call(ask("mine/m")).await.status == 404
        })
        .await;
        assert!(!gateway.logs().contains("sk-stored-provider-key"));
    }
}

#[tokio::test]
async fn a_provider_of_the_configuration_gets_another_key_and_a_reload_keeps_it() {
    let one = upstream().await;
    let gateway = started(builder(&one.base_url(), None)).await;
    succeeds(
        &gateway
            .run_with(
                &["provider", "add", "one", "-c", "gateway.yaml"],
                "sk-second-key-of-one",
            )
            .await,
    );
    let uses_both = async || {
        let mut used: Vec<String> = Vec::new();
        for _ in 0..4 {
            assert_eq!(gateway.call(ask("m")).await.status, 200);
            used.push(one.last().header("authorization").unwrap().to_owned());
        }
        used.iter().any(|key| key.ends_with("sk-second-key-of-one"))
            && used.iter().any(|key| key.ends_with("provider-secret-one"))
    };
    eventually("both keys are used", uses_both).await;
    let yaml = Yaml::new()
        .provider("one", &one.base_url())
        .and("default_model: m")
        .build();
    gateway.write_config(&yaml);
    gateway.wait_events("config_reloaded", 1).await;
    assert!(uses_both().await, "the store's key is still there");
}

#[tokio::test]
async fn a_gateway_starts_by_what_the_store_has_alone() {
    let one = upstream().await;
    let builder = on(Builder::without_config().free_ports(), None);
    let url = one.base_url();
    let add = [
        "provider",
        "add",
        "mine",
        "--base-url",
        &url,
        "--models",
        "m",
        "--no-key",
    ];
    succeeds(&builder.run(&add).await);
    let gateway = builder.start().await;
    assert_eq!(gateway.call(ask("m")).await.status, 200);
    assert!(gateway.logs().contains("mine"), "{}", gateway.logs());
}

#[tokio::test]
async fn keys_are_stored_under_the_encryption_key_alone_and_another_replaces_it() {
    let one = upstream().await;
    let yaml = Yaml::new().provider("one", &one.base_url()).build();
    let without = TestGateway::builder(&yaml);
    let refused = without
        .run_with(&["provider", "add", "openai"], "sk-x-12345678")
        .await;
    assert!(!refused.status.success());
    assert!(
        refused.output.contains("openssl rand -hex 32"),
        "{}",
        refused.output
    );
    let wrong = without.env("GATEWAY_ENCRYPTION_KEY", "secret-canary");
    let refused = wrong
        .run_with(&["provider", "add", "openai"], "sk-x-12345678")
        .await;
    assert!(
        !refused.status.success() && !refused.output.contains("secret-canary"),
        "{}",
        refused.output
    );
    let old = wrong.env("GATEWAY_ENCRYPTION_KEY", ENCRYPTION_KEY);
    succeeds(
        &old.run_with(&["provider", "add", "openai"], "sk-x-12345678")
            .await,
    );
    let next = "ff".repeat(32);
    let lost = old.env("GATEWAY_ENCRYPTION_KEY", &next);
    let listed = lost.run(&["provider", "list"]).await;
    assert!(
        listed
            .output
            .contains("is not among those of GATEWAY_ENCRYPTION_KEY"),
        "{}",
        listed.output
    );
    let both = lost.env(
        "GATEWAY_ENCRYPTION_KEY",
        &format!("{next},{ENCRYPTION_KEY}"),
    );
    let sealed = both.run(&["provider", "reencrypt"]).await;
    succeeds(&sealed);
    assert!(
        sealed.output.starts_with("1 sealed anew"),
        "{}",
        sealed.output
    );
    let new = both.env("GATEWAY_ENCRYPTION_KEY", &next);
    let listed = new.run(&["provider", "list"]).await;
    succeeds(&listed);
    assert!(!listed.output.contains("is not among"), "{}", listed.output);
}

#[tokio::test]
async fn models_are_listed_with_who_serves_them() {
    let one = upstream().await;
    let builder = builder(&one.base_url(), None);
    let listed = json(
        &builder
            .run(&["model", "list", "-c", "gateway.yaml", "--json"])
            .await,
    );
    assert_eq!(listed[0]["name"], "m");
    assert_eq!(listed[0]["served_by"][0], "one/m");
    let table = builder.run(&["model", "list", "-c", "gateway.yaml"]).await;
    succeeds(&table);
}
