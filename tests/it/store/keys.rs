//! The life of a key, by command line, at a gateway that runs.

use super::*;
use crate::support::{database, eventually};

#[tokio::test]
async fn a_key_lives_by_command_line_and_the_log_says_why_it_is_refused() {
    for postgres in database::each().await {
        let upstream = upstream().await;
        let gateway = started(builder(&upstream.base_url(), postgres.as_ref())).await;
        let (key, made) = create(
            &gateway,
            &["--label", "app", "--team", "red", "--user", "rosa"],
        )
        .await;
        let id = made["id"].as_str().unwrap();
        becomes(&gateway, &key, 200).await;
        let answer = gateway.call(chat(&key)).await;
        let record = gateway.request_log(&answer).await;
        assert_eq!(
            (&record["key"], &record["team"], &record["user"]),
            (&"app".into(), &"red".into(), &"rosa".into())
        );

        for listed in [
            gateway.run(&["key", "list", "--json"]).await,
            gateway
                .run(&["key", "list", "--team", "red", "--json"])
                .await,
        ] {
            let listed = json(&listed);
            assert_eq!(
                (listed[0]["id"].as_str(), listed[0]["state"].as_str()),
                (Some(id), Some("active"))
            );
        }
        let table = gateway.run(&["key", "list"]).await.output;
        assert!(
            table.contains("app") && table.contains("red") && !table.contains(&key),
            "{table}"
        );
        let info = json(
            &gateway
                .run_with(&["key", "info", "-", "--json"], &key)
                .await,
        );
        assert_eq!(info["id"], id);

        json(
            &gateway
                .run(&["key", "update", "app", "--block", "--json"])
                .await,
        );
        becomes(&gateway, &key, 401).await;
        assert_eq!(fault(&gateway, &key).await, "blocked");
        json(
            &gateway
                .run(&[
                    "key",
                    "update",
                    id,
                    "--unblock",
                    "--label",
                    "none",
                    "--json",
                ])
                .await,
        );
        becomes(&gateway, &key, 200).await;

        let rotated = json(
            &gateway
                .run(&["key", "rotate", id, "--grace", "1h", "--json"])
                .await,
        );
        let second = rotated["key"].as_str().unwrap().to_owned();
        becomes(&gateway, &second, 200).await;
        assert_eq!(status(&gateway, &key).await, 200, "in its grace");
        let rotated = json(&gateway.run(&["key", "rotate", id, "--json"]).await);
        let third = rotated["key"].as_str().unwrap().to_owned();
        becomes(&gateway, &third, 200).await;
        becomes(&gateway, &second, 401).await;
        assert_eq!(fault(&gateway, &second).await, "rotated");
        becomes(&gateway, &key, 401).await;

        json(
            &gateway
                .run(&["key", "update", id, "--expires", "2020-01-01", "--json"])
                .await,
        );
        becomes(&gateway, &third, 401).await;
        assert_eq!(fault(&gateway, &third).await, "expired");
        json(
            &gateway
                .run(&["key", "update", id, "--expires", "none", "--json"])
                .await,
        );
        becomes(&gateway, &third, 200).await;

        assert!(gateway.run(&["key", "revoke", id]).await.status.success());
        becomes(&gateway, &third, 401).await;
        becomes(&gateway, &key, 401).await;
        for key in [&key, &second, &third] {
            assert_eq!(fault(&gateway, key).await, "revoked");
        }
        assert!(!gateway.run(&["key", "rotate", id]).await.status.success());
        assert_eq!(
            json(&gateway.run(&["key", "list", "--json"]).await),
            serde_json::json!([])
        );
        assert!(gateway.run(&["key", "delete", id]).await.status.success());
        eventually("the key is forgotten", async || {
            fault(&gateway, &third).await == "not_issued_here_or_deleted"
        })
        .await;
        let mut typo = third.clone();
        typo.replace_range(
            10..11,
            if typo.as_bytes()[10] == b'a' {
                "b"
            } else {
                "a"
            },
        );
        assert_eq!(fault(&gateway, &typo).await, "mistyped");
        assert_eq!(fault(&gateway, "sk-whatever").await, "unknown");
        let unknown = gateway.run(&["key", "info", id]).await;
        assert!(
            !unknown.status.success() && unknown.output.contains("gateway key list"),
            "{}",
            unknown.output
        );
    }
}

#[tokio::test]
async fn a_key_may_do_what_it_and_its_team_may() {
    for postgres in database::each().await {
        let upstream = upstream().await;
        let gateway = started(builder(&upstream.base_url(), postgres.as_ref())).await;
        let (narrow, _) = create(&gateway, &["--models", "fast*", "--routes", "/v1/chat/*"]).await;
        let (of_team, _) = create(&gateway, &["--team", "red"]).await;
        becomes(&gateway, &narrow, 403).await;
        let embeddings = Request::post("/v1/embeddings", r#"{"model":"fast","input":"x"}"#);
        let answer = gateway.call(embeddings.bearer(&narrow)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.text().contains("/v1/chat/*"), "{answer:?}");
        becomes(&gateway, &of_team, 200).await;
        let made = gateway
            .run(&["team", "create", "red", "--models", "other"])
            .await;
        assert!(made.status.success(), "{}", made.output);
        becomes(&gateway, &of_team, 403).await;
        gateway
            .run(&["team", "update", "red", "--models", "none", "--block"])
            .await;
        becomes(&gateway, &of_team, 401).await;
        assert_eq!(
            fault(&gateway, &of_team).await,
            "team_project_or_user_blocked"
        );
        let refused = gateway.run(&["team", "delete", "red"]).await;
        assert!(
            !refused.status.success() && refused.output.contains("--with-keys"),
            "{}",
            refused.output
        );
        assert_eq!(status(&gateway, &of_team).await, 401, "it is blocked still");
        let deleted = gateway.run(&["team", "delete", "red", "--with-keys"]).await;
        assert!(
            deleted.status.success() && deleted.output.contains("1 keys"),
            "{}",
            deleted.output
        );
        becomes(&gateway, &of_team, 401).await;
        let models = gateway
            .call(Request::get("/v1/models").bearer(&narrow))
            .await;
        assert_eq!(models.status, 403, "not among its routes");
    }
}

#[tokio::test]
async fn an_open_gateway_asks_for_keys_once_there_is_one() {
    let upstream = upstream().await;
    let yaml = Yaml::open().provider("one", &upstream.base_url()).build();
    let gateway = started(TestGateway::builder(&yaml)).await;
    assert_eq!(status(&gateway, "whatever").await, 200);
    let made = ["key", "create", "--key-stdin", "--json"];
    let made = json(&gateway.run_with(&made, "sk-of-my-own-choice\n").await);
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(key, "sk-of-my-own-choice");
    becomes(&gateway, "whatever", 401).await;
    assert_eq!(status(&gateway, &key).await, 200);
    gateway
        .run(&["key", "delete", made["id"].as_str().unwrap()])
        .await;
    becomes(&gateway, &key, 401).await;
    assert_eq!(
        status(&gateway, "whatever").await,
        401,
        "it does not open again"
    );
}
