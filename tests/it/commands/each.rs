//! Each of the other commands.

use serde_json::{Value, json};

use super::{Desk, ENCRYPTION_KEY};
use crate::support::{Request, Script, openai};

#[tokio::test]
async fn teams_projects_users_and_budgets_are_made_shown_changed_and_deleted() {
    for desk in Desk::each().await {
        for (kind, said, shown) in [
            (
                "team",
                &["--alias", "The Reds", "--models", "m"][..],
                json!({"alias": "The Reds", "models": ["m"]}),
            ),
            (
                "project",
                &["--team", "red", "--header", "one:X-A=b"],
                json!({"team_id": "red"}),
            ),
            (
                "user",
                &["--email", "rosa@example.com", "--role", "internal_user"],
                json!({"role": "internal_user"}),
            ),
            (
                "budget",
                &["--budget", "100"],
                json!({"budget": {"max": "100"}}),
            ),
        ] {
            let create: Vec<&str> = [kind, "create", "it", "--rate-limit", "5"]
                .iter()
                .chain(said)
                .copied()
                .collect();
            let made = desk.json(&create).await;
            for (name, value) in shown.as_object().unwrap() {
                assert_eq!(made[name], *value, "{kind}: {made}");
            }
            desk.says(1, &create).await;
            let changed = desk
                .json(&[kind, "update", "it", "--token-limit", "9"])
                .await;
            assert_eq!(
                changed["limits"],
                json!({"requests_per_minute": 5, "tokens_per_minute": 9})
            );
            assert_eq!(desk.json(&[kind, "info", "it"]).await["id"], "it");
            assert_eq!(desk.json(&[kind, "list"]).await[0]["id"], "it");
            assert!(desk.says(0, &[kind, "list"]).await.contains("it"), "{kind}");
            let option = if kind == "budget" {
                "--shared-budget".to_owned()
            } else {
                format!("--{kind}")
            };
            let key = desk.json(&["key", "create", &option, "it"]).await;
            let used = desk.says(1, &[kind, "delete", "it"]).await;
            assert!(used.contains("--with-keys"), "{used}");
            let deleted = desk.json(&[kind, "delete", "it", "--with-keys"]).await;
            assert_eq!(
                (&deleted[kind]["id"], &deleted["deleted_keys"]),
                (&json!("it"), &json!(1))
            );
            desk.says(3, &["key", "info", key["id"].as_str().unwrap()])
                .await;
            let gone = desk.says(3, &[kind, "info", "it"]).await;
            assert!(gone.contains(&format!("gateway {kind} list")), "{gone}");
            desk.says(3, &[kind, "delete", "it"]).await;
        }
    }
}

#[tokio::test]
async fn a_projects_headers_are_changed_one_by_one() {
    for desk in Desk::each().await {
        desk.json(&[
            "project",
            "create",
            "p",
            "--header",
            "X-A=1",
            "--header",
            "one:X-B=2",
        ])
        .await;
        let changed = desk
            .json(&[
                "project",
                "update",
                "p",
                "--header",
                "X-A=",
                "--header",
                "one:X-C=3",
            ])
            .await;
        assert_eq!(changed["headers"], json!({"one": ["X-B", "X-C"]}));
    }
}

#[tokio::test]
async fn providers_are_added_listed_tried_given_another_key_and_removed() {
    for desk in Desk::each().await {
        let url = desk.upstream.base_url();
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
        let added = desk.json_with(&add, "sk-stored-provider-key-1\n").await;
        assert_eq!(
            (&added["provider"], &added["is_new"]),
            (&json!("mine"), &json!(true))
        );
        let id = added["credential"]["id"].as_str().unwrap();
        let listed = desk.json(&["provider", "list"]).await;
        let find = |listed: &Value| {
            listed
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["name"] == "mine")
                .cloned()
        };
        let mine = find(&listed).unwrap();
        assert_eq!(
            (
                &mine["source"],
                &mine["in_use"],
                &mine["credentials"][0]["id"]
            ),
            (&json!("store"), &json!(true), &json!(id))
        );
        let models = desk.json(&["model", "list", "spec"]).await;
        assert_eq!(
            (&models[0]["name"], &models[0]["served_by"]),
            (&json!("special"), &json!(["mine/special"]))
        );
        let tried = desk.json(&["provider", "test"]).await;
        assert_eq!(tried.as_array().unwrap().len(), 2, "{tried}");
        assert_eq!(desk.upstream.exchanges().len(), 2);

        let rotated = desk
            .run_with(
                &["provider", "rotate", "a", "--json"],
                "sk-stored-provider-key-2\n",
            )
            .await;
        assert!(
            rotated.status.success() && !rotated.output.contains("key-2"),
            "{}",
            rotated.output
        );
        desk.json(&["provider", "test", "mine"]).await;
        assert_eq!(
            desk.upstream.last().header("authorization"),
            Some("Bearer sk-stored-provider-key-2")
        );
        desk.upstream
            .follow([Script::json(401, openai::error("no such key"))]);
        assert!(
            desk.says(1, &["provider", "test", "mine"])
                .await
                .contains("the key is refused")
        );
        desk.says(3, &["provider", "test", "nobody"]).await;
        desk.says(3, &["provider", "rotate", "nobody"]).await;

        let sealed = desk.json(&["provider", "reencrypt"]).await;
        assert_eq!(
            (&sealed["sealed"], &sealed["others"]),
            (&json!(0), &json!(0))
        );
        let second = desk
            .json_with(&["provider", "add", "one"], "sk-second-key-of-one")
            .await;
        assert_eq!(second["is_new"], false);
        let taken = desk.says(0, &["provider", "remove", "one"]).await;
        assert!(taken.contains("still has the provider"), "{taken}");
        desk.says(1, &["provider", "remove", "one"]).await;
        let removed = desk.json(&["provider", "remove", "mine"]).await;
        assert_eq!(
            (&removed["provider"], &removed["credentials"]),
            (&json!("mine"), &json!([id]))
        );
        assert_eq!(find(&desk.json(&["provider", "list"]).await), None);
        desk.says(3, &["provider", "remove", "mine"]).await;
        desk.says(2, &["provider", "add", "unheard-of"]).await;
    }
}

#[tokio::test]
async fn another_encryption_key_here_than_at_the_gateway_is_said() {
    let mut desk = Desk::at_the_port(None).await;
    let both = format!("{},{ENCRYPTION_KEY}", "ff".repeat(32));
    desk.builder = desk.builder.env("GATEWAY_ENCRYPTION_KEY", &both);
    let said = desk.says(1, &["provider", "reencrypt"]).await;
    assert!(said.contains("restart every gateway"), "{said}");
}

#[tokio::test]
async fn usage_is_read_through_the_port() {
    let desk = Desk::at_the_port(None).await;
    let made = desk
        .json(&["key", "create", "--label", "app", "--team", "red"])
        .await;
    let gateway = desk.gateway.as_ref().unwrap();
    for _ in 0..3 {
        let request = Request::post("/v1/chat/completions", openai::chat("m"));
        assert_eq!(
            gateway
                .call(request.bearer(made["key"].as_str().unwrap()))
                .await
                .status,
            200
        );
    }
    gateway
        .wait_metric("gateway_usage_rows_settled_total", &[], |settled| {
            settled > 2.5
        })
        .await;
    let sums = desk
        .json(&["usage", "summary", "--by", "key", "--key", "app"])
        .await;
    assert_eq!(
        (&sums["lines"][0]["label"], &sums["total"]["requests"]),
        (&json!("app"), &json!(3))
    );
    assert!(desk.says(0, &["usage", "summary"]).await.contains("MODEL"));
    let csv = desk.says(0, &["usage", "export", "--team", "red"]).await;
    assert!(
        csv.starts_with("id,time,account,") && csv.lines().count() == 4,
        "{csv}"
    );
    assert_eq!(
        desk.says(0, &["usage", "export", "--key", "app", "--json"])
            .await
            .lines()
            .count(),
        3
    );
    assert!(desk.says(0, &["cache", "stats"]).await.contains("cache"));
    assert!(desk.says(0, &["provider", "health"]).await.contains("one"));
}
