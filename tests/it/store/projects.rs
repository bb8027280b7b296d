//! Projects: limits, models, provider keys and headers of their own.

use super::*;
use crate::support::{config::CLIENT_KEY, database, eventually};

#[tokio::test]
async fn a_projects_requests_use_its_own_provider_key_and_headers() {
    for postgres in database::each().await {
        let one = upstream().await;
        let builder = builder(&one.base_url(), postgres.as_ref());
        let gateway = started(builder.env("ENABLE_MULTI_PROJECT", "1")).await;
        let config = gateway.config_path().to_string_lossy().into_owned();
        let made = gateway
            .run(&[
                "project",
                "create",
                "shop",
                "--header",
                "one:X-Shop=yes",
                "--header",
                "X-Any=1",
            ])
            .await;
        assert!(made.status.success(), "{}", made.output);
        let add = ["provider", "add", "one", "--project", "shop", "-c", &config];
        let added = gateway.run_with(&add, "sk-key-of-the-shop").await;
        assert!(added.status.success(), "{}", added.output);
        let (key, _) = create(&gateway, &["--project", "shop"]).await;
        becomes(&gateway, &key, 200).await;
        eventually("the project's key is used", async || {
            assert_eq!(status(&gateway, &key).await, 200);
            one.last().header("authorization") == Some("Bearer sk-key-of-the-shop")
        })
        .await;
        assert_eq!(one.last().header("x-shop"), Some("yes"));
        assert_eq!(one.last().header("x-any"), Some("1"));
        assert_eq!(status(&gateway, CLIENT_KEY).await, 200);
        assert_eq!(
            one.last().header("authorization"),
            Some("Bearer provider-secret-one")
        );
        assert_eq!(one.last().header("x-shop"), None, "others do not send it");

        let narrowed = gateway
            .run(&["project", "update", "shop", "--models", "other"])
            .await;
        assert!(narrowed.status.success(), "{}", narrowed.output);
        becomes(&gateway, &key, 403).await;
        gateway
            .run(&["project", "update", "shop", "--models", "none", "--block"])
            .await;
        becomes(&gateway, &key, 401).await;
    }
}

#[tokio::test]
async fn projects_are_made_where_they_are_enabled() {
    let builder = builder("http://127.0.0.1:1/v1", None);
    let refused = builder.run(&["project", "create", "shop"]).await;
    assert!(!refused.status.success());
    assert!(
        refused.output.contains("ENABLE_MULTI_PROJECT=1"),
        "{}",
        refused.output
    );
}
